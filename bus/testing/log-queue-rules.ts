/** Rules of the work queue. It gives hints that there is work, at least once, in no order that can be relied on. */
import assert from "node:assert/strict";
import type { Log } from "../log.ts";
import { WAKE_ACK_WAIT_MS, WAKE_QUEUE, WAKE_WORKING_MS } from "../log.ts";
import type { LogRule } from "./log-conformance.ts";
import { answer, appendSurely, until, work } from "./log-harness.ts";
import { sampleMessage, sampleWake } from "./sample-events.ts";

/** Appends wakes of as many chats; their sequences are 1 to `count`. */
async function appendWakes(log: Log, count: number): Promise<void> {
  for (let index = 1; index <= count; index++) {
    const { lane, event } = sampleWake(`c${index}`, `t${index}`);
    assert.equal((await log.append(lane, 0, event)).seq, index);
  }
}

export const queueRules: readonly LogRule[] = [
  {
    name: "a wake is delivered, other events are not, and what is acked does not come again",
    async run({ log, clock }) {
      await appendWakes(log, 2);
      const other = sampleMessage("a", "1");
      await log.append(other.lane, 0, other.event);
      const worker = work(log, 10, (delivery) => {
        if (delivery.entry.seq === 1) delivery.ack();
      });
      // The second is not acked: when it comes again, the first would have come before it.
      await until(clock, "the second comes again", () => worker.deliveries.length >= 3);
      assert.deepEqual(worker.seqs().slice(0, 3), [1, 2, 2]);
      assert.deepEqual(
        worker.deliveries.slice(0, 3).map(({ deliveryCount }) => deliveryCount),
        [1, 1, 2],
      );
      assert.ok(worker.deliveries[0]?.entry.type === "TurnRequested");
      await worker.stop();
    },
  },
  {
    name: "what is not acked comes again after newer ones: order turns round",
    async run({ log, clock }) {
      await appendWakes(log, 1);
      const worker = work(log, 10, (delivery) => {
        if (delivery.entry.seq > 1) delivery.ack();
      });
      await until(clock, "the first is in hand", () => worker.deliveries.length === 1);
      const newer = sampleWake("c2", "t2");
      await log.append(newer.lane, 0, newer.event);
      await until(clock, "the first comes again", () => worker.seqs().filter((seq) => seq === 1).length === 2);
      assert.deepEqual(worker.seqs().slice(0, 3), [1, 2, 1]);
      await worker.stop();
    },
  },
  {
    name: "working keeps a delivery while silence loses it",
    async run({ log, clock }) {
      await appendWakes(log, 2);
      const worker = work(log, 10);
      await until(clock, "both are in hand", () => worker.deliveries.length === 2);
      const kept = worker.deliveries.find(({ entry }) => entry.seq === 1)!;
      const startMs = clock.nowMs();
      while (worker.seqs().filter((seq) => seq === 2).length < 3) {
        kept.working();
        await clock.sleep(WAKE_WORKING_MS);
      }
      assert.ok(clock.nowMs() - startMs >= 1.9 * WAKE_ACK_WAIT_MS, "silence lost it before the ack wait");
      assert.equal(worker.seqs().filter((seq) => seq === 1).length, 1);
      await worker.stop();
    },
  },
  {
    name: "nak brings a delivery back after its delay and before the ack wait",
    async run({ log, clock }) {
      await appendWakes(log, 3);
      const worker = work(log, 10, (delivery) => {
        if (delivery.deliveryCount > 1) return;
        if (delivery.entry.seq === 1) delivery.nak(600);
        if (delivery.entry.seq === 2) delivery.nak(100);
      });
      await until(clock, "all come again", () => worker.deliveries.length >= 6);
      assert.deepEqual(worker.seqs().slice(3, 6), [2, 1, 3]);
      await worker.stop();
    },
  },
  {
    name: "an ack that comes after the ack wait still settles",
    async run({ log, clock }) {
      await appendWakes(log, 2);
      const worker = work(log, 10);
      await until(clock, "both come again", () => worker.deliveries.length === 4);
      worker.deliveries.find(({ entry, deliveryCount }) => entry.seq === 1 && deliveryCount === 1)?.ack();
      await until(clock, "the other comes a third time", () => worker.deliveries.length >= 5);
      assert.equal(worker.seqs()[4], 2);
      await worker.stop();
    },
  },
  {
    name: "competing takers share the work",
    async run(harness) {
      const second = await harness.makeSecondLog();
      const workers = [harness.log, second.log].map((log) =>
        work(log, 1, (delivery) => {
          delivery.ack();
          setImmediate(() => workers.find(({ deliveries }) => deliveries.includes(delivery))?.free());
        }),
      );
      await appendWakes(harness.log, 40);
      const seen = (): number[] => workers.flatMap((worker) => worker.seqs());
      await until(harness.clock, "all are taken", () => seen().length >= 40);
      assert.equal(new Set(seen()).size, 40);
      assert.equal(seen().length, 40);
      for (const worker of workers) {
        assert.ok(worker.deliveries.length > 0, "one took everything");
        await worker.stop();
      }
    },
  },
  {
    name: "no more is handed out than there are places, and waking brings more",
    async run({ log, clock }) {
      await appendWakes(log, 6);
      const worker = work(log, 2, (delivery) => delivery.ack());
      await until(clock, "two are taken", () => worker.deliveries.length === 2);
      const third = sampleWake("late", "t");
      await log.append(third.lane, 0, third.event);
      assert.equal(worker.deliveries.length, 2);
      for (let taken = 3; taken <= 7; taken++) {
        worker.free();
        await until(clock, `${taken} are taken`, () => worker.deliveries.length === taken);
      }
      assert.deepEqual(worker.seqs(), [1, 2, 3, 4, 5, 6, 7]);
      await worker.stop();
    },
  },
  {
    name: "what a killed process held goes to another one",
    async run(harness) {
      const second = await harness.makeSecondLog();
      const victim = work(second.log, 10);
      await appendWakes(harness.log, 3);
      await until(harness.clock, "the victim holds them", () => victim.deliveries.length === 3);
      await second.kill();
      const heir = work(harness.log, 10, (delivery) => delivery.ack());
      await until(harness.clock, "the heir has them", () => heir.deliveries.length >= 3);
      assert.deepEqual(
        heir.deliveries.map(({ entry, deliveryCount }) => [entry.seq, deliveryCount]),
        [
          [1, 2],
          [2, 2],
          [3, 2],
        ],
      );
      await heir.stop();
    },
  },
  {
    name: "the floor is 1 at first and moves behind what is settled without a hole",
    async run({ log, clock }) {
      assert.equal(await log.queueFloor(WAKE_QUEUE), 1);
      await appendWakes(log, 3);
      const worker = work(log, 3);
      await until(clock, "all are in hand", () => worker.deliveries.length === 3);
      const acked = new Set<number>();
      const ack = (seq: number): void => {
        acked.add(seq);
        worker.deliveries.find(({ entry }) => entry.seq === seq)?.ack();
      };
      ack(1);
      await until(clock, "the floor moves", async () => (await log.queueFloor(WAKE_QUEUE)) === 2);
      ack(3);
      ack(2);
      await until(clock, "the floor moves", async () => (await log.queueFloor(WAKE_QUEUE)) === 4);
      await worker.stop();
    },
  },
  {
    name: "the queue lives through a broker's death: what is unsettled and what is new is delivered",
    async run(harness) {
      const { log, clock } = harness;
      await appendWakes(log, 2);
      const settled = new Set<number>();
      const worker = work(log, 100, (delivery) => {
        if (delivery.deliveryCount === 1 && delivery.entry.seq === 1) return;
        delivery.ack();
        settled.add(delivery.entry.seq);
      });
      await until(clock, "both were delivered", () => worker.deliveries.length >= 2);
      await harness.restart();
      await appendSurely(harness, sampleWake("c3", "t3"), 0);
      await until(clock, "all are settled", () => settled.size === 3);
      await until(clock, "the floor is behind them", async () => {
        for (const delivery of worker.deliveries) delivery.ack();
        return (await answer(() => log.queueFloor(WAKE_QUEUE))) === 4;
      });
      await worker.stop();
    },
  },
];
