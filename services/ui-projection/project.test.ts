import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StoredEvent } from "../../bus/event.ts";
import type { ItemView, MessageView, TurnView } from "../../schemas/views.ts";
import {
  cancelAsked,
  claimed,
  completed,
  deleted,
  edited,
  failed,
  parked,
  received,
  requested,
  resumed,
  steered,
  stepDone,
  stepFailed,
  stopped,
  stored,
  toolCalled,
  toolDone,
} from "../../test/support/stored-events.ts";
import { chatKey, keysOf, messageKey, placeOf, project, turnKey, type Row } from "./project.ts";

type Model = Map<string, Row>;

/** The rows after `events`; only those that `keysOf` and the chat's key name may be read, as in the process. */
function play(events: readonly StoredEvent[], model: Model = new Map()): Model {
  for (const event of events) {
    const readable = new Set(keysOf(event));
    for (const key of readable) {
      const row = model.get(key);
      if (row !== undefined) readable.add(chatKey(row.channel, row.chat));
    }
    const rows = { get: (key: string) => (readable.has(key) ? model.get(key) : undefined) };
    for (const row of project(event, rows)) model.set(row.key, row);
  }
  return model;
}

function item(model: Model, key: string): ItemView {
  const row = model.get(key);
  assert.ok(row?.kind === "item", `${key} is not there`);
  return row.view;
}

function turn(model: Model, name = "t"): TurnView {
  const view = item(model, turnKey(name));
  assert.ok(view.kind === "turn");
  return view;
}

function message(model: Model, name: string): MessageView {
  const view = item(model, messageKey("web", "c", name));
  assert.ok(view.kind === "message");
  return view;
}

function chat(model: Model): Row["view"] {
  const row = model.get(chatKey("web", "c"));
  assert.ok(row !== undefined);
  return row.view;
}

const OPENED = [received(1, "m1"), requested(2, "t", [["m1", 1]])];
const RUNNING = [...OPENED, claimed(3, "t", 1)];

/** One of everything that changes a chat. */
const WHOLE = [
  edited(1, "m2", "m2 early"),
  received(2, "m1"),
  requested(3, "t", [["m1", 2]]),
  claimed(4, "t", 1),
  received(5, "m2"),
  steered(6, "t", "m2", 5),
  stepDone(7, "t", 0, ["echo"], { text: "let me see" }),
  toolCalled(8, "t", "s0c0", "pure"),
  toolDone(9, "t", "s0c0"),
  stepFailed(10, "t", 1, { step: 1 }),
  parked(11, "t", "2026-01-01T00:01:00.000Z"),
  resumed(12, "t"),
  claimed(13, "t", 2, "runner/2"),
  cancelAsked(14, "t"),
  stopped(15, "t", ["m1", "m2"]),
  requested(
    16,
    "u",
    [
      ["m1", 2],
      ["m2", 5],
    ],
    { attempt: 2, retryOf: "t" },
  ),
  claimed(17, "u", 1),
  completed(18, "u", ["m1", "m2"]),
  deleted(19, "m2"),
];

void test("every event delivered twice, at once or all over again, changes nothing", () => {
  const once = play(WHOLE);
  assert.deepEqual(play(WHOLE.flatMap((event) => [event, event])), once);
  assert.deepEqual(play(WHOLE, play(WHOLE)), once);
});

void test("a control: without the last sequence in its rows a second delivery is seen", () => {
  const forgetting: Model = new Map();
  for (const event of WHOLE.flatMap((one) => [one, one])) {
    const view = (row: Row): Row => ({ ...row, view: { ...row.view, changedSeq: 0 } }) as Row;
    const rows = { get: (key: string) => (forgetting.has(key) ? view(forgetting.get(key)!) : undefined) };
    for (const row of project(event, rows)) forgetting.set(row.key, row);
  }
  assert.notDeepEqual(forgetting, play(WHOLE));
});

void describe("a message", () => {
  void test("shows its newest text, and that it was changed", () => {
    const { text, edited: changed, changedSeq } = message(play([received(1, "m"), edited(2, "m", "new")]), "m");
    assert.deepEqual({ text, changed, changedSeq }, { text: "new", changed: true, changedSeq: 2 });
  });

  void test("that came after its edit or deletion shows these", () => {
    assert.equal(message(play([edited(1, "m", "new"), received(2, "m")]), "m").text, "new");
    const gone = message(play([deleted(1, "m"), received(2, "m")]), "m");
    assert.deepEqual([gone.text, gone.deleted], ["", true]);
  });

  void test("that was taken back stays so, in whichever order its edits come", () => {
    for (const events of [
      [received(1, "m"), deleted(2, "m"), edited(3, "m", "new")],
      [deleted(1, "m"), edited(2, "m", "new"), received(3, "m")],
      [edited(1, "m", "new"), deleted(2, "m"), received(3, "m")],
    ]) {
      const { text, deleted: gone } = message(play(events), "m");
      assert.deepEqual([text, gone], ["", true]);
    }
  });

  void test("names the turn that answers it, whether it opened or joined it", () => {
    const model = play([...RUNNING, received(4, "m2"), steered(5, "t", "m2", 4), received(6, "m3")]);
    assert.deepEqual([message(model, "m1").turn, message(model, "m2").turn], ["t", "t"]);
    assert.equal(message(model, "m3").turn, undefined);
  });
});

