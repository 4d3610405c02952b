/** Folds a batch of the log into rows: what the live projection commits and what a rebuild writes is the same. */
import { entryHash, type Checkpoint } from "../../bus/checkpoint.ts";
import { TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import { lineOf } from "./lines.ts";
import { chatKey, keysOf, placeOf, project, type Row } from "./project.ts";
import type { EventRow } from "../../schemas/views.ts";
import type { StoredEventRow } from "./tables.ts";

/** Reads rows by key. */
export type ReadRows = (keys: readonly string[]) => Promise<Map<string, Row>>;

export interface FoldedBatch {
  /** Rows as they stood before, by key. */
  readonly before: ReadonlyMap<string, Row>;
  /** Rows that changed, by key. */
  readonly changed: ReadonlyMap<string, Row>;
  readonly events: readonly StoredEventRow[];
  readonly checkpoint: Checkpoint;
}

/** Folds `entries`, which must not be empty. `onPoison` is told of those that cannot be read or projected. */
export async function foldBatch(
  readRows: ReadRows,
  entries: readonly LogEntry[],
  created: string,
  onPoison: (entry: LogEntry, error: unknown) => Promise<void>,
): Promise<FoldedBatch> {
  const keys = new Set(entries.flatMap((entry) => (entry.type === "unreadable" ? [] : keysOf(entry))));
  const before = await readRows([...keys]);
  const chats = [...before.values()].map((row) => chatKey(row.channel, row.chat)).filter((key) => !before.has(key));
  if (chats.length > 0) for (const [key, row] of await readRows([...new Set(chats)])) before.set(key, row);
  const rows = new Map(before);
  const changed = new Map<string, Row>();
  const events: StoredEventRow[] = [];
  for (const entry of entries) {
    if (entry.type === "unreadable") {
      await onPoison(entry, new TaffrailError(entry.code, entry.message));
      events.push(eventRow(entry, undefined));
      continue;
    }
    try {
      for (const row of project(entry, rows)) {
        rows.set(row.key, row);
        changed.set(row.key, row);
      }
    } catch (error) {
      await onPoison(entry, error);
    }
    events.push(eventRow(entry, placeOf(entry, rows)));
  }
  const last = entries.at(-1);
  const checkpoint = { seq: last?.seq ?? 0, created, hash: last === undefined ? "" : entryHash(last) };
  return { before, changed, events, checkpoint };
}

/** Members without a value are not written: the row has the same bytes as one without them. */
type WrittenRow = { [Name in keyof EventRow]: EventRow[Name] | undefined };

function eventRow(entry: LogEntry, place: { channel: string; chat: string } | undefined): StoredEventRow {
  const readable = entry.type !== "unreadable";
  const { turn } = (readable ? entry.data : {}) as { turn?: unknown };
  // One literal: this is done for each event of the log, and the order of the members is that of the bytes.
  const row: WrittenRow = {
    seq: entry.seq,
    at: new Date(entry.storedAtMs).toISOString(),
    type: entry.type,
    source: readable ? entry.source : "",
    subject: entry.subject,
    id: readable ? entry.id : "",
    causationId: readable ? entry.causationId : undefined,
    turn: typeof turn === "string" ? turn : undefined,
    line: lineOf(entry),
  };
  return { channel: place?.channel, chat: place?.chat, row: row as EventRow };
}
