import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom, createVirtualClock, type VirtualClock } from "../test/support/virtual-clock.ts";
import { hasCode, TaffrailError } from "./errors.ts";
import { createMemoryLog, type LogBoundary, type LogFaultRates, type MemoryLog } from "./memory-log.ts";
import { follow, until, work } from "./testing/log-harness.ts";
import { sampleMessage, sampleWake, type Sample } from "./testing/sample-events.ts";

const START_MS = Date.UTC(2026, 0, 1);
const SEEDS = Array.from({ length: 20 }, (_, index) => index);

function setUp(seed: number, faults: Partial<LogFaultRates> = {}): { clock: VirtualClock; log: MemoryLog } {
  const clock = createVirtualClock(START_MS);
  return { clock, log: createMemoryLog({ clock, random: createSeededRandom(seed), faults }) };
}

/** How an append ends: its sequence, or the code of its error. */
async function outcome(
  log: Pick<MemoryLog, "append">,
  { lane, event }: Sample,
  expected = 0,
): Promise<number | string> {
  try {
    return (await log.append(lane, expected, event)).seq;
  } catch (error) {
    if (error instanceof TaffrailError) return error.code;
    throw error;
  }
}

/** Lets calls that were made get on their way; virtual time stands. */
function sent(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** True when `promise` is still open once everything else has happened. */
async function neverSettles(clock: VirtualClock, promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  await clock.run(clock.nowMs() + 60_000);
  return !settled;
}

test("an append may land after its caller gave up, and the fence then refuses the second one", async () => {
  const { clock, log } = setUp(1);
  await clock.settle(
    (async () => {
      log.faults.delayNextAppend();
      assert.equal(await outcome(log, sampleMessage("a", "1")), "BUS_APPEND_UNKNOWN");
      assert.equal((await log.identity()).lastSeq, 0);
      await clock.sleep(10_000);
      assert.equal((await log.identity()).lastSeq, 1);
      assert.equal(await outcome(log, sampleMessage("a", "1")), "BUS_APPEND_CONFLICT");
    })(),
  );
});

test("fault rates are drawn: without them no append is unknown, with them some are, stored and not stored", async () => {
  const results = async (faults: Partial<LogFaultRates>): Promise<{ unknown: number; stored: number }> => {
    const { clock, log } = setUp(5, faults);
    const all = Array.from({ length: 200 }, (_, index) => outcome(log, sampleMessage("a", `m${index}`)));
    const ended = await clock.settle(Promise.all(all));
    const { lastSeq } = await clock.settle(log.identity());
    return { unknown: ended.filter((end) => end === "BUS_APPEND_UNKNOWN").length, stored: lastSeq };
  };
  assert.deepEqual(await results({}), { unknown: 0, stored: 200 });
  const lost = await results({ lostAppend: 0.2 });
  assert.ok(lost.unknown > 10 && lost.unknown + lost.stored === 200);
  const lostAcks = await results({ lostAppendAck: 0.2 });
  assert.ok(lostAcks.unknown > 10 && lostAcks.stored === 200);
});

test("one seed plays the same story twice, another seed another one", async () => {
  const story = async (seed: number): Promise<string> => {
    const { clock, log } = setUp(seed, { lostAppend: 0.1, lostAppendAck: 0.1, lateAppend: 0.1, lostQueueAck: 0.3 });
    const lines: string[] = [];
    const worker = work(log, 3, (delivery) => {
      lines.push(`${clock.nowMs()} ${delivery.entry.seq} ${delivery.deliveryCount}`);
      delivery.ack();
      worker.free();
    });
    for (let index = 0; index < 30; index++) {
      void outcome(log, sampleWake(`c${index}`, "t")).then((end) => lines.push(`${clock.nowMs()} ${index} ${end}`));
    }
    void log.faults.restart();
    await clock.run(START_MS + 60_000);
    return lines.join("\n");
  };
  assert.equal(await story(3), await story(3));
  assert.notEqual(await story(3), await story(4));
});

test("acks that the broker had confirmed come back after its death, sometimes as first deliveries", async () => {
  const counts = new Set<number>();
  for (const seed of SEEDS) {
    const { clock, log } = setUp(seed);
    await clock.settle(
      (async () => {
        const worker = work(log, 10, (delivery) => delivery.ack());
        const wake = sampleWake("a", "t");
        await log.append(wake.lane, 0, wake.event);
        await until(clock, "the ack is in", async () => (await log.queueFloor("wake")) === 2);
        log.faults.returnAcks();
        await log.faults.restart();
        await until(clock, "it comes again", () => worker.deliveries.length === 2);
        counts.add(worker.deliveries[1]!.deliveryCount);
        await worker.stop();
      })(),
    );
  }
  assert.deepEqual(
    [...counts].toSorted((a, b) => a - b),
    [1, 2],
  );
});

test("an ack that is lost brings the delivery back after the ack wait", async () => {
  const { clock, log } = setUp(1);
  await clock.settle(
    (async () => {
      const worker = work(log, 10, (delivery) => delivery.ack());
      log.faults.loseNextQueueAck();
      const wake = sampleWake("a", "t");
      await log.append(wake.lane, 0, wake.event);
      await until(clock, "it comes again", () => worker.deliveries.length === 2);
      await clock.sleep(10_000);
      assert.equal(worker.deliveries.length, 2);
      await worker.stop();
    })(),
  );
});

test("a broker that cannot write refuses every append until it is restarted", async () => {
  const { clock, log } = setUp(1);
  await clock.settle(
    (async () => {
      log.faults.failWrites();
      assert.equal(await outcome(log, sampleMessage("a", "1")), "BUS_STORE_FAILED");
      assert.equal(await outcome(log, sampleMessage("a", "1")), "BUS_STORE_FAILED");
      await log.faults.restart();
      assert.equal(await outcome(log, sampleMessage("a", "1")), 1);
    })(),
  );
});

test("while the broker is down nothing is sent, and what is in flight when it dies is unknown at once", async () => {
  const { clock, log } = setUp(1);
  await clock.settle(
    (async () => {
      const inFlight = outcome(log, sampleMessage("a", "1"));
      const question = log.get(1);
      await sent();
      const diedAtMs = clock.nowMs();
      const refused = assert.rejects(question, (error) => hasCode(error, "BUS_UNAVAILABLE"));
      log.faults.stop();
      assert.equal(await inFlight, "BUS_APPEND_UNKNOWN");
      await refused;
      assert.ok(clock.nowMs() - diedAtMs < 1_000, `${clock.nowMs() - diedAtMs} ms`);
      assert.equal(await outcome(log, sampleMessage("a", "2")), "BUS_UNAVAILABLE");
      await assert.rejects(log.identity(), (error) => hasCode(error, "BUS_UNAVAILABLE"));
      const waiting = outcome(log, sampleMessage("a", "3"));
      await clock.sleep(1_000);
      log.faults.start();
      const ended = await waiting;
      // The stream may not be up yet when the connection is.
      assert.ok(ended === "BUS_APPEND_UNKNOWN" || typeof ended === "number", String(ended));
      await clock.sleep(5_000);
      const entries = await log.fetch({ filter: "log.in.web.a.2.>", fromSeq: 1, limit: 1 });
      assert.deepEqual(entries, []);
    })(),
  );
});

test("times are the server's: they follow its clock and never run backwards", async () => {
  const { clock, log } = setUp(1);
  await clock.settle(
    (async () => {
      log.faults.skewServerClock(60_000);
      await outcome(log, sampleMessage("a", "1"));
      log.faults.skewServerClock(-60_000);
      await outcome(log, sampleMessage("a", "2"));
      const [first, second] = await log.fetch({ filter: "log.>", fromSeq: 1, limit: 2 });
      assert.ok(first !== undefined && first.storedAtMs >= START_MS + 60_000);
      assert.equal(second?.storedAtMs, first.storedAtMs);
    })(),
  );
});

test("a process may append only where its list says", async () => {
  const { clock, log } = setUp(1);
  const channel = log.attach({ mayAppend: ["log.in.web.>"] });
  await clock.settle(
    (async () => {
      assert.equal(await outcome(channel, sampleMessage("a", "1")), 1);
      assert.equal(await outcome(channel, sampleWake("a", "t")), "BUS_APPEND_DENIED");
      assert.equal(await outcome(log, sampleWake("a", "t")), 2);
    })(),
  );
});

test("what one reader does to an event does not reach another one", async () => {
  const { clock, log } = setUp(1);
  await clock.settle(outcome(log, sampleMessage("a", "1")));
  const entry = await clock.settle(log.get(1));
  assert.ok(entry?.type === "MessageReceived");
  assert.throws(() => Object.assign(entry.data, { text: "forged" }), TypeError);
  assert.throws(() => Object.assign(entry.data.from, { owner: true }), TypeError);
});

test("after kill -9 nothing settles, readers and queues fall silent, others go on", async () => {
  const { clock, log } = setUp(1);
  const victim = log.attach();
  const reader = follow(victim, ["log.>"]);
  const worker = work(victim, 10);
  await clock.settle(outcome(log, sampleWake("a", "t")));
  await clock.settle(until(clock, "it is delivered", () => worker.deliveries.length === 1));
  const pending = [outcome(victim, sampleMessage("a", "1")), victim.identity(), victim.get(1)];
  victim.kill();
  log.faults.stop();
  log.faults.start();
  const later = [outcome(victim, sampleMessage("a", "2")), reader.stop(), worker.stop()];
  for (const promise of [...pending, ...later]) assert.ok(await neverSettles(clock, promise));
  const { length } = reader.entries;
  await clock.settle(outcome(log, sampleMessage("b", "1")));
  await clock.run(clock.nowMs() + 60_000);
  assert.equal(reader.entries.length, length);
  assert.equal(worker.deliveries.length, 1);
  const heir = work(log, 10);
  await clock.settle(until(clock, "the heir has its work", () => heir.deliveries.length === 1));
});

test("a process that is killed while it waits for the broker never hears of it", async () => {
  const { clock, log } = setUp(1);
  const victim = log.attach();
  log.faults.stop();
  const waiting = outcome(victim, sampleMessage("a", "1"));
  await sent();
  victim.kill();
  assert.ok(await neverSettles(clock, waiting));
});

test("an append in flight at kill -9 is stored or not; over the seeds both happen", async () => {
  const stored = new Set<number>();
  for (const seed of SEEDS) {
    const { clock, log } = setUp(seed);
    const victim = log.attach();
    void outcome(victim, sampleMessage("a", "1"));
    await sent();
    victim.kill();
    await clock.run(START_MS + 10_000);
    stored.add((await clock.settle(log.identity())).lastSeq);
  }
  assert.deepEqual(
    [...stored].toSorted((a, b) => a - b),
    [0, 1],
  );
});

test("a process can be killed at every boundary it crosses, before the crossing", async () => {
  const boundaries: LogBoundary[] = ["append", "append answered", "read", "request", "delivery", "settle"];
  for (const victimOf of boundaries) {
    const { clock, log } = setUp(1);
    const crossed: LogBoundary[] = [];
    const victim = log.attach({
      onBoundary: (boundary) => {
        crossed.push(boundary);
        if (boundary === victimOf) victim.kill();
      },
    });
    await clock.settle(outcome(log, sampleWake("a", "t")));
    const ended: string[] = [];
    void (async () => {
      await victim.identity();
      ended.push("request");
      await outcome(victim, sampleMessage("a", "1"));
      ended.push("append answered");
    })();
    const reader = follow(victim, ["log.>"]);
    const worker = work(victim, 1, (delivery) => delivery.ack());
    await clock.run(START_MS + 30_000);
    assert.equal(crossed.at(-1), victimOf);
    assert.equal(crossed.filter((boundary) => boundary === victimOf).length, 1, victimOf);
    if (victimOf === "read") assert.deepEqual(reader.batches, []);
    if (victimOf === "delivery") assert.deepEqual(worker.deliveries, []);
    if (victimOf === "request" || victimOf === "append answered") assert.ok(!ended.includes(victimOf));
    if (victimOf === "append answered") assert.equal((await clock.settle(log.identity())).lastSeq, 2);
    if (victimOf === "append") assert.equal((await clock.settle(log.identity())).lastSeq, 1);
    if (victimOf === "settle") assert.equal(await clock.settle(log.queueFloor("wake")), 1);
  }
});
