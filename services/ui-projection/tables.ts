/** The tables of the read model, shared by the live file and the one that a rebuild makes. */
import type { Checkpoint } from "../../bus/checkpoint.ts";
import type { EventRow } from "../../schemas/views.ts";
import type { Row } from "./project.ts";

/** Raised when tables or views change shape: the file is then built again from the log. */
export const SHAPE = 1;

export const TABLES = `
  CREATE TABLE IF NOT EXISTS checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), shape INTEGER, seq INTEGER, created TEXT, hash TEXT);
  CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, kind TEXT, channel TEXT, chat TEXT, seq INTEGER, changed INTEGER, view TEXT) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, channel TEXT, chat TEXT, turn TEXT, row TEXT);
`;

export const INDEXES = `
  CREATE INDEX IF NOT EXISTS rows_changed ON rows (channel, chat, kind, changed);
  CREATE INDEX IF NOT EXISTS rows_seq ON rows (channel, chat, kind, seq);
  CREATE INDEX IF NOT EXISTS events_chat ON events (channel, chat, seq);
`;

/** An event as the log view shows it, and the chat it is shown in. */
export interface StoredEventRow {
  readonly channel: string | undefined;
  readonly chat: string | undefined;
  readonly row: EventRow;
}

/** Columns of `rows`; `view` is the row's view as it is stored. */
export function rowColumns(row: Row, view: string): unknown[] {
  const { key, kind, channel, chat } = row;
  const seq = "seq" in row.view ? row.view.seq : row.view.changedSeq;
  return [key, kind, channel, chat, seq, row.view.changedSeq, view];
}

/** Columns of `events`. */
export function eventColumns({ channel, chat, row }: StoredEventRow): unknown[] {
  return [row.seq, channel, chat, row.turn, JSON.stringify(row)];
}

export interface StoredCheckpoint extends Checkpoint {
  readonly shape: number;
}

export const SELECT_CHECKPOINT = "SELECT shape, seq, created, hash FROM checkpoint";

/** A row as it is read back. */
export interface RawRow {
  readonly key: string;
  readonly kind: Row["kind"];
  readonly channel: string;
  readonly chat: string;
  readonly view: string;
}

export const SELECT_ROWS =
  "SELECT key, kind, channel, chat, view FROM rows WHERE key IN (SELECT value FROM json_each(?))";

export function parseRow(row: RawRow): Row {
  return { ...row, view: JSON.parse(row.view) as unknown } as Row;
}
