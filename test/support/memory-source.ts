/** Stored messages as a log to export from, without a broker. */
import { decodeEvent, encodeEvent } from "../../bus/codec.ts";
import { makeEvent } from "../../bus/event.ts";
import { deriveId, tokenMint } from "../../bus/ids.ts";
import type { FetchOptions } from "../../bus/log.ts";
import { rawMessage, type StoredMessage } from "../../bus/raw.ts";
import { matchesFilter } from "../../bus/subjects.ts";
import type { ExportSource } from "../../ops/bundle/export.ts";
import type { DataOf, MessageType } from "../../schemas/index.ts";

export const NOW_MS = Date.UTC(2026, 0, 1);
export const mint = tokenMint(new Uint8Array(32));

/** An event as the broker would hold it at `seq`. */
export function storedEvent<T extends MessageType>(
  type: T,
  seq: number,
  subject: string,
  data: DataOf[T],
  more: { traceparent?: string; causationId?: string; id?: string } = {},
): StoredMessage {
  const event = { ...makeEvent(type, deriveId(type, seq), { source: "test", nowMs: NOW_MS }, data), ...more };
  return { seq, subject, storedAtMs: NOW_MS + seq, ...encodeEvent(event, subject) };
}

export function memorySource(messages: readonly StoredMessage[]): ExportSource {
  const select = ({ filter, fromSeq, toSeq = Infinity, limit }: FetchOptions): StoredMessage[] =>
    messages
      .filter(({ seq, subject }) => seq >= fromSeq && seq <= toSeq && matchesFilter(filter, subject))
      .slice(0, limit);
  return {
    mint,
    raw: { fetchRaw: (options) => Promise.resolve(select(options)) },
    log: {
      fetch: (options) => Promise.resolve(select(options).map((message) => decodeEvent(rawMessage(message)))),
      identity: () => Promise.resolve({ created: "2026-01-01T00:00:00Z", lastSeq: messages.at(-1)?.seq ?? 0 }),
    },
  };
}
