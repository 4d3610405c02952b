/** Logs that are odd but right come out the same: slow to read, of a past release, with entries that nobody can read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import { tokenMint } from "../../bus/ids.ts";
import { replay, type ReplayReport } from "../../ops/replay/replay.ts";
import type { LogReader } from "../../ops/source/source.ts";
import { INSTALL_KEY } from "../sim/simulation.ts";
import { readerOf } from "../support/entries-reader.ts";
import { fixtureLogs, type FixtureLog } from "./fixture-logs.ts";

const logs = fixtureLogs();

function play(
  entries: readonly LogEntry[],
  { settings }: FixtureLog,
  given: { log?: LogReader; startSeq?: number } = {},
): Promise<ReplayReport> {
  async function* all(): AsyncGenerator<readonly LogEntry[]> {
    yield await Promise.resolve(entries);
  }
  return replay(all(), {
    settings,
    mint: tokenMint(INSTALL_KEY),
    log: given.log ?? readerOf(entries),
    startSeq: given.startSeq ?? 1,
    endMs: entries.at(-1)?.storedAtMs ?? 0,
  });
}

void test("a log that answers late is waited for", async () => {
  const log = logs.find(({ entries }) => entries.some(({ type }) => type === "Steered"))!;
  const entries = log.entries.slice(0, 150);
  const reader = readerOf(entries);
  const slow: LogReader = {
    ...reader,
    // Many turns of the event loop, none of which brings anything.
    fetch: (wanted) => new Promise((resolve) => setTimeout(() => resolve(reader.fetch(wanted)), 20)),
  };
  // Begun behind all: each conversation is asked of the log.
  const report = await play(entries, log, { log: slow, startSeq: 1_000_000 });
  assert.deepEqual(report.differences, []);
  assert.ok(report.turns > 10);
});

void test("what a past release did not write of its failures is no difference", async () => {
  const without = (entry: StoredEvent): StoredEvent => {
    if (entry.type !== "ModelStepFailed") return entry;
    const { signalsThrough: _, retryInMs: __, ...data } = entry.data;
    return { ...entry, data };
  };
  // No message came in while a call failed: of such a log nobody can tell what the call had heard.
  const log = logs.find(({ entries }) => {
    const failures = entries.filter((entry) => entry.type === "ModelStepFailed");
    const heardMore = failures.some(({ seq, data }) =>
      entries.some(
        (entry) =>
          (entry.type === "Steered" || entry.type === "CancelRequested") &&
          entry.data.turn === data.turn &&
          entry.seq > (data.signalsThrough ?? 0) &&
          entry.seq < seq,
      ),
    );
    return failures.length > 0 && !heardMore;
  });
  assert.ok(log, "no recorded log is quiet enough");
  const report = await play(log.entries.map(without), log);
  assert.deepEqual(report.differences, []);
});

/** Sequences doubled, so that there is room between two entries. */
function spread(value: unknown, key?: string): unknown {
  const isSeq = key !== undefined && ["seq", "historyFrom", "through", "quiet", "signalsThrough"].includes(key);
  if (typeof value === "number") return isSeq ? 2 * value : value;
  if (Array.isArray(value)) return value.map((one) => spread(one));
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, one]) =>
    name === "arguments" || name === "rawUsage" ? [name, one] : [name, spread(one, name)],
  );
  return Object.fromEntries(members) as unknown;
}

void test("an entry nobody can read, on the signal lane before a turn's end, is no difference", async () => {
  const log = logs.find(({ name }) => name.includes("queue-50"))!;
  const entries = spread(log.entries) as StoredEvent[];
  assert.deepEqual((await play(entries, log)).differences, []);
  const ends = entries.filter(({ type }) => type === "TurnCompleted").slice(0, 5);
  assert.ok(ends.length > 2);
  for (const { seq, subject, storedAtMs } of ends) {
    const root = subject.split(".").slice(0, 5).join(".");
    const message = "it cannot be read";
    const place = { seq: seq - 1, subject: `${root}.signal`, storedAtMs };
    const unreadable: LogEntry = { ...place, type: "unreadable", code: "BUS_EVENT_UNREADABLE", message };
    const report = await play(
      [...entries.filter((one) => one.seq < seq), unreadable, ...entries.filter((one) => one.seq >= seq)],
      log,
    );
    assert.deepEqual(report.differences, []);
    assert.equal(report.unreadable, 1);
  }
});

void test("what a runner says of a turn that has ended is found: nobody decides it", async () => {
  const log = logs[0]!;
  const last = log.entries.at(-1)!;
  for (const type of ["TurnClaimed", "ToolCalled", "TurnCompleted"] as const) {
    const again = log.entries.find((entry) => entry.type === type)!;
    const seq = last.seq + 1;
    const stray = { ...again, seq, storedAtMs: last.storedAtMs } as StoredEvent;
    const { differences } = await play([...log.entries, stray], log);
    assert.deepEqual(
      differences.map((one) => [one.seq, one.kind, one.type]),
      [[seq, "missing", type]],
    );
  }
});
