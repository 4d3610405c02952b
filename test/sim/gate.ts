/**
 * One simulated process as its ports see it: it can be frozen (SIGSTOP: nothing reaches it and it does nothing until it
 * goes on, with the old answers in hand) and killed (-9: nothing ever settles again), also at its n-th touch of a port.
 */
import type { Live } from "../../bus/live.ts";
import type { FetchOptions, Log, QueueOptions, QueueReader, ReadOptions } from "../../bus/log.ts";
import type { ProcessLive } from "../../bus/memory-live.ts";
import type { MemoryLive } from "../../bus/memory-live.ts";
import type { MemoryLog, ProcessLog } from "../../bus/memory-log.ts";
import type { Clock } from "../../bus/ports.ts";
import type { ProcessClock, VirtualClock } from "../support/virtual-clock.ts";

export interface Gate {
  readonly log: Log;
  readonly live: Live;
  readonly clock: Clock;
  readonly dead: boolean;
  readonly frozen: boolean;
  freeze(): void;
  /** Its readers of the log bring nothing for `ms`, as after a session that had to be opened again; all else works. */
  deafen(ms: number): void;
  thaw(): void;
  kill(): void;
  /** Kills the process when it has touched its ports `count` more times. */
  killAfter(count: number): void;
  /** A touch of the outside that is no port: a disk, a tool's effect. Never settles in a dead process. */
  touch(): Promise<void>;
}

export interface GateParts {
  readonly log: MemoryLog;
  readonly live: MemoryLive;
  readonly clock: VirtualClock;
  readonly onKilled: () => void;
}

export function createGate(parts: GateParts): Gate {
  const clock: ProcessClock = parts.clock.attach();
  let dead = false;
  let frozen = false;
  let fuse: number | undefined;
  let deafUntilMs = 0;
  let held: (() => void)[] = [];

  /** A combined signal that is listened to is never collected: what a dead process listened to must be let go. */
  const listening = new Set<() => void>();

  const kill = (): void => {
    if (dead) return;
    dead = true;
    held = [];
    for (const forget of listening) forget();
    clock.kill();
    log.kill();
    live.kill();
    parts.onKilled();
  };
  const boundary = (): void => {
    if (fuse === undefined || dead) return;
    fuse--;
    if (fuse <= 0) kill();
  };
  const log: ProcessLog = parts.log.attach({ onBoundary: boundary });
  const live: ProcessLive = parts.live.attach();

  /** Settles at once, or when the process goes on, or never. */
  function pass(): Promise<void> {
    if (dead) return new Promise(() => undefined);
    if (!frozen) return Promise.resolve();
    return new Promise((resolve) => held.push(resolve));
  }
  async function through<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } finally {
      await pass();
    }
  }
  /** A callback from outside: in order, after what was held before it. */
  function call(handler: () => void): void {
    if (dead) return;
    if (frozen) held.push(handler);
    else handler();
  }

  const gatedLog: Log = {
    append: (lane, expected, event) => through(log.append(lane, expected, event)),
    fetch: (options: FetchOptions) => through(log.fetch(options)),
    get: (seq) => through(log.get(seq)),
    identity: () => through(log.identity()),
    queueFloor: (queue) => through(log.queueFloor(queue)),
    async *read(options: ReadOptions) {
      for await (const batch of log.read(options)) {
        while (deafUntilMs > clock.nowMs()) await clock.sleep(deafUntilMs - clock.nowMs());
        await pass();
        yield batch;
      }
    },
    queue(options: QueueOptions): QueueReader {
      const inner = log.queue(options);
      return {
        wake: () => inner.wake(),
        async *[Symbol.asyncIterator]() {
          for await (const delivery of { [Symbol.asyncIterator]: () => inner[Symbol.asyncIterator]() }) {
            await pass();
            yield delivery;
          }
        },
      };
    },
  };
  const gatedLive: Live = {
    publish: (subject, data) => {
      boundary();
      live.publish(subject, data);
    },
    subscribe: (subject, handler) => live.subscribe(subject, (data, from) => call(() => handler(data, from))),
    request: (subject, data, timeoutMs) => through(live.request(subject, data, timeoutMs)),
    serve: (subject, handler, queue) =>
      live.serve(subject, async (data) => through(pass().then(() => handler(data))), queue),
  };
  const gatedClock: Clock = {
    nowMs: () => clock.nowMs(),
    sleep(ms, signal) {
      boundary();
      if (signal === undefined || signal.aborted) return through(clock.sleep(ms, signal));
      const own = new AbortController();
      const abort = (): void => own.abort();
      const forget = (): void => {
        signal.removeEventListener("abort", abort);
        listening.delete(forget);
      };
      signal.addEventListener("abort", abort);
      listening.add(forget);
      return through(clock.sleep(ms, own.signal).finally(forget));
    },
  };

  return {
    log: gatedLog,
    live: gatedLive,
    clock: gatedClock,
    get dead() {
      return dead;
    },
    get frozen() {
      return frozen;
    },
    freeze: () => (frozen = true),
    deafen: (ms) => (deafUntilMs = clock.nowMs() + ms),
    thaw() {
      frozen = false;
      const waiting = held;
      held = [];
      for (const go of waiting) go();
    },
    kill,
    killAfter: (count) => (fuse = count),
    touch() {
      boundary();
      return pass();
    },
  };
}
