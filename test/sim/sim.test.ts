/**
 * The whole system under seeded misfortune. A failing seed is replayed by
 * `TAFFRAIL_SIM_SEED=<seed> node --import tsx --test test/sim/sim.test.ts`, and looked at by
 * `node --import tsx test/sim/play.ts <seed> talk log`.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { LogEntry } from "../../bus/event.ts";
import { projectBatch } from "../../services/ui-projection/app.ts";
import { openReadModel } from "../../services/ui-projection/database.ts";
import { createSeededRandom } from "../support/virtual-clock.ts";
import { saboteurs } from "./saboteurs.ts";
import { simulate, type Sabotage } from "./simulation.ts";

const FULL = process.env["TAFFRAIL_TEST_FULL"] === "1";
const ONE = process.env["TAFFRAIL_SIM_SEED"];
const SEEDS = ONE === undefined ? range(1, 60) : [Number(ONE)];
/** Within so many seeds a missing guard must show. */
const CONTROL_SEEDS = range(1, 60);

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** What the seeds of the first test brought about. */
const met = { deaths: 0, kinds: new Set<string>() };

function kindsOf(entry: LogEntry): string[] {
  if (entry.type === "TurnClaimed") return [entry.type, `claimed: ${entry.data.reason}`];
  if (entry.type === "ToolCompleted") return [entry.type, `tool: ${entry.data.outcome}`];
  return [entry.type, ...(entry.type === "TurnRequested" && entry.data.retryOf !== undefined ? ["retried"] : [])];
}

/** Each some hundred seeds in a process of its own, so that memory stays small. */
async function playInChildren(from: number, to: number): Promise<string[]> {
  const failed: string[] = [];
  for (let first = from; first <= to; first += 250) {
    const last = Math.min(first + 249, to);
    const args = ["--import", "tsx", join(import.meta.dirname, "play.ts"), String(first), String(last)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const text = child.stdout.setEncoding("utf8").toArray();
    const [code] = (await once(child, "exit")) as [number | null];
    if (code !== 0) failed.push((await text).join(""));
  }
  return failed;
}

test("whatever dies, stalls or gets lost, every invariant holds once the storm is over", async () => {
  const failed: string[] = [];
  if (FULL && ONE === undefined) failed.push(...(await playInChildren(61, 2_000)));
  for (const seed of SEEDS) {
    const { violations, facts, deaths } = await simulate(seed);
    met.deaths += deaths;
    for (const entry of facts.entries) for (const kind of kindsOf(entry)) met.kinds.add(kind);
    if (violations.length === 0) continue;
    const replay = `TAFFRAIL_SIM_SEED=${seed} node --import tsx --test test/sim/sim.test.ts`;
    failed.push(`${replay}\n  ${violations.join("\n  ")}`);
  }
  assert.equal(failed.length, 0, `${failed.length} of ${SEEDS.length} seeds fail:\n${failed.join("\n")}`);
});

test("one seed writes the same log twice, another seed another one", async () => {
  for (const seed of [3, 11, 20]) {
    const [first, second, other] = [await simulate(seed), await simulate(seed), await simulate(seed + 100)];
    assert.equal(first.hash, second.hash, `seed ${seed}`);
    assert.notEqual(first.hash, other.hash);
  }
});

test("the misfortune is real: all that the system can meet has happened", { skip: ONE !== undefined }, () => {
  assert.ok(met.deaths > 200, `${met.deaths} deaths`);
  const wanted =
    "TurnCompleted,TurnFailed,TurnCancelled,Steered,CancelRequested,TurnParked,TurnResumed,TaskFired,TaskCancelled," +
    "TimerFired,ChatModelSelected,CommandRefused,ModelStepFailed,MessageEdited,MessageDeleted," +
    "claimed: takeover,tool: ok,tool: error,tool: interrupted,retried";
  for (const kind of wanted.split(",")) assert.ok(met.kinds.has(kind), `${kind} never happened`);
});

test("the read model in SQLite is the same whatever the batches, and when batches come twice", async () => {
  const folder = await mkdtemp(join(tmpdir(), "taffrail-sim-"));
  try {
    for (const seed of [2, 5]) {
      const { facts } = await simulate(seed);
      const random = createSeededRandom(`batches ${seed}`);
      const digests: string[] = [];
      for (const [name, most, twice] of [
        ["live", 3, false],
        ["rebuilt", 1_000, false],
        ["redelivered", 10, true],
      ] as const) {
        const model = await openReadModel(join(folder, `${seed}-${name}.db`));
        for (let from = 0; from < facts.entries.length;) {
          const to = from + 1 + random.below(most);
          await projectBatch(model, facts.entries.slice(from, to), "created", () => Promise.resolve());
          from = twice && random.chance(0.4) ? Math.max(0, to - random.below(8)) : to;
        }
        digests.push(await model.digest());
        await model.close();
      }
      assert.equal(new Set(digests).size, 1, `seed ${seed}: ${digests.join(" ")}`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

for (const [name, sabotage] of Object.entries<Sabotage>(saboteurs)) {
  test(`control: when ${name}, a seed shows it`, async () => {
    for (const seed of CONTROL_SEEDS) {
      if ((await simulate(seed, { sabotage })).violations.length > 0) return;
    }
    assert.fail(`${CONTROL_SEEDS.length} seeds noticed nothing`);
  });
}
