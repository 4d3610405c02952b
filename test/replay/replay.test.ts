/** Recorded logs come out the same, changed code is found at the event where it first shows, and what the replay costs. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { ReplayReport } from "../../ops/replay/replay.ts";
import { INSTALL_KEY } from "../sim/simulation.ts";
import { sortOut } from "./beside.ts";
import { fixtureLogs, type FixtureLog } from "./fixture-logs.ts";
import { buildPlanted, type Planted } from "./planting.ts";
import type { Plant } from "./plant-events.ts";
import { plants } from "./plants.ts";
import { stubs } from "./stubs.ts";
import { shapesOf, type TurnShape } from "./shapes.ts";

const logs = fixtureLogs();
/** Those in which a planted change is the first that shows. */
const equalLogs = logs.filter(({ accepted }) => accepted.length === 0);
const folder = mkdtempSync(join(tmpdir(), "taffrail-planted-"));
// Each planted build brings a logger of its own, which listens to the end of the process.
process.setMaxListeners(0);
after(() => rmSync(folder, { recursive: true, force: true }));

function play(planted: Planted, log: FixtureLog): Promise<ReplayReport> {
  return planted.replayStored(log.messages, log.settings, INSTALL_KEY);
}

describe("recorded logs", () => {
  let release: Planted;
  before(async () => {
    release = await buildPlanted(folder);
  });

  for (const log of logs) {
    void test(`${log.name} comes out the same`, async () => {
      const report = await release.replayStored(log.messages, log.settings, INSTALL_KEY, true);
      assert.deepEqual(sortOut(report.differences, log.accepted), { unmeant: [], stale: [] });
      assert.equal(report.unreadable, 0);
      assert.equal(report.turns, shapesOf(log.entries).turns);
    });
  }

  void test("they hold 200 turns of every shape", () => {
    const all = logs.map(({ entries }) => shapesOf(entries));
    const sum = (shape: TurnShape | "turns"): number => all.reduce((total, shapes) => total + shapes[shape], 0);
    assert.ok(sum("turns") >= 200, `${sum("turns")} turns`);
    for (const shape of [
      "plain",
      "tools",
      "steered",
      "cancelled",
      "failed",
      "parked",
      "takeover",
      "retried",
      "task",
    ] as const)
      assert.ok(sum(shape) >= 4, `${sum(shape)} turns of the shape "${shape}"`);
  });

  void test("a message that is changed in the log is found where its turn asks the model", async () => {
    const log = equalLogs[0]!;
    const index = log.entries.findIndex((entry) => entry.type === "MessageReceived");
    const messages = log.messages.map((message, at) => {
      if (at !== index) return message;
      const data = JSON.parse(Buffer.from(message.payload).toString()) as { text: string };
      return { ...message, payload: Buffer.from(JSON.stringify({ ...data, text: `${data.text} ` })) };
    });
    const { differences } = await release.replayStored(messages, log.settings, INSTALL_KEY);
    assert.match(differences[0]?.path ?? "", /requestHash$/);
  });
});

/** The first log that has an event by which the change must be found. */
function logFor(plant: Plant): { log: FixtureLog; expected: ReturnType<Plant["at"]> } {
  const log = equalLogs.find(({ entries }) => plant.at(entries) !== undefined);
  assert.ok(log, "no recorded log has an event by which it would show");
  return { log, expected: plant.at(log.entries) };
}

async function findsIt(plant: Plant): Promise<void> {
  const { log, expected } = logFor(plant);
  const { differences } = await play(await buildPlanted(folder, plant), log);
  const [found] = differences;
  assert.ok(found, "the replay found no difference");
  assert.equal(found.seq, expected?.seq, `found at ${found.seq} ${found.type} ${found.path}`);
  if (plant.kind !== undefined) assert.equal(found.kind, plant.kind);
  if (plant.path !== undefined) assert.match(found.path, plant.path);
}

describe("a planted change is found at the event where it first shows:", () => {
  for (const plant of plants) void test(plant.name, () => findsIt(plant));
});

describe("a computation taken out is found, so the log is not compared with itself:", () => {
  for (const stub of stubs) void test(stub.name, () => findsIt(stub));
});

void test("without the comparison no planted change is found", async () => {
  const blind = [
    {
      file: "bus/compare.ts",
      find: "  const attribute = attributeFault(recorded, event);",
      replace: "  if (Date.now() > 0) return undefined; const attribute = attributeFault(recorded, event);",
    },
    {
      file: "services/agent-runner/recorded-run.ts",
      find: " ?? sentFault(next)",
      replace: "",
    },
  ];
  const plant = plants.find(({ path }) => path?.test("requestHash"))!;
  const { log } = logFor(plant);
  const { differences } = await play(await buildPlanted(folder, plant, ...blind), log);
  assert.deepEqual(differences, []);
});
