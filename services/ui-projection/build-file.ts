/**
 * The file that a rebuild writes: tables without their indexes, large transactions, nothing synced before the end. It
 * outlasts kill -9 of its process; after a fall of the machine it counts as none (the boot is noted in it).
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Checkpoint } from "../../bus/checkpoint.ts";
import type { FoldedBatch } from "./fold.ts";
import type { Row } from "./project.ts";
import { isDamage, openConnection, type Connection, type Statement } from "./sqlite.ts";
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
} from "./tables.ts";

/** Rows a statement writes: each statement is one way to the library's thread and back. */
const ROWS_A_STATEMENT = [100, 10, 1] as const;
/** Views kept for the next batches, in characters: a turn's rows are changed within moments of each other. */
const MAX_WARM_CHARS = 2 * 1024 * 1024;
/** Pages of SQLite, in KiB: inner pages of the tree by key, which is written all over. */
const CACHE_KIB = 4 * 1024;
/** Frames of 4 kB before the write-ahead log goes into the file: pages changed often are then copied once. */
const CHECKPOINT_PAGES = 4_000;

export interface BuildFile {
  /** How far it has come. */
  readonly checkpoint: Checkpoint | undefined;
  /** True when all of it is on the disk. */
  readonly durable: boolean;
  rows(keys: readonly string[]): Promise<Map<string, Row>>;
  /** Rows, events and checkpoint in one transaction. */
  write(batch: FoldedBatch): Promise<void>;
  /** Makes the indexes. */
  finish(): Promise<void>;
  /** For reading what is written. */
  readonly connection: Connection;
  /** Writes everything to the disk and closes it. */
  closeDurably(): Promise<void>;
  close(): Promise<void>;
}

export async function removeModel(file: string): Promise<void> {
  for (const suffix of ["-wal", "-shm", ""]) await rm(`${file}${suffix}`, { force: true });
}

/** Changes with each start of the machine: what was not synced before may be lost without a trace. */
function bootNumber(): number {
  let boot: string;
  try {
    boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8");
  } catch {
    return -1;
  }
  return createHash("sha256").update(boot).digest().readInt32LE() | 1;
}

