/**
 * The read model's file: SQLite behind a small interface, so that another binding can follow. One writing connection, used
 * by one flow only (two flows on one connection would share a transaction), and one reading connection.
 */
import { createHash } from "node:crypto";
import sqlite3 from "sqlite3";
import type { Checkpoint } from "../../bus/checkpoint.ts";
import type { EventRow } from "../../schemas/views.ts";
import type { Row } from "./project.ts";

/** Raised when tables or views change shape: the file is then built again from the log. */
const SHAPE = 1;

const TABLES = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), shape INTEGER, seq INTEGER, created TEXT, hash TEXT);
  CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, kind TEXT, channel TEXT, chat TEXT, seq INTEGER, changed INTEGER, view TEXT) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS rows_changed ON rows (channel, chat, kind, changed);
  CREATE INDEX IF NOT EXISTS rows_seq ON rows (channel, chat, kind, seq);
  CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, channel TEXT, chat TEXT, turn TEXT, row TEXT);
  CREATE INDEX IF NOT EXISTS events_chat ON events (channel, chat, seq);
`;

/**
 * One statement writes rows, events and checkpoint: it is a transaction by itself, and one way to the library's thread and
 * back rather than five. Temporary, so that the file holds tables only.
 */
const BATCH = `
  CREATE TEMP VIEW batch AS SELECT NULL AS new_rows, NULL AS new_events, NULL AS seq, NULL AS created, NULL AS hash;
  CREATE TEMP TRIGGER write_batch INSTEAD OF INSERT ON batch BEGIN
    INSERT OR REPLACE INTO rows SELECT ${columns(7)} FROM json_each(NEW.new_rows);
    INSERT OR REPLACE INTO events SELECT ${columns(5)} FROM json_each(NEW.new_events);
    INSERT OR REPLACE INTO checkpoint VALUES (1, ${SHAPE}, NEW.seq, NEW.created, NEW.hash);
  END;
