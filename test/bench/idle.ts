/** Idle: memory by process and CPU of all of them, after a message was answered and nothing has happened since. */
import { setTimeout as wait } from "node:timers/promises";
import { figure, type ScenarioResult } from "./figures.ts";
import { openPages } from "./pages.ts";
import { cpuMsOf, pssMb } from "./procfs.ts";
import { startProduct } from "./product.ts";

export interface IdleOptions {
  readonly quietMs: number;
  /** At least ten seconds: the slowest timers of an idle process must be in it. */
  readonly measureMs: number;
  readonly rounds: number;
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
    const cpu: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const before = cpuMsOf(product.pids.values());
      const startedMs = performance.now();
      await wait(options.measureMs);
      cpu.push(((cpuMsOf(product.pids.values()) - before) / (performance.now() - startedMs)) * 100);
      let sum = 0;
      for (const [name, pid] of product.pids) {
        const mb = pssMb(pid);
        samples.get(name)?.push(mb);
        if (name !== "supervisor") sum += mb;
      }
      sums.push(sum);
    }
    return {
      scenario: "idle",
      figures: [
        figure("PSS of broker, 5 services, web", "MB", sums, { atMost: 230 }),
        ...[...samples].map(([name, values]) => figure(`PSS ${name}`, "MB", values)),
        figure("CPU of all, with the supervisor", "% of one", cpu, { atMost: 0.5 }),
      ],
      notes: ["The supervisor is not in the sum of the aim; its own line shows it."],
    };
  } finally {
    await product.stop();
  }
}
