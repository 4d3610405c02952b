import assert from "node:assert/strict";
import { test } from "node:test";
import { createSeededRandom, createVirtualClock } from "./virtual-clock.ts";

const START_MS = Date.UTC(2026, 0, 1);
const YEAR_MS = 365 * 86_400_000;

test("sleeps end in the order of time, then of insertion", async () => {
  const clock = createVirtualClock(START_MS);
  const order: string[] = [];
  const after = async (name: string, ms: number): Promise<void> => {
    await clock.sleep(ms);
    order.push(`${name}@${clock.nowMs() - START_MS}`);
  };
  const all = Promise.all([after("c", 20), after("a", 10), after("d", 20), after("b", 10.5)]);
  await clock.run(START_MS + 50);
  await all;
  assert.deepEqual(order, ["a@10", "b@10", "c@20", "d@20"]);
  assert.equal(clock.nowMs(), START_MS + 50);
});

test("time does not move while microtasks or immediates are left", async () => {
  const clock = createVirtualClock(START_MS);
  const seen: string[] = [];
  void clock.sleep(1).then(() => seen.push("sleep"));
  const chain = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 500; turn++) await Promise.resolve();
    seen.push(`chain at ${clock.nowMs() - START_MS}`);
  };
  void chain();
  await clock.run(START_MS + 10);
  assert.deepEqual(seen, ["chain at 0", "sleep"]);
});

test("time stands still while work is held", async () => {
  const clock = createVirtualClock(START_MS);
  const seen: string[] = [];
  void clock.sleep(1).then(() => seen.push("sleep"));
  void clock.hold(new Promise((resolve) => setTimeout(resolve, 20))).then(() => seen.push("held"));
  await clock.run(START_MS + 10);
  assert.deepEqual(seen, ["held", "sleep"]);
});

test("an aborted sleep ends at once and leaves nothing behind", async () => {
  const clock = createVirtualClock(START_MS);
  const stop = new AbortController();
  const slept = clock.sleep(1000, stop.signal);
  assert.equal(clock.sleeping, 1);
  stop.abort();
  await slept;
  assert.equal(clock.sleeping, 0);
  await clock.sleep(1000, stop.signal);
  assert.equal(clock.nowMs(), START_MS);
});

test("a promise that nothing can settle any more is an error, not a hanging test", async () => {
  const clock = createVirtualClock(START_MS);
  await assert.rejects(clock.settle(new Promise(() => undefined)), /nothing sleeps/);
  void clock.sleep(100);
  await assert.rejects(clock.settle(new Promise(() => undefined), 50), /still open after 50 ms/);
  assert.equal(await clock.settle(clock.sleep(200).then(() => "done")), "done");
});

test("a killed process sleeps for ever", async () => {
  const clock = createVirtualClock(START_MS);
  const [victim, other] = [clock.attach(), clock.attach()];
  const seen: string[] = [];
  void victim.sleep(10).then(() => seen.push("victim"));
  void other.sleep(10).then(() => seen.push("other"));
  victim.kill();
  void victim.sleep(1).then(() => seen.push("later"));
  await clock.run(START_MS + 100);
  assert.deepEqual(seen, ["other"]);
});

test("ten years of a timer that ticks every hour are played without waiting", async () => {
  const clock = createVirtualClock(START_MS);
  let ticks = 0;
  void (async () => {
    for (;;) {
      await clock.sleep(3_600_000);
      ticks++;
    }
  })();
  await clock.run(START_MS + 10 * YEAR_MS);
  assert.equal(ticks, 87_600);
});

test("one seed gives one sequence, another seed another, and forks do not disturb it", () => {
  const draw = (seed: number, fork: boolean): number[] => {
    const random = createSeededRandom(seed);
    return Array.from({ length: 100 }, () => {
      if (fork) random.fork("side").fraction();
      return random.below(1_000_000);
    });
  };
  assert.deepEqual(draw(7, false), draw(7, true));
  assert.notDeepEqual(draw(7, false), draw(8, false));
  assert.match(createSeededRandom(1).token(22), /^[A-Za-z0-9_-]{22}$/);
});

test("drawn numbers fill the range evenly", () => {
  const random = createSeededRandom("even");
  const counts = Array.from({ length: 10 }, () => 0);
  for (let index = 0; index < 100_000; index++) counts[random.below(10)]!++;
  for (const count of counts) assert.ok(count > 9_500 && count < 10_500, counts.join(" "));
});
