/** SQLite behind few promises: the only file that knows the binding, so that another one can follow. */
import sqlite3 from "sqlite3";

export interface Connection {
  exec(sql: string): Promise<void>;
  all<T>(sql: string, parameters?: readonly unknown[]): Promise<T[]>;
  prepare(sql: string): Promise<Statement>;
  close(): Promise<void>;
}

export interface Statement {
  run(parameters: readonly unknown[]): Promise<void>;
  finalize(): Promise<void>;
}

const MODES = {
  create: sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE,
  write: sqlite3.OPEN_READWRITE,
  read: sqlite3.OPEN_READONLY,
} as const;

/** SQLITE_ERROR too: tables that lack a column, or are none of ours, answer with it. */
const DAMAGE = new Set<unknown>(["SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR"]);

const BUSY = new Set<unknown>(["SQLITE_BUSY", "SQLITE_LOCKED"]);

function hasSqliteCode(error: unknown, codes: ReadonlySet<unknown>): boolean {
  return error instanceof Error && "code" in error && codes.has(error.code);
}

/** True for what SQLite says of a file that is damaged or none of its own. */
export function isDamage(error: unknown): boolean {
  return hasSqliteCode(error, DAMAGE);
}

/** True when another connection holds the file. */
export function isBusy(error: unknown): boolean {
  return hasSqliteCode(error, BUSY);
}

/** Opens a file. `create` makes it when it is not there. */
export async function openConnection(path: string, mode: keyof typeof MODES): Promise<Connection> {
  const database = await new Promise<sqlite3.Database>((resolve, reject) => {
    const opened = new sqlite3.Database(path, MODES[mode], (error) => (error ? reject(error) : resolve(opened)));
  });
  return {
    exec: (sql) => new Promise((resolve, reject) => database.exec(sql, (error) => (error ? reject(error) : resolve()))),
    all: <T>(sql: string, parameters: readonly unknown[] = []) =>
      new Promise<T[]>((resolve, reject) => {
        database.all<T>(sql, [...parameters], (error, rows) => (error ? reject(error) : resolve(rows)));
      }),
    async prepare(sql) {
      const statement = await new Promise<sqlite3.Statement>((resolve, reject) => {
        const made = database.prepare(sql, (error: Error | null) => (error ? reject(error) : resolve(made)));
      });
      return {
        run: (parameters) =>
          new Promise((resolve, reject) => {
            statement.run(parameters, (error: Error | null) => (error ? reject(error) : resolve()));
          }),
        finalize: () => new Promise((resolve) => statement.finalize(() => resolve())),
      };
    },
    close: () => new Promise((resolve, reject) => database.close((error) => (error ? reject(error) : resolve()))),
  };
}