`;

/** Rows written last, kept for the next batch: a turn changes its two rows four times. */
const MAX_WARM_ROWS = 256;
/** A larger row is read again; 256 of these are 8 MB at the most. */
const MAX_WARM_CHARS = 16_384;

export interface StoredEventRow extends EventRow {
  readonly channel: string | undefined;
  readonly chat: string | undefined;
}

export interface ReadModel {
  checkpoint(): Promise<Checkpoint | undefined>;
  /** Rows by key, for the projection. */
  rows(keys: readonly string[]): Promise<Map<string, Row>>;
  /** Rows, events and checkpoint in one transaction. */
  commit(rows: readonly Row[], events: readonly StoredEventRow[], checkpoint: Checkpoint): Promise<void>;
  /** Reads with the second connection; parameters are bound. */
  query<T>(sql: string, parameters: readonly unknown[]): Promise<T[]>;
  /** SHA-256 over all rows and events in order: what "byte for byte" means. */
  digest(): Promise<string>;
  close(): Promise<void>;
}

function open(path: string, mode: number): Promise<sqlite3.Database> {
  return new Promise((resolve, reject) => {
    const database = new sqlite3.Database(path, mode, (error) => (error ? reject(error) : resolve(database)));
  });
}

function exec(database: sqlite3.Database, sql: string): Promise<void> {
  return new Promise((resolve, reject) => database.exec(sql, (error) => (error ? reject(error) : resolve())));
}

function prepare(database: sqlite3.Database, sql: string): Promise<sqlite3.Statement> {
  return new Promise((resolve, reject) => {
    const statement = database.prepare(sql, (error: Error | null) => (error ? reject(error) : resolve(statement)));
  });
}

function runPrepared(statement: sqlite3.Statement, parameters: readonly unknown[]): Promise<void> {
  return new Promise((resolve, reject) => {
    statement.run([...parameters], (error: Error | null) => (error ? reject(error) : resolve()));
  });
}

function all<T>(database: sqlite3.Database, sql: string, parameters: readonly unknown[]): Promise<T[]> {
  return new Promise((resolve, reject) => {
    database.all<T>(sql, [...parameters], (error, rows) => (error ? reject(error) : resolve(rows)));
  });
}

interface RawRow {
  key: string;
  kind: Row["kind"];
  channel: string;
  chat: string;
  view: string;
}

/** Opens or makes the read model at `path` (a file). A file of another shape is emptied first. */
export async function openReadModel(path: string): Promise<ReadModel> {
  const writer = await open(path, sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE);
  await exec(writer, TABLES);
  const [present] = await all<{ shape: number }>(writer, "SELECT shape FROM checkpoint", []);
  if (present !== undefined && present.shape !== SHAPE) {
    await exec(writer, "DROP TABLE rows; DROP TABLE events; DROP TABLE checkpoint;");
    await exec(writer, TABLES);
  }
  const reader = await open(path, sqlite3.OPEN_READONLY);
  // The defaults keep 2 MB of pages a connection; the working set of a chat is far smaller.
  await exec(writer, "PRAGMA cache_size = -1024");
  await exec(reader, "PRAGMA cache_size = -1024");
  await exec(writer, BATCH);
  const insert = await prepare(writer, "INSERT INTO batch VALUES (?, ?, ?, ?, ?)");
  const warm = new Map<string, Row>();
  let writing = Promise.resolve();

  async function commitNow(
    rows: readonly Row[],
    events: readonly StoredEventRow[],
    checkpoint: Checkpoint,
  ): Promise<void> {
    const texts = rows.map(({ view }) => JSON.stringify(view));
    const rowData = rows.map(({ key, kind, channel, chat, view }, index) => [
      key,
      kind,
      channel,
      chat,
      "seq" in view ? view.seq : view.changedSeq,
      view.changedSeq,
      texts[index],
    ]);
    const eventData = events.map(({ channel, chat, ...row }) => [
      row.seq,
      channel,
      chat,
      row.turn,
      JSON.stringify(row),
    ]);
    const { seq, created, hash } = checkpoint;
    // A row that was not written must not be remembered.
    for (const { key } of rows) warm.delete(key);
    await runPrepared(insert, [JSON.stringify(rowData), JSON.stringify(eventData), seq, created, hash]);
    for (const [index, row] of rows.entries()) {
      if ((texts[index]?.length ?? 0) <= MAX_WARM_CHARS) warm.set(row.key, row);
    }
    for (const key of warm.keys()) {
      if (warm.size <= MAX_WARM_ROWS) break;
      warm.delete(key);
    }
  }

  return {
    async checkpoint() {
      const [row] = await all<Checkpoint>(writer, "SELECT seq, created, hash FROM checkpoint", []);
      return row;
    },
    async rows(keys) {
      const result = new Map<string, Row>();
      const missing: string[] = [];
      for (const key of keys) {
        const row = warm.get(key);
        if (row === undefined) missing.push(key);
        else result.set(key, row);
      }
      if (missing.length === 0) return result;
      const found = await all<RawRow>(
        writer,
        "SELECT key, kind, channel, chat, view FROM rows WHERE key IN (SELECT value FROM json_each(?))",
        [JSON.stringify(missing)],
      );
      for (const row of found) result.set(row.key, { ...row, view: JSON.parse(row.view) as unknown } as Row);
      return result;
    },
    commit(rows, events, checkpoint) {
      const done = writing.then(() => commitNow(rows, events, checkpoint));
      writing = done.catch(() => undefined);
      return done;
    },
    query: (sql, parameters) => all(reader, sql, parameters),
    async digest() {
      const hash = createHash("sha256");
      for (const [table, order] of [
        ["rows", "key"],
        ["events", "seq"],
      ]) {
        // In pages, so that a large model does not have to fit into memory.
        for (let offset = 0; ; offset += 5_000) {
          const page = await all(reader, `SELECT * FROM ${table} ORDER BY ${order} LIMIT 5000 OFFSET ?`, [offset]);
          if (page.length === 0) break;
          hash.update(JSON.stringify(page));
        }
      }
      return hash.digest("hex");
    },
    async close() {
      await writing;
      await new Promise<void>((resolve) => insert.finalize(() => resolve()));
      for (const database of [reader, writer]) {
        await new Promise<void>((resolve, reject) => database.close((error) => (error ? reject(error) : resolve())));
      }
    },
  };
}

function columns(count: number): string {
  return Array.from({ length: count }, (_, index) => `json_extract(value, '$[${index}]')`).join(", ");
}
