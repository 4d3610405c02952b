import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualClock, type VirtualClock } from "../../test/support/virtual-clock.ts";
import { runTool, type ToolRunContext, type ToolSettlement } from "./run-tool.ts";
import type { Tool } from "./tools/tool.ts";

const CALL = { callId: "s0c0", name: "look", arguments: { a: 1 } };

function tool(work: Tool["run"]): Tool {
  return { spec: { name: "look", description: "", parameters: {} }, effect: "pure", run: work };
}

function run(one: Tool | undefined, more: Partial<ToolRunContext> = {}, clock = newClock()): Promise<ToolSettlement> {
  const context: ToolRunContext = {
    group: "main",
    callKey: "turn s0c0",
    clock,
    signal: new AbortController().signal,
    startedMs: clock.nowMs(),
    stillMine: () => Promise.resolve(true),
    ...more,
  };
  return clock.settle(runTool(one, CALL, context));
}

function newClock(): VirtualClock {
  return createVirtualClock(Date.UTC(2026, 0, 1));
}

test("a result, an error and a tool that is not there are all told to the model", async () => {
  assert.deepEqual(await run(tool(() => Promise.resolve("seen"))), { outcome: "ok", result: "seen" });
  assert.deepEqual(await run(tool(() => Promise.reject(new Error("no")))), { outcome: "error", result: "no" });
  const throwing = tool(() => {
    throw new Error("at once");
  });
  assert.deepEqual(await run(throwing), { outcome: "error", result: "at once" });
  assert.equal((await run(undefined)).result, 'There is no tool "look".');
});

test("a tool that never ends is given up, and one that is stopped is interrupted", async () => {
  const never = tool(() => new Promise(() => undefined));
  assert.deepEqual(await run(never), { outcome: "error", result: "it took too long" });
  const stop = new AbortController();
  const clock = newClock();
  void clock.sleep(100).then(() => stop.abort());
  assert.equal((await run(never, { signal: stop.signal }, clock)).outcome, "interrupted");
});

test("a long result is cut, with a word that says so", async () => {
  const { result } = await run(tool(() => Promise.resolve("x".repeat(40_000))));
  assert.equal(result, `${"x".repeat(32_768)}\n[cut here]`);
});

test("a process that slept between the order and the tool asks first whether the turn is still its own", async () => {
  const clock = newClock();
  const startedMs = clock.nowMs() - 5_000;
  let ran = false;
  const effect = tool(() => Promise.resolve(String((ran = true))));
  const ended = await run(effect, { startedMs, stillMine: () => Promise.resolve(false) }, clock);
  assert.deepEqual([ended.outcome, ran], ["interrupted", false]);
  const lost = run(effect, { startedMs, stillMine: () => Promise.reject(new Error("lost")) }, clock);
  await assert.rejects(lost, /lost/);
  assert.equal(ran, false);
});
