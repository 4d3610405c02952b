/** The event rows of one chat. Pure: merged by sequence, indented by what caused what. */
import type { EventRow, ItemView } from "../../schemas/views.ts";

export interface EventRows {
  bySeq: ReadonlyMap<number, EventRow>;
  /** In order of `seq`. */
  rows: readonly EventRow[];
  cursor: number;
  loaded: boolean;
  /** The server has older ones. */
  more: boolean;
}

export const noEvents: EventRows = { bySeq: new Map(), rows: [], cursor: 0, loaded: false, more: false };

/** Deeper than this a line has no room left on a phone; the order still tells the rest. */
export const maxDepth = 6;

/** Rows kept in the page: the oldest are let go beyond it, the server still has them. */
export const maxRows = 20_000;

/** Merges an `events` frame; a row that comes twice or late lands in its place once. */
export function applyEvents(
  state: EventRows,
  frame: { rows: readonly EventRow[]; cursor: number; reset: boolean; more?: boolean },
): EventRows {
  // A window that begins with a row that is held, the same event, joins on to what is held: nothing lies between.
  const [first] = frame.rows;
  const joins = first !== undefined && state.bySeq.get(first.seq)?.id === first.id;
  const forgets = frame.reset && !joins;
  const bySeq = new Map(forgets ? [] : state.bySeq);
  const last = forgets ? undefined : state.rows.at(-1);
  const isAppend = frame.rows.every(
    (row, index) => row.seq > (index === 0 ? (last?.seq ?? -1) : (frame.rows[index - 1]?.seq ?? -1)),
  );
  for (const row of frame.rows) bySeq.set(row.seq, row);
  let rows = isAppend
    ? [...(forgets ? [] : state.rows), ...frame.rows]
    : [...bySeq.values()].toSorted((a, b) => a.seq - b.seq);
  if (rows.length > maxRows) {
    for (const row of rows.slice(0, -maxRows)) bySeq.delete(row.seq);
    rows = rows.slice(-maxRows);
  }
  const cursor = frame.reset ? frame.cursor : Math.max(state.cursor, frame.cursor);
  // A window that joins on to older rows says nothing of what lies before those.
  const more = forgets || !state.loaded || !frame.reset ? (frame.more ?? state.more) : state.more;
  return { bySeq, rows, cursor, loaded: true, more };
}

/** Depth of each row under the event that caused it; a cause that is not held counts as none. */
export function depths(rows: readonly EventRow[]): number[] {
  const byId = new Map<string, number>();
  return rows.map((row) => {
    const parent = row.causationId === undefined ? undefined : byId.get(row.causationId);
    const depth = parent === undefined ? 0 : Math.min(parent + 1, maxDepth);
    byId.set(row.id, depth);
    return depth;
  });
}

/** The events behind an item: those of its turn, and the one that is the message itself. */
export function eventsOf(item: ItemView, rows: readonly EventRow[]): EventRow[] {
  return rows.filter((row) => row.seq === item.seq || (row.turn !== undefined && row.turn === item.turn));
}

/** The item an event belongs to: its message, else its turn. */
export function itemOf(row: EventRow, items: Iterable<ItemView>): ItemView | undefined {
  let turn: ItemView | undefined;
  for (const item of items) {
    if (item.seq === row.seq) return item;
    if (item.kind === "turn" && item.turn === row.turn) turn = item;
  }
  return turn;
}