/** On the disk, with its name. */
export async function syncFile(file: string): Promise<void> {
  for (const path of [file, dirname(file)]) {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

interface Insert {
  readonly columns: number;
  /** Number of rows and the statement that writes them. */
  readonly statements: readonly (readonly [number, Statement])[];
}

async function prepareInsert(connection: Connection, table: string, columns: number): Promise<Insert> {
  const row = `(${Array.from({ length: columns }, () => "?").join(", ")})`;
  const statements: [number, Statement][] = [];
  for (const count of ROWS_A_STATEMENT) {
    const values = Array.from({ length: count }, () => row).join(", ");
    statements.push([count, await connection.prepare(`INSERT OR REPLACE INTO ${table} VALUES ${values}`)]);
  }
  return { columns, statements };
}

/** `values` holds the columns of one row after the other. */
function insertAll({ statements, columns }: Insert, values: readonly unknown[]): Promise<void>[] {
  const running: Promise<void>[] = [];
  let from = 0;
  for (const [count, statement] of statements) {
    const length = count * columns;
    for (; values.length - from >= length; from += length)
      running.push(statement.run(values.slice(from, from + length)));
  }
  return running;
}

/** Opens or makes the file. One of another shape, of an earlier start of the machine, or damaged is begun anew: `why` is told. */
export async function openBuildFile(path: string, begunAnew: (why: string) => void): Promise<BuildFile> {
  const there = existsSync(path);
  try {
    return await openSound(path);
  } catch (error) {
    if (!there || !(error instanceof NotOurs || isDamage(error))) throw error;
    begunAnew(error instanceof NotOurs ? error.message : "it is damaged");
    await removeModel(path);
    return openSound(path);
  }
}

class NotOurs extends Error {}

async function openSound(path: string): Promise<BuildFile> {
  const connection = await openConnection(path, "create");
  try {
    return await prepareFile(path, connection);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

async function prepareFile(path: string, connection: Connection): Promise<BuildFile> {
  const boot = bootNumber();
  const [noted] = await connection.all<{ user_version: number }>("PRAGMA user_version");
  const [tables] = await connection.all<{ count: number }>("SELECT count(*) AS count FROM sqlite_schema");
  const fresh = tables?.count === 0;
  const durable = !fresh && noted?.user_version === 0;
  if (!fresh && !durable && (noted?.user_version !== boot || boot === -1))
    throw new NotOurs("the machine was started again meanwhile");
  await connection.exec(`
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -${CACHE_KIB};
    PRAGMA temp_store = FILE;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    ${TABLES}`);
  const [checkpoint] = await connection.all<StoredCheckpoint>(SELECT_CHECKPOINT);
  if (checkpoint !== undefined && checkpoint.shape !== SHAPE) throw new NotOurs("it is of another release");
  const insertRows = await prepareInsert(connection, "rows", 7);
  const insertEvents = await prepareInsert(connection, "events", 5);
  const insertCheckpoint = await connection.prepare("INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?, ?, ?)");
  const warm = new Map<string, { row: Row; chars: number; batch: number }>();
  let warmChars = 0;
  let batches = 0;
  let writtenBatches = 0;
  let unsynced = fresh || !durable;
  let writing: Promise<void> = Promise.resolve();
  let closed = false;

  function remember(row: Row, chars: number): void {
    warmChars += chars - (warm.get(row.key)?.chars ?? 0);
    // Last again: what was changed long ago goes first.
    warm.delete(row.key);
    warm.set(row.key, { row, chars, batch: batches });
  }

  /** What is not in the file yet is kept: lookups need not wait for it. */
  function forgetOld(): void {
    for (const [key, { chars, batch }] of warm) {
      if (warmChars <= MAX_WARM_CHARS || batch > writtenBatches) return;
      warm.delete(key);
      warmChars -= chars;
    }
  }

  async function noteUnsynced(): Promise<void> {
    if (unsynced && noted?.user_version === boot) return;
    unsynced = true;
    await connection.exec(`PRAGMA user_version = ${boot}`);
  }
  if (unsynced) await noteUnsynced();

  async function insertNow(
    rows: readonly unknown[],
    events: readonly unknown[],
    { seq, created, hash }: Checkpoint,
  ): Promise<void> {
    if (!unsynced) await noteUnsynced();
    await connection.exec("BEGIN");
    // Their order does not matter: the library may run different statements on different threads.
    const inserts = [
      ...insertAll(insertRows, rows),
      ...insertAll(insertEvents, events),
      insertCheckpoint.run([SHAPE, seq, created, hash]),
    ];
    const failed = (await Promise.allSettled(inserts)).find((one) => one.status === "rejected");
    await connection.exec(failed === undefined ? "COMMIT" : "ROLLBACK");
    if (failed !== undefined) throw failed.reason;
  }

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    await writing.catch(() => undefined);
    for (const [, statement] of [...insertRows.statements, ...insertEvents.statements]) await statement.finalize();
    await insertCheckpoint.finalize();
    await connection.close();
  }

  return {
    checkpoint,
    durable,
    connection,
    async rows(keys) {
      const result = new Map<string, Row>();
      const missing: string[] = [];
      for (const key of keys) {
        const known = warm.get(key);
        if (known === undefined) missing.push(key);
        else result.set(key, known.row);
      }
      if (missing.length === 0) return result;
      for (const row of await connection.all<RawRow>(SELECT_ROWS, [JSON.stringify(missing)]))
        result.set(row.key, parseRow(row));
      return result;
    },
    write({ changed, events, checkpoint: next }) {
      // Remembered before anything is awaited: the next batch must not see these rows as they were.
      batches++;
      const rows = [...changed.values()].flatMap((row) => {
        const view = JSON.stringify(row.view);
        remember(row, view.length);
        return rowColumns(row, view);
      });
      const columns = events.flatMap(eventColumns);
      writing = writing.then(async () => {
        await insertNow(rows, columns, next);
        writtenBatches++;
        forgetOld();
      });
      return writing;
    },
    finish: () => connection.exec(`PRAGMA cache_size = -2048; ${INDEXES}`),
    async closeDurably() {
      if (unsynced) {
        await connection.exec("PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)");
        await syncFile(path);
        await connection.exec("PRAGMA user_version = 0");
      }
      await close();
      await syncFile(path);
    },
    close,
  };
}