void describe("a turn", () => {
  void test("goes from queued to running to its end", () => {
    const states = [OPENED, RUNNING, [...RUNNING, completed(4, "t", ["m1"])]].map((events) => turn(play(events)).state);
    assert.deepEqual(states, ["queued", "running", "completed"]);
    assert.equal(turn(play([...RUNNING, failed(4, "t", ["m1"])])).code, "MODEL_AUTH");
    assert.equal(turn(play([...RUNNING, stopped(4, "t", ["m1"], "half")])).text, "half");
  });

  void test("shows a failed attempt as retrying until the model speaks again, and as waiting only what waits for a person", () => {
    const failing = [...RUNNING, stepFailed(4, "t", 1)];
    assert.equal(turn(play(failing)).state, "retrying");
    assert.equal(turn(play([...failing, stepDone(5, "t", 0, ["echo"])])).state, "running");
    const timed = [...failing, parked(5, "t", "2026-01-01T00:01:00.000Z")];
    assert.equal(turn(play(timed)).state, "retrying", "it goes on by itself");
    assert.equal(turn(play([...timed, resumed(6, "t")])).state, "queued");
    assert.equal(turn(play([...RUNNING, parked(4, "t")])).state, "waiting", "a person is asked");
  });

  void test("shows its steps in order, tools with their state and result", () => {
    const events = [
      ...RUNNING,
      stepDone(4, "t", 0, ["echo"], { text: "let me see" }),
      toolCalled(5, "t", "s0c0", "pure"),
      received(6, "m2"),
      steered(7, "t", "m2", 6),
    ];
    assert.deepEqual(
      turn(play(events)).steps.map((step) => (step.type === "tool" ? `tool ${step.state}` : step.type)),
      ["text", "tool running", "steered"],
    );
    const [, tool] = turn(play([...events, toolDone(8, "t", "s0c0", "interrupted")])).steps;
    assert.ok(tool?.type === "tool");
    assert.deepEqual([tool.state, tool.result], ["interrupted", "s0c0 done"]);
  });

  void test("counts the tokens of every finished step once", () => {
    const view = turn(play([...RUNNING, stepDone(4, "t", 0, ["echo"]), completed(7, "t", ["m1"])]));
    assert.deepEqual([view.inputTokens, view.outputTokens], [6, 4]);
  });

  void test("counts the runners that took it", () => {
    assert.equal(turn(play([...RUNNING, claimed(4, "t", 2, "runner/2")])).epoch, 2);
  });

  void test("is superseded by its next attempt", () => {
    const retried = requested(5, "u", [["m1", 1]], { attempt: 2, retryOf: "t" });
    const model = play([...RUNNING, completed(4, "t", ["m1"]), retried]);
    assert.deepEqual([turn(model, "t").state, turn(model, "u").state], ["superseded", "queued"]);
    assert.equal(message(model, "m1").turn, "u");
  });
});

void describe("a chat", () => {
  void test("is titled by its first message and runs while a turn does", () => {
    const running = chat(play([received(1, "m1", { text: "  hello\n there " }), requested(2, "t", [["m1", 1]])]));
    assert.ok("title" in running);
    assert.deepEqual([running.title, running.running], ["hello there", true]);
    const done = chat(play([...RUNNING, completed(4, "t", ["m1"], "the answer")]));
    assert.ok("title" in done);
    assert.deepEqual([done.running, done.lastText], [false, "the answer"]);
  });

  void test("moves its sequence with every event of its own, so that a reader sees a gap", () => {
    WHOLE.forEach((event, index) => {
      const model = play(WHOLE.slice(0, index + 1));
      assert.equal(chat(model).changedSeq, event.seq, event.type);
    });
  });

  void test("shows the turn of a task that answers there, with all that happens in it", () => {
    const replyTo = { channel: "web", chat: "c" };
    const sys = { channel: "sys", chat: "k" };
    const fired = { group: "main", task: "k", due: "2026-01-01T00:00:00.000Z", replyTo, text: "water", lateMs: 0 };
    const asked = requested(2, "t", [], { ...sys, messages: [], replyTo, prompt: "water" });
    const end = completed(4, "t", []);
    const events = [
      stored("TaskFired", 1, fired),
      asked,
      { ...claimed(3, "t", 1), data: { ...claimed(3, "t", 1).data, ...sys } },
      { ...end, data: { ...end.data, ...sys, replyTo } },
    ] as StoredEvent[];
    const model = play(events);
    assert.equal(turn(model).state, "completed");
    assert.deepEqual(placeOf(events[2]!, model), replyTo);
    assert.deepEqual([...model.keys()].toSorted(), [chatKey("web", "c"), turnKey("t")]);
  });
});

void test("events that belong to no chat change nothing", () => {
  const started = stored("ProcessStarted", 1, { process: "router", pid: 1, version: "1", restarts: 0 });
  assert.deepEqual(play([started]), new Map());
  assert.equal(placeOf(started, new Map()), undefined);
});
