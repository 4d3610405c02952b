import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredEvent } from "../../bus/event.ts";
import { readFixtures } from "../../bus/testing/fixtures.ts";
import { makeEvent } from "../../bus/event.ts";
import {
  completed,
  failed,
  received,
  requested,
  stepDone,
  stopped,
  toolDone,
} from "../../test/support/stored-events.ts";
import { lineOf } from "./lines.ts";

test("every event of every schema has one short line without a break", () => {
  for (const { type, subject, data } of readFixtures()) {
    const made = makeEvent(type, "id", { source: "test", nowMs: 0 }, data);
    const line = lineOf({ ...made, seq: 1, subject, storedAtMs: 0 } as unknown as StoredEvent);
    assert.ok(line.length > 0 && line.length < 300, `${type}: ${line}`);
    assert.doesNotMatch(line, /\n|undefined|\[object|NaN/, type);
  }
});

test("a line says who, what and how it ended", () => {
  assert.equal(lineOf(received(1, "m1", { from: { id: "u", name: "Ada", owner: true } })), "Ada: text of m1");
  assert.equal(lineOf(requested(1, "t", [["m1", 1]])), "turn for 1 message, attempt 1");
  assert.equal(
    lineOf(
      requested(1, "t", [
        ["a", 1],
        ["b", 2],
      ]),
    ),
    "turn for 2 messages, attempt 1",
  );
  assert.equal(lineOf(stepDone(1, "t", 0, ["echo", "time"])), "step 0: calls echo, time (2 ms)");
  assert.equal(lineOf(toolDone(1, "t", "s0c0", "error")), "tool: error: s0c0 done (1 ms)");
  assert.equal(lineOf(completed(1, "t", ["m1"])), "answer: the answer");
  assert.equal(lineOf(failed(1, "t", ["m1"])), "failed: MODEL_AUTH: it failed");
  assert.equal(lineOf(stopped(1, "t", ["m1"])), "stopped by the user");
});

test("long and broken text is cut to one line", () => {
  const line = lineOf(received(1, "m1", { text: `a\n\n b ${"x".repeat(1_000)}` }));
  assert.match(line, /^owner: a b x+…$/);
  assert.ok(line.length < 200);
});

test("what cannot be read says so", () => {
  const entry = { type: "unreadable", seq: 1, subject: "log.x", storedAtMs: 0, code: "BUS_EVENT_UNREADABLE" } as const;
  assert.equal(lineOf({ ...entry, message: "no schema" }), "cannot be read: no schema");
});
