/** What a conformance test needs from an implementation of `Log`, and the waiting that all its tests share. */
import { hasCode } from "../errors.ts";
import type { LogEntry } from "../event.ts";
import type { Log, LogBatch, QueueDelivery, QueueReader } from "../log.ts";
import { WAKE_QUEUE } from "../log.ts";
import type { Clock } from "../ports.ts";
import type { Sample } from "./sample-events.ts";

/** One empty log with its work queue, and the faults that both implementations know. */
export interface LogHarness {
  readonly log: Log;
  readonly clock: Clock;
  /** The same log as another process sees it, and the sudden death of that process. */
  makeSecondLog(): Promise<{ log: Log; kill(): Promise<void> }>;
  /** The next append through `log` is decided but its answer is lost; call what it returns when that was seen. */
  loseNextPublishAck(): Promise<() => Promise<void>>;
  /** The next append through `log` never arrives. */
  loseNextAppend(): Promise<() => Promise<void>>;
  /** Kills the broker with -9 and starts it again. */
  restart(): Promise<void>;
  setMaxBytes(maxBytes: number): Promise<void>;
  /** Runs a test; in virtual time it makes the time pass. */
  play<T>(body: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Beyond every ack wait, request time-out and reconnect; a condition that is not met by then never is. */
const DEADLINE_MS = 30_000;
const POLL_MS = 20;

/** Waits until `condition` gives something else than undefined or false. */
export async function until<T>(
  clock: Clock,
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadlineMs = clock.nowMs() + DEADLINE_MS;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (clock.nowMs() > deadlineMs) throw new Error(`waited in vain until ${what}`);
    await clock.sleep(POLL_MS);
  }
}

/**
 * Appends as the services do: an unknown or unsent append is made again with the same fence, and a conflict with our own event
 * means that it was stored.
 * @returns its sequence
 */
export async function appendSurely(
  harness: LogHarness,
  { lane, event }: Sample,
  expectedLastSeq: number,
): Promise<number> {
  const { log, clock } = harness;
  return until(clock, `${event.type} is appended`, async () => {
    try {
      return (await log.append(lane, expectedLastSeq, event)).seq;
    } catch (error) {
      if (hasCode(error, "BUS_APPEND_CONFLICT")) {
        const stored = await answer(() => log.fetch({ filter: lane.subject, fromSeq: 1, limit: 1_000 }));
        const own = stored?.find((entry) => entry.type !== "unreadable" && entry.id === event.id);
        if (own !== undefined) return own.seq;
        if (stored !== undefined) throw error;
        return undefined;
      }
      if (hasCode(error, "BUS_APPEND_UNKNOWN") || hasCode(error, "BUS_UNAVAILABLE")) return undefined;
      throw error;
    }
  });
}

/** The answer to a question, undefined when the log could not be asked now. */
export async function answer<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (hasCode(error, "BUS_UNAVAILABLE") || hasCode(error, "BUS_REQUEST_TIMEOUT")) return undefined;
    throw error;
  }
}

/** Reads in the background and keeps what came. */
export interface Follower {
  readonly batches: LogBatch[];
  readonly entries: LogEntry[];
  /** True once a batch said that nothing is pending. */
  readonly caughtUp: boolean;
  stop(): Promise<void>;
}

export function follow(log: Log, filters: readonly string[], fromSeq = 1, maxBuffered?: number): Follower {
  const stop = new AbortController();
  const batches: LogBatch[] = [];
  const entries: LogEntry[] = [];
  const options = { filters, fromSeq, signal: stop.signal, ...(maxBuffered === undefined ? {} : { maxBuffered }) };
  const done = (async () => {
    for await (const batch of log.read(options)) {
      batches.push(batch);
      entries.push(...batch.events);
    }
  })();
  return {
    batches,
    entries,
    get caughtUp() {
      return batches.at(-1)?.pending === 0;
    },
    stop: () => {
      stop.abort();
      return done;
    },
  };
}

/** Takes work in the background with a number of places; a delivery holds its place until `free` is called. */
export interface Worker {
  readonly deliveries: QueueDelivery[];
  /** Sequences in the order of their delivery. */
  readonly seqs: () => number[];
  /** Gives a place back. */
  free(): void;
  stop(): Promise<void>;
}

export function work(
  log: Log,
  places: number,
  onDelivery: (delivery: QueueDelivery) => void = () => undefined,
): Worker {
  const stop = new AbortController();
  const deliveries: QueueDelivery[] = [];
  let free = places;
  const reader: QueueReader = log.queue({ queue: WAKE_QUEUE, signal: stop.signal, capacity: () => free });
  const done = (async () => {
    for await (const delivery of reader) {
      deliveries.push(delivery);
      free--;
      onDelivery(delivery);
    }
  })();
  return {
    deliveries,
    seqs: () => deliveries.map(({ entry }) => entry.seq),
    free() {
      free++;
      reader.wake();
    },
    stop: () => {
      stop.abort();
      return done;
    },
  };
}
