import assert from "node:assert/strict";
import { test } from "node:test";
import type { ItemView, MessageView, TurnView } from "../../schemas/views.ts";
import { applyItems, applyOlder, emptyItems, oldestSeq, openTurn, visibleItems } from "./items.ts";

function message(seq: number, more: Partial<MessageView> = {}): MessageView {
  return {
    kind: "message",
    key: `m${seq}`,
    seq,
    changedSeq: seq,
    message: `id${seq}`,
    fromName: "",
    owner: true,
    text: `text ${seq}`,
    edited: false,
    deleted: false,
    at: "2026-01-01T00:00:00Z",
    ...more,
  };
}

function turn(seq: number, more: Partial<TurnView> = {}): TurnView {
  return {
    kind: "turn",
    key: `t${seq}`,
    seq,
    changedSeq: seq,
    turn: `turn${seq}`,
    attempt: 1,
    state: "running",
    epoch: 1,
    model: "demo",
    steps: [],
    text: "",
    startedAt: "2026-01-01T00:00:00Z",
    inputTokens: 0,
    outputTokens: 0,
    ...more,
  };
}

const frame = (items: ItemView[], cursor: number, reset = false) => ({ items, cursor, reset });

test("items stand in the order of seq, however they arrive", () => {
  const state = applyItems(emptyItems, frame([message(9), message(3), message(5)], 9));
  assert.deepEqual(state.order, ["m3", "m5", "m9"]);
});

test("the same frame twice changes nothing", () => {
  const once = applyItems(emptyItems, frame([message(3), turn(4)], 4));
  assert.deepEqual(applyItems(once, frame([message(3), turn(4)], 4)), once);
});

test("a late frame does not put an old version over a newer one, nor the cursor back", () => {
  const newer = applyItems(emptyItems, frame([turn(4, { changedSeq: 9, state: "completed" })], 9));
  const late = applyItems(newer, frame([turn(4, { changedSeq: 6 })], 6));
  assert.equal((late.byKey.get("t4") as TurnView).state, "completed");
  assert.equal(late.cursor, 9);
});

test("after a reconnect the changes since the cursor join what is held, without gap or repeat", () => {
  const before = applyItems(emptyItems, frame([message(1), turn(2)], 2, true));
  const after = applyItems(before, frame([turn(2, { changedSeq: 7, state: "completed" }), message(8)], 8));
  assert.deepEqual(after.order, ["m1", "t2", "m8"]);
  assert.equal(after.cursor, 8);
});

test("a reset forgets what was held, also a cursor of a log that is no more", () => {
  const before = applyItems(emptyItems, frame([message(100)], 100));
  const after = applyItems(before, frame([message(2)], 2, true));
  assert.deepEqual(after.order, ["m2"]);
  assert.equal(after.cursor, 2);
});

test("an older page goes in front and leaves the cursor", () => {
  const state = applyOlder(applyItems(emptyItems, frame([message(50)], 60, true)), {
    items: [message(20), message(30)],
    more: true,
  });
  assert.deepEqual(state.order, ["m20", "m30", "m50"]);
  assert.equal(state.cursor, 60);
  assert.equal(state.more, true);
  assert.equal(oldestSeq(state), 20);
});

test("a full first window means that there may be older items", () => {
  const full = Array.from({ length: 50 }, (_, index) => message(index + 1));
  assert.equal(applyItems(emptyItems, frame(full, 50, true)).more, true);
  assert.equal(applyItems(emptyItems, frame(full.slice(1), 50, true)).more, false);
});

test("the open turn is the newest that has not ended", () => {
  const state = applyItems(emptyItems, frame([turn(1, { state: "completed" }), turn(2), message(3)], 3));
  assert.equal(openTurn(state)?.key, "t2");
  assert.equal(openTurn(applyItems(state, frame([turn(2, { changedSeq: 4, state: "failed" })], 4))), undefined);
});

test("a message that joined a turn stands inside it and nowhere else", () => {
  const state = applyItems(
    emptyItems,
    frame([message(1), turn(2, { steps: [{ type: "steered", message: "id3" }] }), message(3)], 3),
  );
  const { list, steered } = visibleItems(state);
  assert.deepEqual(
    list.map(({ key }) => key),
    ["m1", "t2"],
  );
  assert.equal(steered.get("id3")?.key, "m3");
});

test("a message that joined only a superseded attempt stays in the list", () => {
  const state = applyItems(
    emptyItems,
    frame([turn(2, { state: "superseded", steps: [{ type: "steered", message: "id3" }] }), message(3)], 3),
  );
  assert.deepEqual(
    visibleItems(state).list.map(({ key }) => key),
    ["t2", "m3"],
  );
});
