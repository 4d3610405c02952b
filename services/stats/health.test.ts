import assert from "node:assert/strict";
import { test } from "node:test";
import { completed, failed, received, stopped } from "../../test/support/stored-events.ts";
import { countEvent, newCounts } from "./counts.ts";
import { healthOf, isHeartbeat, isSupervisorTable, type Heartbeat, type SupervisorTable } from "./health.ts";

const NOW_MS = 100_000;

function table(more: Partial<SupervisorTable["processes"][number]> = {}): SupervisorTable {
  const one = { name: "router", pid: 7, ready: true, restarts: 1, startedAtMs: NOW_MS - 5_000, core: true };
  return { processes: [{ ...one, ...more }] };
}

function beat(more: Partial<Heartbeat> = {}): ReadonlyMap<string, Heartbeat> {
  const one = { process: "router", pid: 7, rssBytes: 40, eventLoopDelayMs: 2, lag: 3, heardMs: NOW_MS - 1_000 };
  return new Map([["router", { ...one, ...more }]]);
}

test("before the supervisor has spoken nothing is ready, and the reason says so", () => {
  const health = healthOf(undefined, new Map(), "1", NOW_MS);
  assert.deepEqual([health.ready, health.processes.length], [false, 0]);
  assert.match(health.reason ?? "", /supervisor/);
});

test("a process is shown with what its heartbeat says", () => {
  const { ready, processes } = healthOf(table(), beat(), "1", NOW_MS);
  assert.equal(ready, true);
  assert.deepEqual(processes, [
    { name: "router", pid: 7, ready: true, restarts: 1, uptimeMs: 5_000, lag: 3, rssBytes: 40, eventLoopDelayMs: 2 },
  ]);
});

test("a heartbeat of the process before it says nothing of this one", () => {
  const [one] = healthOf(table(), beat({ pid: 6 }), "1", NOW_MS).processes;
  assert.deepEqual([one?.rssBytes, one?.lag], [0, undefined]);
});

test("a core process that is silent or not ready makes the whole not ready, and is named", () => {
  const silent = healthOf(table(), beat({ heardMs: NOW_MS - 60_000 }), "1", NOW_MS);
  assert.deepEqual([silent.ready, silent.reason], [false, "router is not ready: it does not answer"]);
  const starting = healthOf(table({ ready: false, reason: "it starts" }), new Map(), "1", NOW_MS);
  assert.deepEqual([starting.ready, starting.reason], [false, "router is not ready: it starts"]);
});

test("an unlinked channel is not unready", () => {
  assert.equal(healthOf(table({ name: "telegram", core: false, ready: false }), new Map(), "1", NOW_MS).ready, true);
});

test("foreign words on the stats subjects are no heartbeat and no table", () => {
  for (const word of [undefined, null, 1, "x", [], {}, { process: "router" }, { processes: 1 }]) {
    assert.equal(isHeartbeat(word), false);
    assert.equal(isSupervisorTable(word), false);
  }
});

test("usage counts messages, ends and tokens", () => {
  const counts = newCounts();
  for (const event of [received(1, "m1"), completed(2, "t", ["m1"]), failed(3, "u", []), stopped(4, "v", [])])
    countEvent(counts, event);
  assert.deepEqual(counts, { messages: 1, completed: 1, failed: 1, cancelled: 1, inputTokens: 3, outputTokens: 2 });
});
