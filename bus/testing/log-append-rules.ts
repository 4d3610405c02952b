/** Rules of `append`, `get` and `identity`. */
import assert from "node:assert/strict";
import { hasCode, TaffrailError, type ErrorCode } from "../errors.ts";
import { MAX_EVENT_BYTES, type Log } from "../log.ts";
import { lanes } from "../subjects.ts";
import type { LogRule } from "./log-conformance.ts";
import { answer, appendSurely, until } from "./log-harness.ts";
import { sampleClaim, sampleEnd, sampleMessage, sampleSteer, sampleWake, type Sample } from "./sample-events.ts";

async function append(log: Log, { lane, event }: Sample, expectedLastSeq: number): Promise<number> {
  return (await log.append(lane, expectedLastSeq, event)).seq;
}

/** Waits for the refusal and gives its data. */
async function refused(code: ErrorCode, attempt: Promise<unknown>): Promise<TaffrailError> {
  const error = await attempt.then(
    () => assert.fail(`accepted, though ${code} was expected`),
    (reason: unknown) => reason,
  );
  assert.ok(hasCode(error, code), `${String(error)} instead of ${code}`);
  return error;
}

export const appendRules: readonly LogRule[] = [
  {
    name: "the first append of an entity expects 0, the second one is refused with the sequence of the first",
    async run({ log }) {
      const sample = sampleMessage("a", "1");
      const seq = await append(log, sample, 0);
      assert.equal(seq, 1);
      const conflict = await refused("BUS_APPEND_CONFLICT", append(log, sample, 0));
      assert.equal(conflict.data["lastSeq"], seq);
      assert.equal((await log.identity()).lastSeq, seq);
    },
  },
  {
    name: "a fence over a chat refuses a second turn beside the first and lets other chats pass",
    async run({ log }) {
      const first = await append(log, sampleWake("a", "t1"), 0);
      const conflict = await refused("BUS_APPEND_CONFLICT", append(log, sampleWake("a", "t2"), 0));
      assert.equal(conflict.data["lastSeq"], first);
      const step = await append(log, sampleClaim("a", "t1", 1), 0);
      const late = await refused("BUS_APPEND_CONFLICT", append(log, sampleWake("a", "t2"), first));
      assert.equal(late.data["lastSeq"], step);
      await append(log, sampleWake("b", "t1"), 0);
      await append(log, sampleWake("a", "t2"), step);
    },
  },
  {
    name: "a signal does not fence the runner's steps, and no signal stands behind the end",
    async run({ log }) {
      const wake = await append(log, sampleWake("a", "t1"), 0);
      const claim = await append(log, sampleClaim("a", "t1", 1), 0);
      const signal = await append(log, sampleSteer("a", "t1", "m2"), claim);
      const second = await append(log, sampleClaim("a", "t1", 2), claim);
      assert.ok(wake < claim && claim < signal && signal < second);
      await refused("BUS_APPEND_CONFLICT", append(log, sampleEnd("a", "t1", 2), signal));
      const end = await append(log, sampleEnd("a", "t1", 2), second);
      const behind = await refused("BUS_APPEND_CONFLICT", append(log, sampleSteer("a", "t1", "m3"), second));
      assert.equal(behind.data["lastSeq"], end);
    },
  },
  {
    name: "of two processes that expect the same, one wins each time",
    async run(harness) {
      const second = await harness.makeSecondLog();
      const rounds = Array.from({ length: 20 }, (_, round) => sampleMessage("a", `m${round}`));
      await Promise.all(
        rounds.map(async (sample) => {
          const results = await Promise.allSettled([append(harness.log, sample, 0), append(second.log, sample, 0)]);
          const wins = results.filter((result) => result.status === "fulfilled");
          const losses = results.filter((result) => result.status === "rejected");
          assert.equal(wins.length, 1);
          assert.ok(hasCode(losses[0]?.reason, "BUS_APPEND_CONFLICT"));
          assert.equal(losses[0]?.reason.data["lastSeq"], wins[0]?.value);
        }),
      );
      assert.equal((await harness.log.identity()).lastSeq, rounds.length);
    },
  },
  {
    name: "a stored event reads back with every attribute, its sequence, subject and the server's time",
    async run({ log, clock }) {
      const { lane, event } = sampleMessage("a ü 🙂", "1", "line\nbreak ✓");
      const odd = { ...event, source: "sör ce\r\n%41", causationId: "c: d", traceparent: `00-${"a".repeat(32)}-01` };
      const beforeMs = clock.nowMs();
      const { seq } = await log.append(lane, 0, odd);
      const entry = await log.get(seq);
      assert.ok(entry?.type === "MessageReceived");
      const { storedAtMs, ...rest } = entry;
      assert.deepEqual(rest, { ...odd, seq, subject: lane.subject });
      // One millisecond: the server's figure has been cut, ours too.
      assert.ok(storedAtMs >= beforeMs - 1 && storedAtMs <= clock.nowMs() + 1);
      assert.ok(Number.isInteger(storedAtMs));
    },
  },
  {
    name: "the server's times never run backwards along the log",
    async run({ log }) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => append(log, sampleMessage("a", `m${index}`), 0)));
      const entries = await log.fetch({ filter: "log.>", fromSeq: 1, limit: 50 });
      assert.equal(entries.length, 50);
      for (const [index, entry] of entries.entries()) {
        assert.equal(entry.seq, index + 1);
        assert.ok(entry.storedAtMs >= (entries[index - 1]?.storedAtMs ?? 0));
      }
    },
  },
  {
    name: "data that does not fit its schema is refused and not stored",
    async run({ log }) {
      const { lane, event } = sampleMessage("a", "1");
      const data: object = { ...event.data, nonsense: 1 };
      const wrong = { ...event, data } as unknown as typeof event;
      await refused("BUS_EVENT_INVALID", log.append(lane, 0, wrong));
      assert.equal((await log.identity()).lastSeq, 0);
    },
  },
  {
    name: "an event over the broker's limit is refused and the longest text is not",
    async run({ log }) {
      const longest = "𝄞".repeat(131_072);
      await append(log, sampleMessage("a", "1", longest), 0);
      const { lane, event } = sampleMessage("a", "2");
      await refused("BUS_EVENT_TOO_LARGE", log.append(lane, 0, { ...event, source: "s".repeat(MAX_EVENT_BYTES) }));
      assert.equal((await log.identity()).lastSeq, 1);
    },
  },
  {
    name: "a full log refuses appends, keeps what it has, and goes on when it gets room",
    async run(harness) {
      const { log } = harness;
      await harness.setMaxBytes(40_000);
      let stored = 0;
      const full = await refused(
        "BUS_STREAM_FULL",
        (async () => {
          for (; stored < 100; stored++) await append(log, sampleMessage("a", `m${stored}`, "x".repeat(2_000)), 0);
        })(),
      );
      assert.ok(full.retryable);
      assert.ok(stored > 5 && stored < 40, `${stored} events of 2 kB in 40 kB`);
      assert.equal((await log.identity()).lastSeq, stored);
      await harness.setMaxBytes(10_000_000);
      assert.equal(await append(log, sampleMessage("a", "more"), 0), stored + 1);
    },
  },
  {
    name: "an append whose answer is lost is unknown, stored, and found by appending it again",
    async run(harness) {
      const { log, clock } = harness;
      const sample = sampleMessage("a", "1");
      const heal = await harness.loseNextPublishAck();
      const unknown = await refused("BUS_APPEND_UNKNOWN", append(log, sample, 0));
      assert.ok(unknown.retryable);
      await heal();
      const again = await until(clock, "the log answers again", async () => {
        const error = await append(log, sample, 0).catch((reason: unknown) => reason);
        return !hasCode(error, "BUS_APPEND_UNKNOWN") && !hasCode(error, "BUS_UNAVAILABLE") && error;
      });
      assert.ok(hasCode(again, "BUS_APPEND_CONFLICT"));
      const own = await log.get(Number(again.data["lastSeq"]));
      assert.ok(own?.type === "MessageReceived");
      assert.equal(own.id, sample.event.id);
      assert.equal((await log.identity()).lastSeq, 1);
    },
  },
  {
    name: "an append that never arrives is unknown too, and appending it again stores it once",
    async run(harness) {
      const { log } = harness;
      const sample = sampleMessage("a", "1");
      const heal = await harness.loseNextAppend();
      await refused("BUS_APPEND_UNKNOWN", append(log, sample, 0));
      await heal();
      await appendSurely(harness, sample, 0);
      assert.equal((await log.identity()).lastSeq, 1);
    },
  },
  {
    name: "appends in flight when the broker dies are stored once, however often they are made again",
    async run(harness) {
      const samples = Array.from({ length: 30 }, (_, index) => sampleMessage("a", `m${index}`));
      const all = Promise.all(samples.map((sample) => appendSurely(harness, sample, 0)));
      await harness.restart();
      const seqs = await all;
      assert.equal(new Set(seqs).size, samples.length);
      const identity = await until(harness.clock, "the log answers", () => answer(() => harness.log.identity()));
      assert.equal(identity.lastSeq, samples.length);
    },
  },
  {
    name: "the identity stays the same over a broker's death and says the last sequence",
    async run(harness) {
      const { log, clock } = harness;
      const before = await log.identity();
      assert.equal(before.lastSeq, 0);
      assert.ok(!Number.isNaN(Date.parse(before.created)));
      await append(log, sampleMessage("a", "1"), 0);
      await harness.restart();
      const after = await until(clock, "the log answers", () => answer(() => log.identity()));
      assert.deepEqual(after, { created: before.created, lastSeq: 1 });
    },
  },
  {
    name: "a sequence that is not there gives nothing",
    async run({ log }) {
      assert.equal(await log.get(1), undefined);
      await append(log, sampleMessage("a", "1"), 0);
      assert.equal((await log.get(1))?.seq, 1);
      assert.equal(await log.get(2), undefined);
    },
  },
  {
    name: "an event on a foreign lane is read as unreadable, named, and does not stop a reader",
    async run({ log }) {
      const { event } = sampleEnd("a", "t1", 1);
      await log.append(lanes.message("web", "a", "1"), 0, event);
      await append(log, sampleMessage("a", "2"), 0);
      const entries = await log.fetch({ filter: "log.>", fromSeq: 1, limit: 10 });
      assert.deepEqual(
        entries.map(({ type, seq }) => [type, seq]),
        [
          ["unreadable", 1],
          ["MessageReceived", 2],
        ],
      );
      assert.ok(entries[0]?.type === "unreadable" && entries[0].code === "BUS_EVENT_UNREADABLE");
    },
  },
];
