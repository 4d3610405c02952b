import assert from "node:assert/strict";
import { test } from "node:test";
import { upcast } from "./index.ts";

const steps = {
  "MessageReceived:1": (data: unknown) => ({ ...(data as object), second: true }),
  "MessageReceived:2": (data: unknown) => ({ ...(data as object), third: true }),
};

void test("an old event is lifted step by step to the newest version", () => {
  const data = { text: "a" };
  assert.deepEqual(upcast("MessageReceived", 1, data, steps, 3), {
    version: 3,
    data: { text: "a", second: true, third: true },
  });
  assert.deepEqual(data, { text: "a" }, "what was read stays as it is");
});

void test("one of the newest version, or of a newer one, is left alone", () => {
  assert.deepEqual(upcast("MessageReceived", 3, { text: "a" }, steps, 3), { version: 3, data: { text: "a" } });
  assert.deepEqual(upcast("MessageReceived", 4, { text: "a" }, steps, 3), { version: 4, data: { text: "a" } });
});

void test("where a step is missing the version says so", () => {
  assert.equal(upcast("MessageReceived", 1, {}, { "MessageReceived:2": steps["MessageReceived:2"] }, 3).version, 1);
});
