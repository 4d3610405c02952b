import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredEvent } from "../../bus/event.ts";
import {
  cancelAsked,
  claimed,
  completed,
  parked,
  requested,
  stepDone,
  stepFailed,
  toolCalled,
  toolDone,
} from "../../test/support/stored-events.ts";
import { nextStep, retryDelayMs, type NextStep } from "./decide.ts";
import { foldTurn, newJournal } from "./journal.ts";

const LIMITS = { maxSteps: 3, maxAttempts: 3 };

function next(...events: StoredEvent[]): NextStep {
  const journal = newJournal(requested(1, "t", [["m1", 1]]));
  for (const event of [claimed(2, "t", 1), ...events]) foldTurn(journal, event);
  return nextStep(journal, LIMITS);
}

test("a claimed turn asks its model, and again after a failure, up to the limit", () => {
  assert.deepEqual(next(), { type: "ask-model", step: 0, attempt: 1 });
  assert.deepEqual(next(stepFailed(3, "t", 1)), { type: "ask-model", step: 0, attempt: 2 });
  const third = next(stepFailed(3, "t", 1), stepFailed(4, "t", 2), stepFailed(5, "t", 3));
  assert.deepEqual(third, { type: "fail", code: "MODEL_TIMEOUT", detail: "it is silent" });
});

test("a failure that no repeat can mend fails the turn at once", () => {
  assert.equal(next(stepFailed(3, "t", 1, { code: "MODEL_AUTH", retryable: false })).type, "fail");
});

test("the calls of a step run one after the other, then the model is asked", () => {
  const step = stepDone(3, "t", 0, ["echo", "time"]);
  const first = next(step);
  assert.equal(first.type === "call-tool" && first.call.callId, "s0c0");
  const second = next(step, toolCalled(4, "t", "s0c0", "pure"), toolDone(5, "t", "s0c0", "error"));
  assert.equal(second.type === "call-tool" && second.call.callId, "s0c1");
  const both = [toolCalled(6, "t", "s0c1", "pure"), toolDone(7, "t", "s0c1")];
  assert.deepEqual(next(step, toolCalled(4, "t", "s0c0", "pure"), toolDone(5, "t", "s0c0"), ...both), {
    type: "ask-model",
    step: 1,
    attempt: 1,
  });
});

test("a tool that was started and has no result runs again, unless it may have had an effect that counts", () => {
  const step = stepDone(3, "t", 0, ["pay"]);
  for (const effect of ["pure", "idempotent"] as const)
    assert.equal(next(step, toolCalled(4, "t", "s0c0", effect)).type, "rerun-tool");
  assert.equal(next(step, toolCalled(4, "t", "s0c0", "at-most-once")).type, "settle-tool");
});

test("a cancel goes before everything but the end, also before a park", () => {
  assert.equal(next(stepDone(3, "t", 0, ["pay"]), cancelAsked(4, "t")).type, "cancel");
  assert.equal(next(parked(3, "t"), cancelAsked(4, "t")).type, "cancel");
  assert.equal(next(cancelAsked(3, "t"), completed(4, "t", ["m1"])).type, "ended");
  assert.equal(next(parked(3, "t")).type, "parked");
});

test("a model that calls tools for ever ends at the limit of steps", () => {
  const steps = [0, 1, 2].flatMap((step) => [
    stepDone(3 + step * 3, "t", step, ["echo"]),
    toolCalled(4 + step * 3, "t", `s${step}c0`, "pure"),
    toolDone(5 + step * 3, "t", `s${step}c0`),
  ]);
  const last = next(...steps);
  assert.equal(last.type === "fail" && last.code, "TURN_TOO_MANY_STEPS");
});

test("retries wait longer each time; the provider's own word wins, within the bound", () => {
  assert.deepEqual(
    [1, 2, 3].map((failures) => retryDelayMs(failures, undefined)),
    [500, 1000, 2000],
  );
  assert.equal(retryDelayMs(30, undefined), 60_000);
  assert.equal(retryDelayMs(1, 7_000), 7_000);
  assert.equal(retryDelayMs(1, 900_000), 60_000);
  assert.equal(retryDelayMs(3, 0), 0);
});
