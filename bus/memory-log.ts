/**
 * The port `Log` in memory, for virtual time. It fails like JetStream: answers get lost in either direction, an append
 * may land after its caller gave up, the work queue turns order round and brings settled work back, a broker's death
 * interrupts everything. Faults are drawn from the seeded Random by rate, or ordered one by one.
 */
import { WAKE_ACK_WAIT_MS, WAKE_QUEUE, type Log } from "./log.ts";
import {
  attachProcess,
  type AppendFate,
  type AttachOptions,
  type ClientConnection,
  type ProcessLog,
} from "./memory-client.ts";
import { createMemoryQueue } from "./memory-queue.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { Clock, Random } from "./ports.ts";
import { filters } from "./subjects.ts";

export type { AttachOptions, LogBoundary, ProcessLog } from "./memory-client.ts";

/** A restarted broker accepts connections before its stream is up: requests are refused, appends unknown. */
const MAX_WARM_UP_MS = 100;
/** No limit, unless a test sets one. */
const NO_LIMIT_BYTES = Number.MAX_SAFE_INTEGER;

/** Probabilities, 0 to 1. */
export interface LogFaultRates {
  /** The append never reaches the broker; its caller hears nothing. */
  lostAppend: number;
  /** The append is decided, the answer is lost. */
  lostAppendAck: number;
  /** The append arrives after its caller gave up. */
  lateAppend: number;
  /** An ack, a `working` or a nak of the work queue is lost. */
  lostQueueAck: number;
  /** At a broker's death, a message settled in the last second comes back. */
  returningAck: number;
}

/** Faults to order. Those for the "next" append hit the next one of any process, once. */
export interface LogFaults {
  setRates(rates: Partial<LogFaultRates>): void;
  loseNextAppend(): void;
  loseNextAppendAck(): void;
  delayNextAppend(): void;
  loseNextQueueAck(): void;
  /** Every message settled in the last second comes back at the next stop. */
  returnAcks(): void;
  setMaxBytes(maxBytes: number): void;
  /** Every append fails with BUS_STORE_FAILED until the broker is restarted. */
  failWrites(): void;
  /** The server's clock is this far ahead of ours. */
  skewServerClock(ms: number): void;
  /** kill -9 of the broker. */
  stop(): void;
  start(): void;
  /** Stop, some down time, start; resolves when it is up. */
  restart(downMs?: number): Promise<void>;
}

export interface MemoryLog extends Log {
  attach(options?: AttachOptions): ProcessLog;
  readonly faults: LogFaults;
}

export interface MemoryLogOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly faults?: Partial<LogFaultRates>;
  readonly maxBytes?: number;
}

/** Makes a log with one work queue (WAKE_QUEUE). The returned log is itself a process that is never killed. */
export function createMemoryLog(options: MemoryLogOptions): MemoryLog {
  const { clock, random } = options;
  const store = createMemoryStore(clock, options.maxBytes ?? NO_LIMIT_BYTES);
  const wakes = createMemoryQueue(store, { clock, random, filter: filters.wakes, ackWaitMs: WAKE_ACK_WAIT_MS });
  const rates: LogFaultRates = {
    lostAppend: 0,
    lostAppendAck: 0,
    lateAppend: 0,
    lostQueueAck: 0,
    returningAck: 0,
    ...options.faults,
  };
  const waiting = new Set<() => void>();
  const wakeAll = (): void => {
    for (const wake of waiting) wake();
  };
  store.onAppend(wakeAll);
  let nextFate: AppendFate | undefined;
  let loseQueueAck = false;
  let returnAll = false;

  const broker = {
    clock,
    random,
    store,
    queues: new Map([[WAKE_QUEUE, wakes]]),
    up: true,
    warm: true,
    generation: 0,
    clients: new Set<ClientConnection>(),
    changed: (signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        const wake = (): void => {
          waiting.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        if (signal.aborted) {
          resolve();
          return;
        }
        waiting.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      }),
    appendFate: (): AppendFate => {
      const ordered = nextFate;
      nextFate = undefined;
      if (ordered !== undefined) return ordered;
      const drawn = random.fraction();
      if (drawn < rates.lostAppend) return "lost";
      if (drawn < rates.lostAppend + rates.lostAppendAck) return "ack lost";
      return drawn < rates.lostAppend + rates.lostAppendAck + rates.lateAppend ? "late" : "normal";
    },
    losesQueueAck: (): boolean => {
      const lose = loseQueueAck || random.fraction() < rates.lostQueueAck;
      loseQueueAck = false;
      return lose;
    },
  };

  const faults: LogFaults = {
    setRates: (changed) => void Object.assign(rates, changed),
    loseNextAppend: () => (nextFate = "lost"),
    loseNextAppendAck: () => (nextFate = "ack lost"),
    delayNextAppend: () => (nextFate = "late"),
    loseNextQueueAck: () => (loseQueueAck = true),
    returnAcks: () => (returnAll = true),
    setMaxBytes: (maxBytes) => (store.maxBytes = maxBytes),
    failWrites: () => (store.broken = true),
    skewServerClock: (ms) => (store.skewMs = ms),
    stop() {
      if (!broker.up) return;
      for (const client of broker.clients) client.cut();
      broker.up = false;
      broker.generation++;
      wakes.stop(() => returnAll || random.fraction() < rates.returningAck);
      returnAll = false;
      wakeAll();
    },
    start() {
      if (broker.up) return;
      store.broken = false;
      broker.up = true;
      broker.warm = false;
      const { generation } = broker;
      void clock.sleep(random.fraction() * MAX_WARM_UP_MS).then(() => {
        if (broker.generation !== generation) return;
        broker.warm = true;
        wakes.start();
        wakeAll();
      });
      for (const client of broker.clients) client.reconnect();
      wakeAll();
    },
    async restart(downMs = 500) {
      faults.stop();
      await clock.sleep(downMs);
      faults.start();
      while (!broker.warm) await clock.sleep(1);
    },
  };
  const attach = (attachOptions: AttachOptions = {}): ProcessLog => attachProcess(broker, attachOptions);
  const own: Log = attach();
  return { ...own, attach, faults };
}
