/**
 * The port `Log`: the one truth. Two implementations, JetStream and in-memory, are held to one conformance suite
 * (bus/testing/log-conformance.ts).
 */
import type { LogEntry, NewEvent } from "./event.ts";
import type { Lane } from "./subjects.ts";

export interface AppendAck {
  readonly seq: number;
}

/** Identity of a log: a checkpoint of another log must not be used. */
export interface LogIdentity {
  /** Creation time of the stream, as the broker writes it. */
  readonly created: string;
  readonly lastSeq: number;
}

/** Some events in log order; `pending` counts those that match and are not yet delivered (0: caught up). */
export interface LogBatch {
  readonly events: readonly LogEntry[];
  readonly pending: number;
}

export interface ReadOptions {
  readonly filters: readonly string[];
  /** First sequence wanted, from 1. */
  readonly fromSeq: number;
  readonly signal: AbortSignal;
  /** Most events held in this process before the reader takes them. */
  readonly maxBuffered?: number;
}

export interface FetchOptions {
  readonly filter: string;
  readonly fromSeq: number;
  /** Last sequence wanted; absent: what the log holds now. */
  readonly toSeq?: number;
  readonly limit: number;
}

/** One delivery of a work-queue message. Only a hint that there is work: the journal says what. */
export interface QueueDelivery {
  readonly entry: LogEntry;
  /** 1 for the first delivery. */
  readonly deliveryCount: number;
  /** Extends the ack wait. */
  working(): void;
  ack(): void;
  /** Asks for redelivery after `delayMs`. */
  nak(delayMs: number): void;
}

export interface QueueOptions {
  /** Name of the durable queue; its filter is fixed when the log is made. */
  readonly queue: string;
  readonly signal: AbortSignal;
  /** Free places now: the queue hands out at most that many. */
  readonly capacity: () => number;
}

export interface QueueReader {
  /** Ends when the signal aborts. */
  [Symbol.asyncIterator](): AsyncIterator<QueueDelivery>;
  /** Tells the reader that capacity grew. */
  wake(): void;
}

export interface Log {
  /**
   * Appends when the last sequence over `lane.fence` is `expectedLastSeq` (0: none yet).
   * Rejects with BUS_APPEND_CONFLICT (data.lastSeq when the server says it), BUS_APPEND_UNKNOWN (it may be stored),
   * BUS_EVENT_INVALID, BUS_EVENT_TOO_LARGE, BUS_STREAM_FULL, BUS_STORE_FAILED, BUS_APPEND_DENIED, BUS_UNAVAILABLE.
   */
  append(lane: Lane, expectedLastSeq: number, event: NewEvent): Promise<AppendAck>;
  /** Follows the log in order for ever, across broker restarts, without gap or repeat, until the signal aborts. */
  read(options: ReadOptions): AsyncIterable<LogBatch>;
  /** Reads a bounded stretch in order. Rejects with BUS_UNAVAILABLE or BUS_REQUEST_TIMEOUT. */
  fetch(options: FetchOptions): Promise<LogEntry[]>;
  /** The event at `seq`, undefined when there is none. */
  get(seq: number): Promise<LogEntry | undefined>;
  identity(): Promise<LogIdentity>;
  /** Takes work from a durable queue, shared with other takers. */
  queue(options: QueueOptions): QueueReader;
  /** First sequence of the queue that is not settled; 1 for a new one. */
  queueFloor(queue: string): Promise<number>;
}

/** Work queue of the runners over the `wake` lane (DESIGN 4). */
export const WAKE_QUEUE = "wake";
/** A runner that is silent for this long loses its delivery. */
export const WAKE_ACK_WAIT_MS = 1500;
/** Less than a third of the ack wait: two may be lost. */
export const WAKE_WORKING_MS = 400;
/** Broker's limit of one message; texts are bounded at 128 KiB characters, so headers, JSON and UTF-8 fit. */
export const MAX_EVENT_BYTES = 1_048_576;
