// The controls of the kill tests: what they look for is found when it is there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeEvent, type StoredEvent } from "../../bus/event.ts";
import type { DataOf, MessageType } from "../../schemas/index.ts";
import { answerTo, assertOrder } from "./one-answer.ts";

const place = { channel: "web", chat: "c", turn: "t" };
let seq = 0;

function stored<T extends MessageType>(type: T, data: Partial<DataOf[T]>): StoredEvent {
  const event = makeEvent(type, `${++seq}`, { source: "test", nowMs: seq }, { ...place, ...data } as DataOf[T]);
  return { ...event, seq, subject: "log.turn.web.c.t.run.step", storedAtMs: seq } as unknown as StoredEvent;
}

const claim = (epoch: number): StoredEvent => stored("TurnClaimed", { epoch });
const step = (epoch: number, number: number): StoredEvent => stored("ModelStepCompleted", { epoch, step: number });
const end = (epoch: number): StoredEvent =>
  stored("TurnCompleted", {
    epoch,
    answers: ["m"],
    text: "hi",
    lastStep: { step: 1 } as DataOf["TurnCompleted"]["lastStep"],
  });

test("a turn that was taken over and answered once is in order", () => {
  const events = [claim(1), step(1, 0), claim(2), end(2)];
  assertOrder(events);
  assert.equal(answerTo(events, "c", "m"), "hi");
});

test("a second answer is noticed", () => {
  const events = [claim(1), end(1), end(1)];
  assert.throws(() => assertOrder(events), /twice/);
  assert.throws(() => answerTo(events, "c", "m"), /not 2/);
});

test("a missing answer is noticed", () => {
  assert.throws(() => answerTo([claim(1), step(1, 0)], "c", "m"), /not 0/);
});

test("a step that ran twice is noticed", () => {
  assert.throws(() => assertOrder([claim(1), step(1, 0), claim(2), step(2, 0)]), /twice: step/);
});

test("a tool's result that came twice is noticed", () => {
  const result = (): StoredEvent => stored("ToolCompleted", { epoch: 1, callId: "s0c0" });
  assert.throws(() => assertOrder([claim(1), result(), result()]), /twice: result/);
});

test("a word of a runner that lost the turn is noticed", () => {
  assert.throws(() => assertOrder([claim(1), claim(2), step(1, 0)]), /epoch that holds/);
});

test("two claims of one epoch are noticed", () => {
  assert.throws(() => assertOrder([claim(1), claim(1)]), /count up/);
});
