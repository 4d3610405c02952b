/** Rules of `read` and `fetch`. */
import assert from "node:assert/strict";
import type { Log } from "../log.ts";
import { filters } from "../subjects.ts";
import type { LogRule } from "./log-conformance.ts";
import { appendSurely, follow, until, type LogHarness } from "./log-harness.ts";
import { sampleClaim, sampleMessage, sampleWake } from "./sample-events.ts";

async function appendMessages(log: Log, chat: string, from: number, to: number): Promise<void> {
  for (let index = from; index <= to; index++) {
    const { lane, event } = sampleMessage(chat, `m${index}`);
    await log.append(lane, 0, event);
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

export const readRules: readonly LogRule[] = [
  {
    name: "a reader of an empty log hears at once that it is caught up",
    async run({ log, clock }) {
      const reader = follow(log, ["log.>"]);
      await until(clock, "it is caught up", () => reader.caughtUp);
      assert.deepEqual(reader.entries, []);
      await reader.stop();
    },
  },
  {
    name: "a reader of what nobody writes hears at once that it is caught up",
    async run({ log, clock }) {
      await appendMessages(log, "a", 1, 3);
      const reader = follow(log, [filters.tasks]);
      await until(clock, "it is caught up", () => reader.caughtUp);
      await reader.stop();
    },
  },
  {
    name: "a reader gets what is there and what comes, in order, and knows when it is caught up",
    async run({ log, clock }) {
      await appendMessages(log, "a", 1, 10);
      const reader = follow(log, ["log.>"]);
      await until(clock, "ten are read", () => reader.entries.length === 10 && reader.caughtUp);
      await appendMessages(log, "a", 11, 20);
      await until(clock, "twenty are read", () => reader.entries.length === 20 && reader.caughtUp);
      assert.deepEqual(
        reader.entries.map(({ seq }) => seq),
        range(1, 20),
      );
      await reader.stop();
    },
  },
  {
    name: "pending counts what is there and not yet delivered",
    async run({ log, clock }) {
      await appendMessages(log, "a", 1, 40);
      const reader = follow(log, ["log.>"], 1, 7);
      await until(clock, "all are read", () => reader.entries.length === 40);
      let delivered = 0;
      for (const { events, pending } of reader.batches) {
        delivered += events.length;
        assert.ok(events.length <= 7, `${events.length} held of at most 7`);
        assert.equal(delivered + pending, 40);
      }
      await reader.stop();
    },
  },
  {
    name: "several filters merge in the order of the log, from the wanted sequence",
    async run({ log, clock }) {
      const turn = sampleWake("a", "t1");
      await appendMessages(log, "a", 1, 2);
      await log.append(turn.lane, 0, turn.event);
      const claim = sampleClaim("a", "t1", 1);
      await log.append(claim.lane, 0, claim.event);
      await appendMessages(log, "b", 3, 4);
      const reader = follow(log, [filters.inbound, filters.wakes], 2);
      await until(clock, "four are read", () => reader.entries.length === 4 && reader.caughtUp);
      assert.deepEqual(
        reader.entries.map(({ seq }) => seq),
        [2, 3, 5, 6],
      );
      await reader.stop();
    },
  },
  {
    name: "an aborted reader ends",
    async run({ log, clock }) {
      const reader = follow(log, ["log.>"]);
      await until(clock, "it is caught up", () => reader.caughtUp);
      await reader.stop();
      await appendMessages(log, "a", 1, 1);
      assert.deepEqual(reader.entries, []);
      const stop = new AbortController();
      stop.abort();
      for await (const _ of log.read({ filters: ["log.>"], fromSeq: 1, signal: stop.signal })) assert.fail("read on");
    },
  },
  {
    name: "a reader lives through a broker's death without gap or repeat",
    async run(harness) {
      const { log, clock } = harness;
      await appendMessages(log, "a", 1, 20);
      const readers = [follow(log, ["log.>"]), follow(log, [filters.inbound], 5, 3)];
      await until(clock, "the first is read", () => readers.every(({ entries }) => entries.length > 0));
      await harness.restart();
      await appendMany(harness, 21, 30);
      await harness.restart();
      await appendMany(harness, 31, 40);
      await until(clock, "all are read", () => readers.every(({ entries }) => entries.at(-1)?.seq === 40));
      for (const reader of readers) {
        assert.deepEqual(
          reader.entries.map(({ seq }) => seq),
          range(reader === readers[1] ? 5 : 1, 40),
        );
        await reader.stop();
      }
    },
  },
  {
    name: "a reader that takes its time holds a bounded number and misses nothing",
    async run({ log, clock }) {
      await appendMessages(log, "a", 1, 30);
      const stop = new AbortController();
      const seen: number[] = [];
      for await (const { events } of log.read({
        filters: ["log.>"],
        fromSeq: 1,
        signal: stop.signal,
        maxBuffered: 5,
      })) {
        assert.ok(events.length <= 5);
        await clock.sleep(5);
        seen.push(...events.map(({ seq }) => seq));
        if (seen.length === 30) stop.abort();
      }
      assert.deepEqual(seen, range(1, 30));
    },
  },
  {
    name: "fetch gives a bounded stretch of what matches",
    async run({ log }) {
      await appendMessages(log, "a", 1, 10);
      await appendMessages(log, "b", 1, 10);
      const seqs = async (options: Parameters<Log["fetch"]>[0]): Promise<number[]> =>
        (await log.fetch(options)).map(({ seq }) => seq);
      assert.deepEqual(await seqs({ filter: "log.in.web.b.>", fromSeq: 1, limit: 3 }), [11, 12, 13]);
      assert.deepEqual(await seqs({ filter: "log.>", fromSeq: 9, toSeq: 12, limit: 100 }), [9, 10, 11, 12]);
      assert.deepEqual(await seqs({ filter: "log.in.*.a.*.0", fromSeq: 8, limit: 100 }), [8, 9, 10]);
      assert.deepEqual(await seqs({ filter: "log.in.web.c.>", fromSeq: 1, limit: 100 }), []);
      assert.deepEqual(await seqs({ filter: "log.>", fromSeq: 100, limit: 100 }), []);
      assert.deepEqual(await seqs({ filter: "log.>", fromSeq: 5, toSeq: 4, limit: 100 }), []);
    },
  },
  {
    name: "fetch gives more than a thousand events in order",
    async run({ log }) {
      const samples = range(1, 1_100).map((index) => sampleMessage("a", `m${index}`));
      await Promise.all(samples.map(({ lane, event }) => log.append(lane, 0, event)));
      const entries = await log.fetch({ filter: filters.inbound, fromSeq: 1, limit: 5_000 });
      assert.deepEqual(
        entries.map(({ seq }) => seq),
        range(1, 1_100),
      );
    },
  },
];

async function appendMany(harness: LogHarness, from: number, to: number): Promise<void> {
  for (let index = from; index <= to; index++) await appendSurely(harness, sampleMessage("a", `m${index}`), 0);
}
