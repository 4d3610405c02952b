import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import {
  claimed,
  completed,
  deleted,
  edited,
  failed,
  received,
  requested,
  steered,
  stepDone,
  stopped,
  toolCalled,
  toolDone,
} from "../../test/support/stored-events.ts";
import { foldTurn, newJournal, type Journal } from "./journal.ts";
import type { ModelMessage } from "./model/port.ts";
import { buildRequest, textOf, type SteeredText } from "./request.ts";

function journalOf(request: StoredEvent<"TurnRequested">, ...events: StoredEvent[]): Journal {
  const journal = newJournal(request);
  for (const event of [claimed(request.seq + 1, request.data.turn, 1), ...events]) foldTurn(journal, event);
  return journal;
}

function messages(journal: Journal, history: readonly LogEntry[], own: readonly SteeredText[] = []): ModelMessage[] {
  const rest = { systemPrompt: "Be kind.", tools: [], maxOutputTokens: 10 };
  return buildRequest({ journal, history, steered: own, ...rest }).messages;
}

const said = (list: readonly ModelMessage[]): string[] => list.map(({ role, text }) => `${role}: ${text}`);

test("a request holds the claim's model and clock reading, so that a replay makes the same one", () => {
  const journal = journalOf(requested(5, "t", [["m1", 1]]));
  const parts = { journal, history: [received(1, "m1")], steered: [], systemPrompt: "Be kind.", tools: [] };
  const request = buildRequest({ ...parts, maxOutputTokens: 10 });
  assert.equal(request.model, "demo");
  assert.match(request.system, /^Be kind\.\nThe time is 2026-01-01T00:00:00\.000Z\.$/);
  assert.deepEqual(buildRequest({ ...parts, maxOutputTokens: 10 }), request);
});

test("earlier turns come first, then what is asked, as it was last edited; what was taken back is left out", () => {
  const history = [
    edited(1, "m1", "m1 edited early"),
    received(2, "m1"),
    received(3, "m2"),
    requested(4, "t1", [
      ["m1", 2],
      ["m2", 3],
    ]),
    completed(5, "t1", ["m1", "m2"], "first answer"),
    deleted(6, "m2"),
    received(7, "m3"),
    received(8, "m4"),
    edited(9, "m4", "m4 edited"),
  ];
  const journal = journalOf(
    requested(10, "t2", [
      ["m3", 7],
      ["m4", 8],
    ]),
  );
  assert.deepEqual(said(messages(journal, history)), [
    "user: m1 edited early",
    "assistant: first answer",
    "user: text of m3",
    "user: m4 edited",
  ]);
});

test("a failed turn leaves its question, a stopped one what was said and that it was stopped", () => {
  const history = [
    received(1, "m1"),
    failed(2, "t1", ["m1"]),
    received(3, "m2"),
    stopped(4, "t2", ["m2"], "half an"),
    received(5, "m3"),
  ];
  assert.deepEqual(said(messages(journalOf(requested(6, "t3", [["m3", 5]])), history)), [
    "user: text of m1",
    "user: text of m2",
    "assistant: half an\n[stopped by the user]",
    "user: text of m3",
  ]);
});

test("an attempt that is made again is not shown to itself, and only the last attempt of a turn to later ones", () => {
  const history = [received(1, "m1"), completed(3, "t1", ["m1"], "bad"), completed(5, "t1b", ["m1"], "good")];
  assert.deepEqual(said(messages(journalOf(requested(6, "t1c", [["m1", 1]], { attempt: 3 })), history)), [
    "user: text of m1",
  ]);
  const later = messages(journalOf(requested(8, "t2", [["m2", 7]])), [...history, received(7, "m2")]);
  assert.deepEqual(said(later), ["user: text of m1", "assistant: good", "user: text of m2"]);
});

test("steps, results and steered messages stand in the order in which the model saw them", () => {
  const journal = journalOf(
    requested(5, "t", [["m1", 1]]),
    steered(7, "t", "m2", 2),
    stepDone(8, "t", 0, ["echo"], { signalsThrough: 7, text: "let me look" }),
    toolCalled(9, "t", "s0c0", "pure"),
    toolDone(10, "t", "s0c0", "interrupted"),
    steered(11, "t", "m3", 3),
  );
  const own = [
    { seq: 7, text: "second" },
    { seq: 11, text: "third" },
  ];
  const list = messages(journal, [received(1, "m1")], own);
  assert.deepEqual(said(list), [
    "user: text of m1",
    "user: second",
    "assistant: let me look",
    "tool: s0c0 done",
    "user: third",
  ]);
  assert.equal(list[3]?.role === "tool" && list[3].isError, true);
});

test("a steered message that was taken back is not shown", () => {
  const journal = journalOf(requested(5, "t", [["m1", 1]]), steered(7, "t", "m2", 2));
  assert.deepEqual(said(messages(journal, [received(1, "m1")], [{ seq: 7, text: undefined }])), ["user: text of m1"]);
  assert.equal(textOf("m2", [received(1, "m2"), deleted(2, "m2")]), undefined);
  assert.equal(textOf("m2", [edited(1, "m2", "early"), received(2, "m2")]), "early");
});

test("a task's turn asks its prompt", () => {
  const request = requested(5, "t", [], { prompt: "water the plants", messages: [] });
  assert.deepEqual(said(messages(journalOf(request), [])), ["user: water the plants"]);
});

test("old turns are left out whole when the conversation is too long", () => {
  const long = "x".repeat(30_000);
  const history = [1, 3, 5].flatMap((seq) => [
    received(seq, `m${seq}`, { text: `${seq} ${long}` }),
    completed(seq + 1, `t${seq}`, [`m${seq}`], "ok"),
  ]);
  const list = messages(journalOf(requested(8, "t", [["m7", 7]])), [...history, received(7, "m7")]);
  assert.deepEqual(
    list.map(({ text }) => text.slice(0, 12)),
    [`5 ${long}`.slice(0, 12), "ok", "text of m7"],
  );
});

test("a turn is not asked before it is claimed", () => {
  assert.throws(() => messages(newJournal(requested(5, "t", [["m1", 1]])), []), /before it is claimed/);
});
