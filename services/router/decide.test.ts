import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StoredEvent } from "../../bus/event.ts";
import {
  BY,
  cancelAsked,
  claimed,
  completed,
  deleted,
  edited,
  parked,
  received,
  requested,
  resumed,
  steered,
  stored,
} from "../../test/support/stored-events.ts";
import { decideChat, type Decision } from "./decide.ts";
import { applyEvent, foldEntry, newChat, type ChatState, type QueueMode } from "./state.ts";

const HERE = { channel: "web", chat: "c" };

function given(...events: StoredEvent[]): ChatState {
  const state = newChat("web", "c");
  for (const event of events) applyEvent(state, event);
  return state;
}

function decide(state: ChatState, queueMode: QueueMode = "steer"): Decision | undefined {
  return decideChat(state, { queueMode }, (trigger, attempt) => `turn-${trigger}-${attempt}`);
}

function retry(seq: number, turn: string): StoredEvent<"RetryTurn"> {
  return stored("RetryTurn", seq, { ...HERE, command: `retry-${seq}`, by: BY, turn });
}

function cancel(seq: number, turn?: string): StoredEvent<"CancelTurn"> {
  const data = { ...HERE, command: `cancel-${seq}`, by: BY, ...(turn === undefined ? {} : { turn }) };
  return stored("CancelTurn", seq, data);
}

/** Messages and fence of the turn that is opened. */
function opened(decision: Decision | undefined): { messages: string[]; expected: number } {
  assert.equal(decision?.type, "TurnRequested");
  return { messages: decision.data.messages.map((ref) => ref.message), expected: decision.expected };
}

void describe("a chat without a running turn", () => {
  void test("asks for nothing while nobody wrote", () => {
    assert.equal(decide(given()), undefined);
    assert.equal(decide(given(edited(1, "m1", "x"), deleted(2, "m1"))), undefined);
  });

  void test("opens one turn for all waiting messages, in their order, at the chat's fence", () => {
    const state = given(
      received(1, "m0"),
      requested(2, "t0", [["m0", 1]]),
      completed(3, "t0", ["m0"]),
      received(4, "m1"),
      received(5, "m2"),
    );
    assert.deepEqual(opened(decide(state)), { messages: ["m1", "m2"], expected: 3 });
  });

  void test("does not count edits, commands and facts of the chat into the fence of its turns", () => {
    const select = stored("SelectChatModel", 3, { ...HERE, command: "s", by: BY, model: "demo:a" });
    const selected = stored("ChatModelSelected", 4, { ...HERE, model: "demo:a", by: BY }, { causationId: select.id });
    const state = given(received(1, "m1"), edited(2, "m1", "new"), select, selected);
    assert.deepEqual(opened(decide(state)), { messages: ["m1"], expected: 0 });
  });

  void test("leaves out messages taken back before their turn, also those taken back before they came", () => {
    const state = given(deleted(1, "m1"), received(2, "m1"), received(3, "m2"), received(4, "m3"), deleted(5, "m2"));
    assert.deepEqual(opened(decide(state)).messages, ["m3"]);
  });

  void test("ends the row of messages at the first that wants another model, so that nobody overtakes", () => {
    const state = given(received(1, "m1"), received(2, "m2", { model: "demo:a" }), received(3, "m3"));
    assert.deepEqual(opened(decide(state)).messages, ["m1"]);
  });

  void test("bounds a turn at 256 messages; the rest waits", () => {
    const state = given(...Array.from({ length: 300 }, (_, index) => received(index + 1, `m${index}`)));
    assert.equal(opened(decide(state)).messages.length, 256);
  });

  void test("gives the turn the message's model, else the chat's", () => {
    const chosen = stored("ChatModelSelected", 1, { ...HERE, model: "demo:chat", by: BY });
    const first = decide(given(chosen, received(2, "m1")));
    assert.equal(first?.type === "TurnRequested" && first.data.model, "demo:chat");
    const second = decide(given(chosen, received(2, "m1", { model: "demo:own" })));
    assert.equal(second?.type === "TurnRequested" && second.data.model, "demo:own");
  });

  void test("lets the history begin at an edit that came before its message", () => {
    const decision = decide(given(edited(1, "m1", "new"), received(2, "m1")));
    assert.equal(decision?.type === "TurnRequested" && decision.data.historyFrom, 1);
  });

  void test("makes the same turn id for the same trigger, whoever decides", () => {
    const [a, b] = [decide(given(received(1, "m1"))), decide(given(received(1, "m1"), received(2, "m2")))];
    assert.ok(a?.type === "TurnRequested" && b?.type === "TurnRequested");
    assert.equal(a.data.turn, b.data.turn);
  });
});

