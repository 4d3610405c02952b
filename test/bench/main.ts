/**
 * The benchmarks. In: `--json`, `--quick`, `--only a,b`. Out: a table, or JSON, on stdout; progress on stderr.
 * Owns: the order and the number of rounds. Never: fails because a figure misses its aim (exit 1 is a broken run).
 */
import { availableParallelism, cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { describeError } from "../../bus/errors.ts";
import { isMet, tableLines, type ScenarioResult } from "./figures.ts";
import { firstToken } from "./first-token.ts";
import { idle } from "./idle.ts";
import { ready } from "./ready.ts";
import { slowDisk } from "./slow-disk.ts";
import { throughput } from "./throughput.ts";

/** By name; `quick` is for trial runs, its figures say little. */
const scenarios: Readonly<Record<string, (quick: boolean) => Promise<ScenarioResult>>> = {
  ready: (quick) => ready({ rounds: quick ? 3 : 9 }),
  idle: (quick) => idle({ quietMs: quick ? 5_000 : 30_000, measureMs: 10_000, rounds: quick ? 1 : 3 }),
  "first-token": (quick) => firstToken({ chats: 25, perChat: quick ? 2 : 8, warmUp: quick ? 50 : 200, rounds: 3 }),
  throughput: (quick) => throughput({ chats: 50, perChat: 5, warmUp: quick ? 1 : 3, rounds: quick ? 2 : 7 }),
  "slow-disk": (quick) => slowDisk({ chats: 10, perChat: quick ? 2 : 4, warmUp: 20, rounds: quick ? 1 : 3 }),
};

function machine(): Record<string, unknown> {
  return {
    cpus: availableParallelism(),
    model: cpus()[0]?.model.trim() ?? "",
    node: process.version,
    loadAverage: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

function print(results: readonly ScenarioResult[], json: boolean): void {
  if (json) {
    const figures = results.map(({ figures: own, ...rest }) => ({
      ...rest,
      figures: own.map((one) => ({ ...one, met: isMet(one) ?? null })),
    }));
    console.log(JSON.stringify({ at: new Date().toISOString(), machine: machine(), scenarios: figures }, null, 2));
    return;
  }
  const { cpus: count, node, loadAverage } = machine();
  console.log(tableLines(results).join("\n"));
  console.log(`${String(count)} CPUs, Node ${String(node)}, load average ${String(loadAverage)}`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      only: { type: "string" },
    },
  });
  const wanted = values.only?.split(",") ?? Object.keys(scenarios);
  const unknown = wanted.filter((name) => !Object.hasOwn(scenarios, name));
  if (unknown.length > 0) {
    console.error(`no scenario ${unknown.join(", ")}; there are ${Object.keys(scenarios).join(", ")}`);
    return 2;
  }
  const results: ScenarioResult[] = [];
  let failed = false;
  for (const name of wanted) {
    console.error(`  ${name} ...`);
    try {
      const result = await scenarios[name]?.(values.quick);
      if (result !== undefined) results.push(result);
    } catch (error) {
      failed = true;
      results.push({ scenario: name, figures: [], notes: [], skipped: `it failed: ${describeError(error)}` });
    }
  }
  print(results, values.json);
  return failed ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(describeError(error));
  process.exitCode = 2;
}
