import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventRow } from "../../schemas/views.ts";
import { applyEvents, depths, maxDepth, maxRows, noEvents } from "./event-rows.ts";

const row = (seq: number, causationId?: string): EventRow => ({
  seq,
  at: "2026-01-01T00:00:00Z",
  type: "TurnRequested",
  source: "router",
  subject: "log.turn.web.c.t.wake",
  id: `e${seq}`,
  line: "",
  ...(causationId === undefined ? {} : { causationId }),
});
const seqs = (rows: readonly EventRow[]): number[] => rows.map(({ seq }) => seq);

test("rows that come late or twice land in their place once", () => {
  let state = applyEvents(noEvents, { rows: [row(5), row(6)], cursor: 6, reset: true });
  state = applyEvents(state, { rows: [row(7), row(6)], cursor: 7, reset: false });
  state = applyEvents(state, { rows: [row(2), row(5)], cursor: 5, reset: false });
  assert.deepEqual(seqs(state.rows), [2, 5, 6, 7]);
  assert.equal(state.cursor, 7);
});

test("a reset forgets the rows before it", () => {
  const state = applyEvents(applyEvents(noEvents, { rows: [row(9)], cursor: 9, reset: false }), {
    rows: [row(1)],
    cursor: 1,
    reset: true,
  });
  assert.deepEqual(seqs(state.rows), [1]);
  assert.equal(state.cursor, 1);
});

test("a reset that joins on to what is held takes nothing away", () => {
  const held = applyEvents(noEvents, { rows: [row(3), row(5), row(6)], cursor: 6, reset: true });
  const state = applyEvents(held, { rows: [row(5), row(6), row(8)], cursor: 8, reset: true });
  assert.deepEqual(seqs(state.rows), [3, 5, 6, 8]);
});

test("rows are bounded, the newest stay", () => {
  const rows = Array.from({ length: maxRows + 10 }, (_, index) => row(index + 1));
  const state = applyEvents(noEvents, { rows, cursor: rows.length, reset: true });
  assert.equal(state.rows.length, maxRows);
  assert.equal(state.rows.at(-1)?.seq, maxRows + 10);
  assert.equal(state.bySeq.size, maxRows);
});

test("a row stands under its cause, and depth ends somewhere", () => {
  const chain = Array.from({ length: 12 }, (_, index) => row(index + 1, index === 0 ? undefined : `e${index}`));
  const found = depths(chain);
  assert.deepEqual(found.slice(0, 4), [0, 1, 2, 3]);
  assert.equal(Math.max(...found), maxDepth);
  assert.deepEqual(depths([row(5, "not held")]), [0]);
});
