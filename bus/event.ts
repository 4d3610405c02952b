/** The event as the code sees it, and helpers to make one. The bytes on the wire are the business of codec.ts. */
import { catalogue, type DataOf, type MessageType } from "../schemas/index.ts";
import type { Lane } from "./subjects.ts";

/** Causation: what an event was made from. */
export interface Cause {
  readonly id: string;
  readonly correlationId: string;
  readonly traceparent?: string | undefined;
}

/** An event before it is appended. `time` is RFC 3339, `id` derived (ids.ts). */
export interface NewEvent<T extends MessageType = MessageType> {
  readonly type: T;
  readonly version: number;
  readonly id: string;
  readonly source: string;
  readonly time: string;
  readonly correlationId: string;
  readonly causationId?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly data: DataOf[T];
}

/** An event of the log: position, server time and subject added. Discriminated by `type`. */
export type StoredEvent<T extends MessageType = MessageType> = T extends MessageType
  ? NewEvent<T> & {
      readonly seq: number;
      readonly subject: string;
      /** When the broker stored it, milliseconds since the epoch. */
      readonly storedAtMs: number;
    }
  : never;

/** Bytes of the log that are no event this release can read; never thrown away in silence. */
export interface UnreadableEvent {
  readonly type: "unreadable";
  readonly seq: number;
  readonly subject: string;
  readonly storedAtMs: number;
  readonly code: "BUS_EVENT_UNREADABLE";
  readonly message: string;
}

export type LogEntry = StoredEvent | UnreadableEvent;

/** What to append: an event, its lane and the last sequence the fence must stand at. */
export interface Append<T extends MessageType = MessageType> {
  readonly lane: Lane;
  readonly expectedLastSeq: number;
  readonly event: NewEvent<T>;
}

/** Makes an event that follows from `cause`; its version is the newest of its schema. */
export function makeEvent<T extends MessageType>(
  type: T,
  id: string,
  origin: { source: string; nowMs: number; cause?: Cause | undefined },
  data: DataOf[T],
): NewEvent<T> {
  return {
    type,
    version: catalogue[type].version,
    id,
    source: origin.source,
    time: new Date(origin.nowMs).toISOString(),
    correlationId: origin.cause?.correlationId ?? id,
    causationId: origin.cause?.id,
    traceparent: origin.cause?.traceparent,
    data,
  };
}
