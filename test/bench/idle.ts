/** Idle: memory by process and CPU of all of them, after a message was answered and nothing has happened since. */
import { setTimeout as wait } from "node:timers/promises";
import { figure, type ScenarioResult } from "./figures.ts";
import { openPages } from "./pages.ts";
import { fineCpuMs, memoryOf, type Memory } from "./procfs.ts";
import { startProduct } from "./product.ts";

export interface IdleOptions {
  readonly quietMs: number;
  /** At least ten seconds: the slowest timers of an idle process must be in it. */
  readonly measureMs: number;
  readonly rounds: number;
}

/** Other Node processes of the machine share the program's pages and make each PSS smaller. */
function withoutNeighbours(memory: ReadonlyMap<string, Memory>): number {
  let sum = memory.get("broker")?.shared ?? 0;
  let shared = 0;
  for (const [name, one] of memory) {
    sum += one.own;
    if (name !== "broker") shared = Math.max(shared, one.shared);
  }
  return sum + shared;
}

export async function idle(options: IdleOptions): Promise<ScenarioResult> {
  const product = await startProduct();
  try {
    const pages = await openPages(product.system, ["idle"]);
    await pages.ask("idle", "hello");
    pages.close();
    await wait(options.quietMs);
    const samples = new Map<string, number[]>([...product.pids.keys()].map((name) => [name, []]));
    const sums: number[] = [];
    const alone: number[] = [];
    const fineCpu = (): number => [...product.pids.values()].reduce((sum, pid) => sum + fineCpuMs(pid), 0);
    const cpu: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const before = fineCpu();
      const startedMs = performance.now();
      await wait(options.measureMs);
      cpu.push(((fineCpu() - before) / (performance.now() - startedMs)) * 100);
      const memory = new Map([...product.pids].map(([name, pid]) => [name, memoryOf(pid)]));
      for (const [name, { pss }] of memory) samples.get(name)?.push(pss);
      memory.delete("supervisor");
      sums.push([...memory.values()].reduce((sum, { pss }) => sum + pss, 0));
      alone.push(withoutNeighbours(memory));
    }
    return {
      scenario: "idle",
      figures: [
        figure("PSS of broker, 5 services, web", "MB", sums, { atMost: 230 }),
        figure("the same without neighbours", "MB", alone),
        ...[...samples].map(([name, values]) => figure(`PSS ${name}`, "MB", values)),
        figure("CPU of all, with the supervisor", "% of one", cpu, { atMost: 0.5 }),
      ],
      notes: [
        "The supervisor is not in the sums. Without neighbours: own pages, and what Node processes share counted once, " +
          "as if no other Node process of this machine, the supervisor included, paid a part of it.",
      ],
    };
  } finally {
    await product.stop();
  }
}
