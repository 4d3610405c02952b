import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom, createVirtualClock } from "../test/support/virtual-clock.ts";
import { hasCode } from "./errors.ts";
import { createMemoryLive } from "./memory-live.ts";

const START_MS = Date.UTC(2026, 0, 1);

test("without a Random every latency is the same and nothing is lost", async () => {
  const clock = createVirtualClock(START_MS);
  const live = createMemoryLive({ clock });
  const heard: unknown[] = [];
  live.subscribe("live.>", (data) => heard.push(data));
  for (let index = 0; index < 10; index++) live.publish("live.x", index);
  await clock.run(START_MS + 100);
  assert.deepEqual(heard, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("with a drop rate some messages are lost, the others stay in order", async () => {
  const clock = createVirtualClock(START_MS);
  const live = createMemoryLive({ clock, random: createSeededRandom(1) });
  live.faults.setDropRate(0.3);
  const heard: number[] = [];
  live.subscribe("live.>", (data) => heard.push(data as number));
  for (let index = 0; index < 100; index++) live.publish("live.x", index);
  await clock.run(START_MS + 1_000);
  assert.ok(heard.length > 40 && heard.length < 95);
  assert.deepEqual(
    heard,
    heard.toSorted((a, b) => a - b),
  );
});

test("while the broker is down publishes vanish and requests end in their time-out", async () => {
  const clock = createVirtualClock(START_MS);
  const live = createMemoryLive({ clock });
  const heard: unknown[] = [];
  live.subscribe("live.>", (data) => heard.push(data));
  live.serve("query.a.b", async () => 1);
  live.faults.stop();
  live.publish("live.x", "lost");
  await assert.rejects(clock.settle(live.request("query.a.b", {}, 500)), (error) =>
    hasCode(error, "BUS_REQUEST_TIMEOUT"),
  );
  live.faults.start();
  live.publish("live.x", "heard");
  assert.equal(await clock.settle(live.request("query.a.b", {}, 500)), 1);
  assert.deepEqual(heard, ["heard"]);
});

test("a killed process neither hears nor answers, and its requests never settle", async () => {
  const clock = createVirtualClock(START_MS);
  const live = createMemoryLive({ clock });
  const victim = live.attach();
  const heard: unknown[] = [];
  victim.subscribe("live.>", (data) => heard.push(data));
  victim.serve("query.a.b", async () => 1);
  live.serve("query.c.d", async () => 1);
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  victim.request("query.c.d", {}, 100).then(settle, settle);
  live.publish("live.x", 1);
  victim.kill();
  victim.request("query.c.d", {}, 100).then(settle, settle);
  await clock.run(START_MS + 10_000);
  assert.ok(!settled);
  assert.deepEqual(heard, []);
  await assert.rejects(clock.settle(live.request("query.a.b", {}, 500)), (error) => hasCode(error, "BUS_UNAVAILABLE"));
});
