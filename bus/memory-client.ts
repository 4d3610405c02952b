/**
 * One process's connection to the in-memory broker: latency, lost answers, cut connections, death. What the process may
 * see is decided here, what the log holds in memory-store.ts.
 */
import { filterTest } from "./subjects.ts";
import { encodeEvent } from "./codec.ts";
import { TaffrailError, type ErrorCode } from "./errors.ts";
import type { Log, LogBatch } from "./log.ts";
import type { MemoryQueue } from "./memory-queue.ts";
import { createQueueReader } from "./memory-queue-reader.ts";
import { createCursor, select, type MemoryStore } from "./memory-store.ts";
import { createWire, type Wire } from "./memory-wire.ts";
import type { Clock, Random } from "./ports.ts";

/** The same as the JetStream log's: its callers must live with it. */
const REQUEST_TIMEOUT_MS = 3_000;
/** Within this a client notices that the broker is back and opens its readers again. */
const MAX_REOPEN_MS = 200;
const DEFAULT_MAX_BUFFERED = 256;
/** A killed client's connection is seen as closed within this; what is sent to it before is swallowed. */
const MAX_GHOST_MS = 20;

export type AppendFate = "normal" | "lost" | "ack lost" | "late";

/** Where a process touches the log; a test may kill the process there. */
export type LogBoundary = "append" | "append answered" | "read" | "request" | "delivery" | "settle";

export interface AttachOptions {
  /** Filters of the subjects it may append to; others are refused with BUS_APPEND_DENIED. */
  readonly mayAppend?: readonly string[];
  /** Called at each boundary, before it is crossed. */
  readonly onBoundary?: (boundary: LogBoundary) => void;
}

/** The log as one process sees it. */
export interface ProcessLog extends Log {
  /** kill -9: every pending and later call never settles, readers and queues fall silent. */
  kill(): void;
}

/** What the broker calls on its clients. */
export interface ClientConnection {
  cut(): void;
  reconnect(): void;
}

/** What the clients of one broker share. */
export interface Broker {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: MemoryStore;
  readonly queues: ReadonlyMap<string, MemoryQueue>;
  readonly up: boolean;
  /** The stream answers; false for a moment after a start. */
  readonly warm: boolean;
  /** Connections of another generation are cut. */
  readonly generation: number;
  readonly clients: Set<ClientConnection>;
  /** Wakes those who wait for anything to change: an append, a stop, a start. */
  changed(signal: AbortSignal): Promise<void>;
  appendFate(): AppendFate;
  losesQueueAck(): boolean;
}

/** What a queue reader needs of its process. */
export interface Client {
  /** Sends to the server; what is sent while the connection is down is lost. */
  transmit(arrive: () => void): void;
  readonly toClient: Wire;
  readonly killed: boolean;
  /** Nothing gets past this in a killed process. */
  alive(boundary: LogBoundary): Promise<void>;
  onBoundary(boundary: LogBoundary): void;
  /** Called after the broker is back. */
  readonly onReconnect: Set<() => void>;
  /** Called when the server sees that the process is dead. */
  readonly onGone: Set<() => void>;
}

