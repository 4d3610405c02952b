/** The server side of the in-memory log: stored bytes, fences, limits. It knows nothing of clients or faults. */
import { decodeEvent, encodedBytes, type EncodedEvent } from "./codec.ts";
import { TaffrailError } from "./errors.ts";
import type { LogEntry } from "./event.ts";
import type { Clock } from "./ports.ts";
import { filterTest, matchesFilter, type Lane } from "./subjects.ts";

/** What the broker's file store adds to each message, about. */
const RECORD_OVERHEAD_BYTES = 30;

interface StoredMessage {
  readonly subject: string;
  readonly storedAtMs: number;
  readonly encoded: EncodedEvent;
  entry: LogEntry | undefined;
}

export interface MemoryStore {
  /** @throws BUS_APPEND_CONFLICT with data.lastSeq, BUS_STREAM_FULL, BUS_STORE_FAILED. */
  append(lane: Lane, expectedLastSeq: number, encoded: EncodedEvent): number;
  /** Decoded once and frozen, so that no reader can change what another one reads. */
  entry(seq: number): LogEntry | undefined;
  subject(seq: number): string | undefined;
  readonly lastSeq: number;
  readonly created: string;
  maxBytes: number;
  /** Difference of the server's clock to everybody else's. */
  skewMs: number;
  /** Every write fails, as after an error of the disk, until it is set to false. */
  broken: boolean;
  /** Calls `listener` after every append. */
  onAppend(listener: () => void): () => void;
}

export function createMemoryStore(clock: Clock, maxBytes: number): MemoryStore {
  const messages: StoredMessage[] = [];
  const lastBySubject = new Map<string, number>();
  /** Last sequence below a prefix, so that a fence costs one look-up in a log of any length. */
  const lastByPrefix = new Map<string, number>();
  const listeners = new Set<() => void>();
  let bytes = 0;
  let lastStoredAtMs = 0;

  function lastSeqOver(fence: string): number {
    if (!fence.includes("*")) {
      if (fence.endsWith(".>")) return lastByPrefix.get(fence.slice(0, -1)) ?? 0;
      return lastBySubject.get(fence) ?? 0;
    }
    return messages.findLastIndex((message) => matchesFilter(fence, message.subject)) + 1;
  }

  const store: MemoryStore = {
    maxBytes,
    skewMs: 0,
    broken: false,
    created: new Date(clock.nowMs()).toISOString(),
    get lastSeq() {
      return messages.length;
    },
    append({ subject, fence }, expectedLastSeq, encoded) {
      const size = encodedBytes(encoded);
      if (store.broken) throw new TaffrailError("BUS_STORE_FAILED", "the broker refused the append: write error");
      const lastSeq = lastSeqOver(fence);
      if (lastSeq !== expectedLastSeq)
        throw new TaffrailError("BUS_APPEND_CONFLICT", `another event stands on ${fence}`, { fence, lastSeq });
      const added = size + subject.length + RECORD_OVERHEAD_BYTES;
      if (bytes + added > store.maxBytes) throw new TaffrailError("BUS_STREAM_FULL", "maximum bytes exceeded");
      bytes += added;
      // A server's own clock never runs backwards in one stream's eyes: a reader may order by it.
      lastStoredAtMs = Math.max(lastStoredAtMs, clock.nowMs() + store.skewMs);
      const seq = messages.push({ subject, storedAtMs: lastStoredAtMs, encoded, entry: undefined });
      lastBySubject.set(subject, seq);
      for (let dot = subject.indexOf("."); dot !== -1; dot = subject.indexOf(".", dot + 1)) {
        lastByPrefix.set(subject.slice(0, dot + 1), seq);
      }
      for (const listener of listeners) listener();
      return seq;
    },
    entry(seq) {
      const message = messages[seq - 1];
      if (message === undefined) return undefined;
      message.entry ??= deepFreeze(
        decodeEvent({
          seq,
          subject: message.subject,
          storedAtMs: message.storedAtMs,
          payload: message.encoded.payload,
          header: (name) => message.encoded.headers[name] ?? "",
        }),
      );
      return message.entry;
    },
    subject: (seq) => messages[seq - 1]?.subject,
    onAppend(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return store;
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === "object") {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}

/** Goes through the sequences that match some filters, each looked at once. */
export interface Cursor {
  /** Up to `limit` next matching sequences, and how many match behind them. */
  peek(limit: number): { seqs: readonly number[]; pending: number };
  /** Goes on behind `seq`. */
  advance(seq: number): void;
}

export function createCursor(store: MemoryStore, filters: readonly string[], fromSeq: number): Cursor {
  const matches = filterTest(filters);
  const found: number[] = [];
  let taken = 0;
  let looked = Math.max(1, fromSeq);
  return {
    peek(limit) {
      for (; looked <= store.lastSeq; looked++) {
        if (matches(store.subject(looked)!)) found.push(looked);
      }
      const seqs = found.slice(taken, taken + limit);
      return { seqs, pending: found.length - taken - seqs.length };
    },
    advance(seq) {
      while (taken < found.length && found[taken]! <= seq) taken++;
      // Taken ones are dropped now and then: a cursor lives as long as its reader.
      if (taken <= 1000) return;
      found.splice(0, taken);
      taken = 0;
    },
  };
}

/** The entries of a bounded stretch. */
export function select(
  store: MemoryStore,
  filter: string,
  { fromSeq, toSeq, limit }: { fromSeq: number; toSeq: number; limit: number },
): LogEntry[] {
  const matches = filterTest([filter]);
  const entries: LogEntry[] = [];
  const endSeq = Math.min(toSeq, store.lastSeq);
  for (let seq = Math.max(1, fromSeq); seq <= endSeq && entries.length < limit; seq++) {
    if (matches(store.subject(seq)!)) entries.push(store.entry(seq)!);
  }
  return entries;
}
