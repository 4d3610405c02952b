import assert from "node:assert/strict";
import { it } from "node:test";
import { flooders } from "./traffic.ts";

const quiet = { account: "A", messages: 10, bytes: 1000 };

it("names who sent too many messages or bytes since the last reading, and nobody else", () => {
  const many = { account: "B", messages: 10_000, bytes: 20_000 };
  const heavy = { account: "C", messages: 100, bytes: 100 * 1_048_576 };
  assert.deepEqual(flooders([], [quiet, many, heavy], 1000), ["B", "C"]);
  assert.deepEqual(flooders([quiet, many, heavy], [quiet, many, heavy], 1000), []);
  assert.deepEqual(flooders([], [quiet, many, heavy], 10_000), []);
});

it("does not take an account for a flooder whose counters fell with the broker", () => {
  assert.deepEqual(flooders([{ ...quiet, messages: 1_000_000 }], [quiet], 1000), []);
});