export function attachProcess(broker: Broker, { mayAppend, onBoundary = () => undefined }: AttachOptions): ProcessLog {
  const { clock, random, store } = broker;
  const toServer = createWire(clock, random);
  const toClient = createWire(clock, random);
  const onReconnect = new Set<() => void>();
  const onGone = new Set<() => void>();
  const mayAppendTo = mayAppend === undefined ? () => true : filterTest(mayAppend);
  /** Those who wait for an answer when the connection falls. */
  const inFlight = new Set<() => void>();
  let killed = false;

  const transmit = (arrive: () => void): void => {
    if (broker.up && !killed) toServer.send(arrive);
  };
  const connection = {
    cut(): void {
      // What lies in the broker's socket is decided before it dies; nothing that it says arrives any more.
      toServer.cut(Math.floor(random.fraction() * (toServer.underWay + 1)));
      toClient.cut(0);
      for (const fell of inFlight) fell();
    },
    reconnect(): void {
      void clock.sleep(MAX_REOPEN_MS * random.fraction()).then(() => {
        for (const open of onReconnect) open();
      });
    },
  };
  broker.clients.add(connection);

  /** Nothing gets past this in a killed process. */
  function alive(boundary: LogBoundary): Promise<void> {
    if (!killed) onBoundary(boundary);
    return killed ? new Promise(() => undefined) : Promise.resolve();
  }

  /** Waits for the connection, so that "not sent" stays certain. */
  async function whenConnected(): Promise<void> {
    if (broker.up) return;
    const limit = new AbortController();
    void clock.sleep(REQUEST_TIMEOUT_MS).then(() => limit.abort());
    while (!broker.up && !limit.signal.aborted) await broker.changed(limit.signal);
    if (killed) await new Promise(() => undefined);
    if (!broker.up) throw new TaffrailError("BUS_UNAVAILABLE", "the broker is not there");
  }

  /**
   * Asks the server; `work` runs there. Rejects with `silent` when no answer comes, `fell` when the connection breaks or
   * the server is not ready, BUS_UNAVAILABLE when it was not asked.
   */
  async function ask<T>(
    boundaries: { before: LogBoundary; after: LogBoundary },
    work: () => T,
    errors: { silent: ErrorCode; fell: ErrorCode },
    fate: AppendFate = "normal",
  ): Promise<T> {
    await alive(boundaries.before);
    await whenConnected();
    const answered = new AbortController();
    const answer = await new Promise<() => T>((resolve) => {
      const settle = (take: () => T): void => {
        answered.abort();
        inFlight.delete(fell);
        resolve(take);
      };
      const fell = (): void =>
        settle(() => {
          throw new TaffrailError(errors.fell, "the connection fell");
        });
      inFlight.add(fell);
      const respond = (take: () => T): void => {
        if (fate === "normal" && broker.up) toClient.send(() => settle(take));
      };
      const arrive = (): void => {
        if (!broker.warm) {
          const refusal = new TaffrailError(errors.fell, "the log is not up yet");
          respond(() => {
            throw refusal;
          });
          return;
        }
        try {
          const result = work();
          respond(() => result);
        } catch (error) {
          respond(() => {
            throw error;
          });
        }
      };
      if (fate === "late") {
        const lateMs = REQUEST_TIMEOUT_MS * (1 + random.fraction());
        void clock.sleep(lateMs).then(() => transmit(arrive));
      } else if (fate !== "lost") transmit(arrive);
      void clock.sleep(REQUEST_TIMEOUT_MS, answered.signal).then(() =>
        settle(() => {
          throw new TaffrailError(errors.silent, "the log does not answer");
        }),
      );
    });
    await alive(boundaries.after);
    return answer();
  }

  const client: Client = {
    transmit,
    toClient,
    get killed() {
      return killed;
    },
    alive,
    onBoundary,
    onReconnect,
    onGone,
  };
  const requestBoundaries = { before: "request", after: "request" } as const;
  const infoErrors = { silent: "BUS_UNAVAILABLE", fell: "BUS_UNAVAILABLE" } as const;
  const readErrors = { silent: "BUS_REQUEST_TIMEOUT", fell: "BUS_UNAVAILABLE" } as const;
  const appendErrors = { silent: "BUS_APPEND_UNKNOWN", fell: "BUS_APPEND_UNKNOWN" } as const;

  return {
    async append(lane, expectedLastSeq, event) {
      const encoded = encodeEvent(event, lane.subject);
      const work = (): { seq: number } => {
        if (!mayAppendTo(lane.subject))
          throw new TaffrailError("BUS_APPEND_DENIED", `no permission to append to ${lane.subject}`);
        return { seq: store.append(lane, expectedLastSeq, encoded) };
      };
      return ask({ before: "append", after: "append answered" }, work, appendErrors, broker.appendFate());
    },

    fetch({ filter, fromSeq, toSeq = Number.MAX_SAFE_INTEGER, limit }) {
      return ask(requestBoundaries, () => select(store, filter, { fromSeq, toSeq, limit }), readErrors);
    },
    get: (seq) => ask(requestBoundaries, () => store.entry(seq), readErrors),
    identity: () => ask(requestBoundaries, () => ({ created: store.created, lastSeq: store.lastSeq }), infoErrors),
    queueFloor: (queue) =>
      ask(
        requestBoundaries,
        () => {
          const found = broker.queues.get(queue);
          if (found === undefined) throw new TaffrailError("BUS_UNAVAILABLE", `the queue ${queue} does not answer`);
          return found.floor();
        },
        infoErrors,
      ),

    async *read({ filters: wanted, fromSeq, signal, maxBuffered = DEFAULT_MAX_BUFFERED }): AsyncGenerator<LogBatch> {
      const cursor = createCursor(store, wanted, fromSeq);
      // A session that is caught up when it opens says so with an empty batch.
      let opened: number | undefined;
      for (;;) {
        await alive("read");
        if (signal.aborted) return;
        const { generation } = broker;
        const { seqs, pending } = cursor.peek(1 + Math.floor(random.fraction() * maxBuffered));
        if (!broker.warm || (seqs.length === 0 && opened === generation)) {
          await broker.changed(signal);
          continue;
        }
        await clock.sleep(random.fraction());
        if (broker.generation !== generation || signal.aborted) continue;
        await alive("read");
        opened = generation;
        const last = seqs.at(-1);
        if (last !== undefined) cursor.advance(last);
        yield { events: seqs.map((seq) => store.entry(seq)!), pending };
      }
    },

    queue: (queueOptions) => createQueueReader(broker, client, queueOptions),

    kill() {
      killed = true;
      broker.clients.delete(connection);
      // Bytes that left the process before its death still arrive.
      toServer.cut(Math.floor(random.fraction() * (toServer.underWay + 1)));
      toClient.cut(0);
      void clock.sleep(random.fraction() * MAX_GHOST_MS).then(() => {
        for (const gone of onGone) gone();
      });
    },
  };
}
