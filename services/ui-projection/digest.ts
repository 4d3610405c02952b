/** What "byte for byte" means: all rows and events of a read model in order, as one hash; and where two of them part. */
import { createHash } from "node:crypto";
import type { Connection } from "./sqlite.ts";

/** Rows of one answer of SQLite, 60 kB: as young strings they are collected at once, bytes outside of the heap are not. */
const PAGE = 100;

interface Table {
  readonly name: "rows" | "events";
  readonly key: "key" | "seq";
  /** Before the first key. */
  readonly start: string | number;
  readonly columns: readonly string[];
}

const DUMPED: readonly Table[] = [
  {
    name: "rows",
    key: "key",
    start: "",
    columns: ["key", "kind", "channel", "chat", "seq", "changed", "view"],
  },
  { name: "events", key: "seq", start: -1, columns: ["seq", "channel", "chat", "turn", "row"] },
];

interface Page {
  readonly last: string | number | null;
  readonly dump: string | null;
}

/** A page behind `after`, one line a row; by key, because an offset would read everything before it again. */
async function page(connection: Connection, table: Table, after: string | number): Promise<Page> {
  const { name, key, columns } = table;
  const [found] = await connection.all<Page>(
    `SELECT max(${key}) AS last, group_concat(json_array(${columns.join(", ")}), char(10)) AS dump
       FROM (SELECT ${columns.join(", ")} FROM ${name} WHERE ${key} > ? ORDER BY ${key} LIMIT ${PAGE})`,
    [after],
  );
  return found ?? { last: null, dump: null };
}

/** SHA-256 over all rows and events in order of their keys, in hex. */
export async function digestOf(connection: Connection): Promise<string> {
  const hash = createHash("sha256");
  for (const table of DUMPED) {
    hash.update(`${table.name}\n`);
    for (let after: string | number | null = table.start; after !== null;) {
      const { last, dump }: Page = await page(connection, table, after);
      if (dump !== null) hash.update(dump).update("\n");
      after = last;
    }
  }
  return hash.digest("hex");
}

/** A row that stands differently in two read models; a side without it is undefined. */
export interface Difference {
  readonly table: "rows" | "events";
  readonly key: string | number;
  readonly live: readonly unknown[] | undefined;
  readonly rebuilt: readonly unknown[] | undefined;
}

type Line = readonly unknown[];

function linesOf(dump: string | null): Map<string | number, Line> {
  const lines = dump === null || dump === "" ? [] : dump.split("\n");
  // A line feed within a text is escaped: json_array writes JSON.
  return new Map(lines.map((line) => JSON.parse(line) as Line).map((line) => [line[0] as string | number, line]));
}

/** Keys in the order of SQLite: texts by their UTF-8 bytes. */
function before(a: string | number, b: string | number): boolean {
  return typeof a === "number" ? a < Number(b) : Buffer.compare(Buffer.from(a), Buffer.from(String(b))) < 0;
}

/** The first row, in the order of the dump, that differs; undefined when both are equal. */
export async function firstDifference(live: Connection, rebuilt: Connection): Promise<Difference | undefined> {
  for (const table of DUMPED) {
    for (let after = table.start; ;) {
      const [one, other] = await Promise.all([page(live, table, after), page(rebuilt, table, after)]);
      if (one.dump !== other.dump) {
        const [mine, theirs] = [linesOf(one.dump), linesOf(other.dump)];
        const keys = [...new Set([...mine.keys(), ...theirs.keys()])].toSorted((a, b) => (before(a, b) ? -1 : 1));
        const key = keys.find((found) => JSON.stringify(mine.get(found)) !== JSON.stringify(theirs.get(found)));
        if (key !== undefined) return { table: table.name, key, live: mine.get(key), rebuilt: theirs.get(key) };
      }
      if (one.last === null) break;
      after = one.last;
    }
  }
  return undefined;
}
