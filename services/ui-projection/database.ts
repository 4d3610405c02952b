/**
 * The read model's file: SQLite behind a small interface, so that another binding can follow. One writing connection, used
 * by one flow only (two flows on one connection would share a transaction), and one reading connection.
 */
import type { Checkpoint } from "../../bus/checkpoint.ts";
import type { Row } from "./project.ts";
import { digestOf } from "./digest.ts";
import { openConnection } from "./sqlite.ts";
import {
  eventColumns,
  INDEXES,
  parseRow,
  rowColumns,
  SELECT_CHECKPOINT,
  SELECT_ROWS,
  SHAPE,
  TABLES,
  type RawRow,
  type StoredCheckpoint,
  type StoredEventRow,
} from "./tables.ts";

const OPENED = `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; ${TABLES} ${INDEXES}`;

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

/** Opens or makes the read model at `path` (a file). A file of another shape is emptied first. */
export async function openReadModel(path: string): Promise<ReadModel> {
  const writer = await openConnection(path, "create");
  await writer.exec(OPENED);
  const [present] = await writer.all<StoredCheckpoint>(SELECT_CHECKPOINT);
  if (present !== undefined && present.shape !== SHAPE) {
    await writer.exec("DROP TABLE rows; DROP TABLE events; DROP TABLE checkpoint;");
    await writer.exec(OPENED);
  }
  const reader = await openConnection(path, "read");
  // The defaults keep 2 MB of pages a connection; the working set of a chat is far smaller.
  await writer.exec("PRAGMA cache_size = -1024");
  await reader.exec("PRAGMA cache_size = -1024");
  await writer.exec(BATCH);
  const insert = await writer.prepare("INSERT INTO batch VALUES (?, ?, ?, ?, ?)");
  const warm = new Map<string, Row>();
  let writing = Promise.resolve();

  async function commitNow(
    rows: readonly Row[],
    events: readonly StoredEventRow[],
    checkpoint: Checkpoint,
  ): Promise<void> {
    const texts = rows.map(({ view }) => JSON.stringify(view));
    const rowData = rows.map((row, index) => rowColumns(row, texts[index] ?? ""));
    const eventData = events.map(eventColumns);
    const { seq, created, hash } = checkpoint;
    // A row that was not written must not be remembered.
    for (const { key } of rows) warm.delete(key);
    await insert.run([JSON.stringify(rowData), JSON.stringify(eventData), seq, created, hash]);
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
      const [row] = await writer.all<StoredCheckpoint>(SELECT_CHECKPOINT);
      return row === undefined ? undefined : { seq: row.seq, created: row.created, hash: row.hash };
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
      for (const row of await writer.all<RawRow>(SELECT_ROWS, [JSON.stringify(missing)]))
        result.set(row.key, parseRow(row));
      return result;
    },
    commit(rows, events, checkpoint) {
      const done = writing.then(() => commitNow(rows, events, checkpoint));
      writing = done.catch(() => undefined);
      return done;
    },
    query: (sql, parameters) => reader.all(sql, parameters),
    digest: () => digestOf(reader),
    async close() {
      await writing;
      await insert.finalize();
      await reader.close();
      await writer.close();
    },
  };
}

function columns(count: number): string {
  return Array.from({ length: count }, (_, index) => `json_extract(value, '$[${index}]')`).join(", ");
}
