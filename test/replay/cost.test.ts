/** What a replay costs: its speed against the decoding of the same events, its memory against the length of the log. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { withComputed } from "../../bus/compare.ts";
import { decodeEvent } from "../../bus/codec.ts";
import { tokenMint } from "../../bus/ids.ts";
import { rawMessage } from "../../bus/raw.ts";
import { replay, type ReplayReport } from "../../ops/replay/replay.ts";
import { readerOf } from "../support/entries-reader.ts";
import { INSTALL_KEY } from "../sim/simulation.ts";
import { TOOL_SPECS, TURN_SETTINGS, VERSIONS } from "../sim/settings.ts";
import { fixtureLogs } from "./fixture-logs.ts";
import { longLog } from "./long-log.ts";

const mint = tokenMint(INSTALL_KEY);
const full = process.env["TAFFRAIL_TEST_FULL"] !== undefined;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function cpuMs(since?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

async function replayLong(turns: number, chats: number, onBatch: (batches: number) => void): Promise<ReplayReport> {
  let batches = 0;
  async function* watched(): ReturnType<typeof longLog> {
    for await (const batch of longLog(turns, chats, mint)) {
      yield batch;
      onBatch(++batches);
    }
  }
  return replay(watched(), {
    settings: { router: { queueMode: "steer" }, runner: TURN_SETTINGS, tools: TOOL_SPECS, versions: VERSIONS },
    mint,
    log: { fetch: () => Promise.reject(new Error("what a turn needs is at hand")) },
    startSeq: 1,
    endMs: 0,
    amend: withComputed,
  });
}

void test("a replay costs a small multiple of reading the events", async () => {
  const logs = fixtureLogs();
  const events = logs.reduce((sum, { entries }) => sum + entries.length, 0);
  const round = async (): Promise<number> => {
    const before = process.cpuUsage();
    for (const { entries, settings } of logs) {
      const all = async function* (): AsyncGenerator<typeof entries> {
        yield await Promise.resolve(entries);
      };
      const options = { settings, mint, log: readerOf(entries), startSeq: 1, endMs: 0 };
      assert.deepEqual((await replay(all(), options)).differences, []);
    }
    return cpuMs(before);
  };
  const decode = (): number => {
    const before = process.cpuUsage();
    for (const { messages } of logs) for (const message of messages) decodeEvent(rawMessage(message));
    return cpuMs(before);
  };
  // The first rounds compile.
  await round();
  decode();
  const replaying = Math.min(await round(), await round());
  const decoding = Math.min(decode(), decode(), decode());
  const perSecond = Math.round((events / replaying) * 1000);
  console.log(`replay: ${perSecond} events per CPU second, ${(replaying / decoding).toFixed(1)} times the decoding`);
  // Decoding does some 150,000 events a second: at 75 times as dear a replay falls to 2,000.
  assert.ok(replaying / decoding <= 60, `${(replaying / decoding).toFixed(1)} times the decoding`);
  if (full) assert.ok(perSecond >= 2_000, `${perSecond} events per CPU second`);
});

for (const [name, chats] of [
  ["one long chat", 1],
  ["many chats", 40],
] as const) {
  void test(`the memory of a replay does not grow with ${name}`, async () => {
    const heap: number[] = [];
    const turns = full ? 100_000 : 4_000;
    const batchCount = Math.ceil(turns / 64);
    const report = await replayLong(turns, chats, (batches) => {
      if (batches !== Math.floor(batchCount / 4) && batches !== batchCount - 1) return;
      collectGarbage();
      heap.push(process.memoryUsage().heapUsed);
    });
    assert.deepEqual(report.differences, []);
    assert.equal(report.turns, turns);
    const [early = 0, late = 0] = heap;
    console.log(`${name}: ${Math.round(early / 1e6)} MB after a quarter, ${Math.round(late / 1e6)} MB at the end`);
    assert.ok(late < early * 1.2, `${early} bytes after a quarter, ${late} at the end`);
  });
}
