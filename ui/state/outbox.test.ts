import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageView } from "../../schemas/views.ts";
import {
  acceptEntry,
  addEntry,
  nextToSend,
  readOutbox,
  refuseEntry,
  retryEntry,
  settleOutbox,
  storeOutbox,
  type Outbox,
} from "./outbox.ts";

const entry = (id: string, chat = "c") => ({ id, chat, text: `text of ${id}`, at: "2026-01-01T00:00:00Z" });
const item = (message: string): MessageView => ({
  kind: "message",
  key: `k${message}`,
  seq: 5,
  changedSeq: 5,
  message,
  fromName: "",
  owner: true,
  text: "",
  edited: false,
  deleted: false,
  at: "2026-01-01T00:00:00Z",
});
const refusal = { code: "TOO_LARGE", message: "Too large.", action: "Shorten it." };
const two: Outbox = addEntry(addEntry([], entry("a")), entry("b"));

test("an id is in the outbox once", () => {
  assert.equal(addEntry(two, entry("a")), two);
});

test("a message stays 'sending' until its item is there, also when the server has confirmed it", () => {
  const accepted = acceptEntry(two, "a", 7);
  assert.equal(settleOutbox(accepted, "c", [], 6).length, 2);
  assert.deepEqual(
    settleOutbox(accepted, "c", [item("a")], 6).map(({ id }) => id),
    ["b"],
  );
});

test("a confirmed message whose event the view has passed is let go even out of the window", () => {
  assert.deepEqual(
    settleOutbox(acceptEntry(two, "a", 7), "c", [], 7).map(({ id }) => id),
    ["b"],
  );
});

test("the item settles a message whose confirmation was lost", () => {
  assert.deepEqual(
    settleOutbox(two, "c", [item("a")], 0).map(({ id }) => id),
    ["b"],
  );
});

test("items of another chat settle nothing", () => {
  assert.equal(settleOutbox(two, "other", [item("a")], 99), two);
});

test("messages of a chat go one after the other, chats do not wait for each other", () => {
  const outbox = addEntry(two, entry("x", "d"));
  assert.equal(nextToSend(outbox, new Set())?.id, "a");
  assert.equal(nextToSend(outbox, new Set(["c"]))?.id, "x");
  assert.equal(nextToSend(acceptEntry(outbox, "a", 1), new Set())?.id, "b");
});

test("a refused message keeps its reason, is not sent by itself, and goes again under its own id", () => {
  const refused = refuseEntry(two, "a", refusal);
  assert.deepEqual(refused[0]?.error, refusal);
  assert.equal(nextToSend(refused, new Set())?.id, "b");
  const again = retryEntry(refused, "a");
  assert.equal(nextToSend(again, new Set())?.id, "a");
  assert.equal(again[0]?.error, undefined);
});

test("a reload keeps ids, texts and reasons", () => {
  const outbox = refuseEntry(acceptEntry(two, "a", 7), "b", refusal);
  assert.deepEqual(readOutbox(storeOutbox(outbox)), outbox);
});

test("a damaged storage is an empty outbox, a damaged entry is left out", () => {
  assert.deepEqual(readOutbox("{"), []);
  assert.deepEqual(readOutbox(null), []);
  assert.deepEqual(readOutbox('[1,{"id":"a"},null]'), []);
});
