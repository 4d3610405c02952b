/**
 * The server side of an in-memory work queue: competing pulls, ack wait, redelivery. Behaves like a JetStream pull
 * consumer with explicit acks: what is redelivered goes before what is new but may come after newer ones, an ack of an
 * old delivery still settles, and after a broker's death settled messages may come back.
 */
import { createCursor, type MemoryStore } from "./memory-store.ts";
import type { Clock, Random } from "./ports.ts";

/** As the broker's setting: most messages handed out and not settled. */
const MAX_ACK_PENDING = 1_000;
/** How long before its death a broker may not have written down that a message was settled. */
const UNWRITTEN_MS = 1_000;

/** One puller. `deliver` sends a message to it; `gone` is true once the server knows that it is dead. */
export interface Puller {
  deliver(seq: number, deliveryCount: number): void;
  gone: boolean;
}

export interface MemoryQueue {
  pull(puller: Puller, count: number): void;
  ack(seq: number): void;
  working(seq: number): void;
  nak(seq: number, delayMs: number): void;
  /** See Log.queueFloor. */
  floor(): number;
  /** The broker dies: pulls are lost, and each ack of the last second is forgotten with this probability. */
  stop(forgetAck: (seq: number) => boolean): void;
  start(): void;
}

interface Pending {
  deadlineMs: number;
  /** Stands in the line of those to be delivered again. */
  due: boolean;
}

export function createMemoryQueue(
  store: MemoryStore,
  parts: { clock: Clock; random: Random; filter: string; ackWaitMs: number },
): MemoryQueue {
  const { clock, random, ackWaitMs } = parts;
  const cursor = createCursor(store, [parts.filter], 1);
  const pending = new Map<number, Pending>();
  const counts = new Map<number, number>();
  let again: number[] = [];
  let pulls: { puller: Puller; left: number }[] = [];
  let settled: { seq: number; atMs: number }[] = [];
  let lastDelivered = 0;
  let floor = 1;
  let running = true;
  let watchedMs = Number.POSITIVE_INFINITY;

  function nextSeq(): number | undefined {
    for (let seq = again.shift(); seq !== undefined; seq = again.shift()) {
      if (pending.get(seq)?.due) return seq;
    }
    if (pending.size >= MAX_ACK_PENDING) return undefined;
    const fresh = cursor.peek(1).seqs[0];
    if (fresh !== undefined) cursor.advance(fresh);
    return fresh;
  }

  function dispatch(): void {
    if (!running) return;
    for (let pull = pulls.shift(); pull !== undefined; pull = pulls.shift()) {
      if (pull.puller.gone) continue;
      const seq = nextSeq();
      if (seq === undefined) {
        pulls.unshift(pull);
        return;
      }
      lastDelivered = Math.max(lastDelivered, seq);
      const count = (counts.get(seq) ?? 0) + 1;
      counts.set(seq, count);
      expectAck(seq, ackWaitMs);
      pull.puller.deliver(seq, count);
      // Behind the others: waiting pulls are served in turn.
      if (--pull.left > 0) pulls.push(pull);
    }
  }

  function expectAck(seq: number, waitMs: number): void {
    const deadlineMs = clock.nowMs() + waitMs;
    pending.set(seq, { deadlineMs, due: false });
    watch(deadlineMs);
  }

  function watch(deadlineMs: number): void {
    if (deadlineMs >= watchedMs) return;
    watchedMs = deadlineMs;
    void clock.sleep(Math.max(1, deadlineMs - clock.nowMs())).then(() => {
      if (watchedMs === deadlineMs) watchedMs = Number.POSITIVE_INFINITY;
      expire();
    });
  }

  function expire(): void {
    if (!running) return;
    const nowMs = clock.nowMs();
    let nearestMs = Number.POSITIVE_INFINITY;
    for (const [seq, entry] of pending) {
      if (entry.due) continue;
      if (entry.deadlineMs <= nowMs) {
        entry.due = true;
        again.push(seq);
      } else nearestMs = Math.min(nearestMs, entry.deadlineMs);
    }
    if (nearestMs < Number.POSITIVE_INFINITY) watch(nearestMs);
    dispatch();
  }

  store.onAppend(dispatch);

  return {
    pull(puller, count) {
      pulls.push({ puller, left: count });
      dispatch();
    },
    ack(seq) {
      if (!pending.delete(seq)) return;
      const nowMs = clock.nowMs();
      settled = settled.filter((ack) => nowMs - ack.atMs < UNWRITTEN_MS);
      settled.push({ seq, atMs: nowMs });
      floor = pending.size > 0 ? Math.min(...pending.keys()) : lastDelivered + 1;
      dispatch();
    },
    working(seq) {
      const entry = pending.get(seq);
      if (entry !== undefined && !entry.due) entry.deadlineMs = clock.nowMs() + ackWaitMs;
    },
    nak(seq, delayMs) {
      const entry = pending.get(seq);
      if (entry !== undefined && !entry.due) expectAck(seq, delayMs);
    },
    floor: () => floor,
    stop(forgetAck) {
      running = false;
      pulls = [];
      const nowMs = clock.nowMs();
      for (const { seq, atMs } of settled) {
        if (nowMs - atMs >= UNWRITTEN_MS || !forgetAck(seq)) continue;
        // That it was delivered may be forgotten too: then it comes back as a first delivery, and at once.
        const forgotten = random.fraction() < 0.5;
        if (forgotten) counts.delete(seq);
        pending.set(seq, { deadlineMs: nowMs + (forgotten ? 0 : random.fraction() * ackWaitMs), due: false });
        floor = Math.min(floor, seq);
      }
      settled = [];
    },
    start() {
      running = true;
      expire();
    },
  };
}