void describe("a message while a turn runs", () => {
  const running = [received(1, "m1"), requested(2, "t1", [["m1", 1]]), claimed(3, "t1", 1)];

  void test("steers it, at the fence of the whole turn", () => {
    const decision = decide(given(...running, received(4, "m2")));
    assert.equal(decision?.type, "Steered");
    assert.deepEqual(decision.data.message, { message: "m2", seq: 4 });
    assert.equal(decision.expected, 3);
  });

  void test("waits in queue mode; its own mode wins over the chat's", () => {
    assert.equal(decide(given(...running, received(4, "m2")), "queue"), undefined);
    assert.equal(decide(given(...running, received(4, "m2", { mode: "queue" }))), undefined);
    assert.equal(decide(given(...running, received(4, "m2", { mode: "steer" })), "queue")?.type, "Steered");
  });

  void test("does not overtake one that waits", () => {
    const state = given(...running, received(4, "m2", { mode: "queue" }), received(5, "m3", { mode: "steer" }));
    assert.equal(decide(state), undefined);
    const other = given(...running, received(4, "m2", { model: "demo:a" }), received(5, "m3"));
    assert.equal(decide(other), undefined);
  });

  void test("interrupts, also from behind one that waits, and only once", () => {
    const state = given(...running, received(4, "m2", { mode: "queue" }), received(5, "m3", { mode: "interrupt" }));
    const decision = decide(state);
    assert.equal(decision?.type === "CancelRequested" && decision.data.reason, "interrupted");
    applyEvent(state, cancelAsked(6, "t1", "interrupted"));
    assert.equal(decide(state), undefined);
  });

  void test("does not join a turn that is being stopped, and opens the next one after its end", () => {
    const state = given(...running, cancelAsked(4, "t1"), received(5, "m2"));
    assert.equal(decide(state), undefined);
    applyEvent(state, completed(6, "t1", ["m1"]));
    assert.deepEqual(opened(decide(state)), { messages: ["m2"], expected: 6 });
  });

  void test("is not steered twice", () => {
    const state = given(...running, received(4, "m2"), steered(5, "t1", "m2", 4));
    assert.equal(decide(state), undefined);
  });
});

