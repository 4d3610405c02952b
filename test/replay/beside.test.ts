import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplayDifference } from "../../ops/replay/replay.ts";
import { sortOut, type Accepted } from "./beside.ts";

const found: ReplayDifference = {
  seq: 7,
  kind: "changed",
  type: "TurnFailed",
  source: "agent-runner",
  path: "data.text",
  recorded: "then",
  computed: "now",
  changed: [],
};
const meant: Accepted = { since: "0.2.0", why: "words", kind: "changed", type: "TurnFailed", path: "data.text" };

test("a difference that is meant passes, any other does not", () => {
  assert.deepEqual(sortOut([found], [meant]), { unmeant: [], stale: [] });
  for (const other of [{ kind: "extra" }, { type: "TurnCompleted" }, { path: "data.code" }] as const) {
    const one = { ...found, ...other };
    assert.deepEqual(sortOut([found, one], [meant]).unmeant, [one]);
  }
});

test("what is accepted and never found is stale", () => {
  const stale = { ...meant, path: "data.code" };
  assert.deepEqual(sortOut([found], [meant, stale]).stale, [stale]);
});
