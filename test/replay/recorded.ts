/** A simulated log as a source to export from. */
import { encodeEvent } from "../../bus/codec.ts";
import type { LogEntry } from "../../bus/event.ts";
import { tokenMint } from "../../bus/ids.ts";
import type { FetchOptions } from "../../bus/log.ts";
import type { StoredMessage } from "../../bus/raw.ts";
import { matchesFilter } from "../../bus/subjects.ts";
import type { ExportSource } from "../../ops/bundle/export.ts";
import { readerOf } from "../support/entries-reader.ts";
import { INSTALL_KEY } from "../sim/simulation.ts";

function select<T extends { seq: number; subject: string }>(list: readonly T[], options: FetchOptions): T[] {
  const { filter, fromSeq, toSeq = Number.MAX_SAFE_INTEGER, limit } = options;
  return list
    .filter(({ seq, subject }) => seq >= fromSeq && seq <= toSeq && matchesFilter(filter, subject))
    .slice(0, limit);
}

export function storedMessage(entry: LogEntry): StoredMessage {
  if (entry.type === "unreadable") throw new Error("a simulated log is readable");
  const { headers, payload } = encodeEvent(entry, entry.subject);
  return { seq: entry.seq, subject: entry.subject, storedAtMs: entry.storedAtMs, headers, payload };
}

/** A simulated log as an export takes it. */
export function exportSourceOf(entries: readonly LogEntry[]): ExportSource {
  const raw = entries.map(storedMessage);
  return {
    log: readerOf(entries),
    raw: { fetchRaw: (options) => Promise.resolve(select(raw, options)) },
    mint: tokenMint(INSTALL_KEY),
  };
}