void describe("commands", () => {
  const running = [received(1, "m1"), requested(2, "t1", [["m1", 1]]), claimed(3, "t1", 1)];
  const done = [...running, completed(4, "t1", ["m1"])];

  void test("a cancel reaches the running turn, named or not", () => {
    for (const turn of [undefined, "t1"]) {
      const decision = decide(given(...running, cancel(4, turn)));
      assert.equal(decision?.type === "CancelRequested" && decision.expected, 3);
    }
  });

  void test("a cancel of a turn that does not run is refused with its code", () => {
    for (const state of [given(...done, cancel(5)), given(...running, cancel(5, "t0"))]) {
      const decision = decide(state);
      assert.equal(decision?.type === "CommandRefused" && decision.data.code, "TURN_NOT_RUNNING");
    }
  });

  void test("a retry opens the next attempt of the last turn, with what was steered into it", () => {
    const state = given(...running, received(4, "m2"), steered(5, "t1", "m2", 4), completed(6, "t1", ["m1", "m2"]));
    applyEvent(state, retry(7, "t1"));
    const decision = decide(state);
    assert.deepEqual(opened(decision), { messages: ["m1", "m2"], expected: 6 });
    assert.ok(decision?.type === "TurnRequested");
    assert.deepEqual([decision.data.attempt, decision.data.retryOf], [2, "t1"]);
  });

  void test("a retry is refused while a turn runs, and for any turn but the last", () => {
    const early = decide(given(...running, retry(4, "t1")));
    assert.equal(early?.type === "CommandRefused" && early.data.code, "TURN_STILL_RUNNING");
    const foreign = decide(given(...done, retry(5, "t0")));
    assert.equal(foreign?.type === "CommandRefused" && foreign.data.code, "TURN_UNKNOWN");
  });

  void test("each is answered once: the answer takes it off", () => {
    const command = cancel(5);
    const state = given(...done, command);
    const data = { ...HERE, command: "cancel-5", commandType: "CancelTurn", code: "TURN_NOT_RUNNING", message: "no" };
    applyEvent(state, stored("CommandRefused", 6, data, { causationId: command.id }));
    assert.equal(decide(state), undefined);
  });
});

void describe("a parked turn", () => {
  const at = "2026-01-01T00:01:00.000Z";
  const waiting = [received(1, "m1"), requested(2, "t1", [["m1", 1]]), claimed(3, "t1", 1), parked(4, "t1", at)];
  const fired = stored("TimerFired", 5, { group: "timer", task: "t1", due: at, parked: { ...HERE, turn: "t1" } });

  void test("waits for its timer and is then resumed, once", () => {
    const state = given(...waiting);
    assert.equal(decide(state), undefined);
    applyEvent(state, fired);
    const decision = decide(state);
    assert.equal(decision?.type === "TurnResumed" && decision.data.reason, "timer");
    assert.equal(decision?.expected, 4);
    applyEvent(state, resumed(6, "t1"));
    assert.equal(decide(state), undefined);
  });

  void test("is woken by a cancel, also by one that its runner did not see before it parked", () => {
    const after = decide(given(...waiting, cancelAsked(5, "t1")));
    assert.equal(after?.type === "TurnResumed" && after.data.reason, "signal");
    const before = given(...waiting.slice(0, 3), cancelAsked(4, "t1"), parked(5, "t1", at));
    const decision = decide(before);
    assert.equal(decision?.type === "TurnResumed" && decision.data.reason, "signal");
  });

  void test("is resumed by what stands first in the log, in whatever order both were folded", () => {
    const cancel = cancelAsked(6, "t1");
    for (const order of [
      [fired, cancel],
      [cancel, fired],
    ]) {
      const decision = decide(given(...waiting, ...order));
      assert.ok(decision?.type === "TurnResumed");
      assert.deepEqual([decision.data.reason, decision.cause.seq], ["timer", 5]);
    }
  });
});

void test("a task's fire opens a turn of its own that answers where it was asked", () => {
  const replyTo = { channel: "web", chat: "c" };
  const data = { group: "main", task: "k", due: "2026-01-01T00:00:00.000Z", replyTo, text: "water", lateMs: 0 };
  const state = newChat("sys", "k");
  applyEvent(state, stored("TaskFired", 9, data));
  const decision = decide(state);
  assert.ok(decision?.type === "TurnRequested");
  assert.deepEqual([decision.data.messages, decision.data.prompt, decision.data.replyTo], [[], "water", replyTo]);
});

void test("an event that cannot be read still moves its fence", () => {
  const state = given(received(1, "m1"));
  const entry = { type: "unreadable", seq: 7, subject: "log.turn.web.c.t.wake", storedAtMs: 0 } as const;
  foldEntry(state, { ...entry, code: "BUS_EVENT_UNREADABLE", message: "" }, "turn");
  assert.equal(opened(decide(state)).expected, 7);
});
