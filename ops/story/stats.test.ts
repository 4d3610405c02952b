import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogEntry } from "../../bus/event.ts";
import { simulate } from "../../test/sim/simulation.ts";
import { createSeededRandom } from "../../test/support/virtual-clock.ts";
import {
  claimed,
  completed,
  NOW_MS,
  parked,
  received,
  requested,
  stepFailed,
  stored,
} from "../../test/support/stored-events.ts";
import { costText, dollarsOf, dollarsText, nothingSpent, spend } from "./cost.ts";
import { TimeSketch, TopNames } from "./sketches.ts";
import { newStats, type LogStats } from "./stats.ts";
import { statsText } from "./stats-text.ts";
import { widthOf } from "./text.ts";

function statsOf(entries: readonly LogEntry[], prices = {}): LogStats {
  const fold = newStats(prices);
  for (const entry of entries) fold.add(entry);
  return fold.result();
}

void describe("the figures of a log", () => {
  void it("agree with a count by other code over simulated logs, in 80 columns", async () => {
    for (const seed of [5, 12, 21]) {
      const { facts } = await simulate(seed);
      const stats = statsOf(facts.entries);
      const turns = [...facts.turns.values()];
      assert.equal(stats.events, facts.entries.length);
      assert.equal(
        stats.types.reduce((sum, { count }) => sum + count, 0),
        stats.events,
      );
      assert.equal(stats.turns.requested, turns.length);
      const ended = (type: string): number => turns.filter(({ ends }) => ends[0]?.type === type).length;
      assert.equal(stats.turns.completed, ended("TurnCompleted"));
      assert.equal(stats.turns.failed, ended("TurnFailed"));
      assert.equal(stats.turns.cancelled, ended("TurnCancelled"));
      assert.equal(stats.turns.open, turns.filter(({ ends }) => ends.length === 0).length);
      const times = turns
        .flatMap(({ request, ends }) => {
          const seqs = new Set([request.data.trigger.seq, ...request.data.messages.map(({ seq }) => seq)]);
          const first = facts.entries.find((entry) => seqs.has(entry.seq));
          const startMs = request.data.attempt > 1 ? request.storedAtMs : (first?.storedAtMs ?? 0);
          return ends.map((end) => end.storedAtMs - startMs);
        })
        .toSorted((x, y) => x - y);
      const p50 = times[Math.ceil(times.length / 2) - 1] ?? 0;
      assert.ok(Math.abs((stats.turns.timeToEndMs.p50 ?? 0) - p50) <= p50 * 0.011 + 1, `${seed}: ${p50}`);
      assert.equal(stats.turns.timeToEndMs.max, times.at(-1));
      const wide = statsText(stats)
        .split("\n")
        .filter((line) => widthOf(line) > 80);
      assert.deepEqual(wide, []);
    }
  });

  void it("count dead letters, unreadable events, failed calls and takeovers, not a turn that rested", () => {
    const letter = { process: "router", seq: 3, subject: "s", code: "HANDLER_FAILED", message: "no" };
    const unreadable: LogEntry = {
      type: "unreadable",
      seq: 8,
      subject: "log.in.web.c.a.0",
      storedAtMs: NOW_MS,
      code: "BUS_EVENT_UNREADABLE",
      message: "no schema",
    };
    const stats = statsOf([
      received(1, "a"),
      requested(2, "t", [["a", 1]]),
      claimed(3, "t", 1),
      stepFailed(4, "t", 1),
      claimed(5, "t", 2),
      parked(6, "t"),
      claimed(7, "t", 3),
      unreadable,
      stored("DeadLettered", 9, letter),
    ]);
    assert.deepEqual(
      [stats.deadLetters, stats.unreadable, stats.failedModelCalls, stats.turns.takeovers, stats.turns.open],
      [1, 1, 1, 1, 1],
    );
    assert.deepEqual(stats.chats.top, [{ name: "web/c", count: 8 }]);
    const text = statsText(stats);
    assert.match(text, /1 dead letter, 1 unreadable event/);
    assert.match(text, /1 call failed, of unknown cost/);
  });

  void it("measure from the message, also of a turn that waited for another, and skip what began before the stretch", () => {
    const slow = { ...received(1, "a"), storedAtMs: NOW_MS };
    const ask = { ...requested(2, "t", [["a", 1]]), storedAtMs: NOW_MS + 9_000 };
    const end = { ...completed(3, "t", ["a"]), storedAtMs: NOW_MS + 10_000 };
    assert.equal(statsOf([slow, ask, end]).turns.timeToEndMs.max, 10_000);
    assert.equal(statsOf([ask, end]).turns.timeToEndMs.max, 1_000);
    const cutOff = statsOf([end]).turns;
    assert.deepEqual([cutOff.completed, cutOff.open, cutOff.timeToEndMs.count], [1, 0, 0]);
  });

  void it("say so when there is nothing", () => {
    assert.equal(statsText(statsOf([])), "no events");
  });

  void it("stay small over many chats, open turns and waiting messages, and say how far counts are off", () => {
    const fold = newStats({});
    const before = process.memoryUsage().heapUsed;
    const message = received(1, "a");
    const request = requested(1, "t", []);
    for (let seq = 1; seq <= 120_000; seq++) {
      const chat = `c${seq}`;
      const mine = seq % 4 === 0 ? "busy" : chat;
      fold.add({ ...message, seq, data: { ...message.data, chat: mine } });
      fold.add({ ...request, seq, data: { ...request.data, turn: `t${seq}`, chat: mine } });
    }
    const stats = fold.result();
    assert.equal(stats.turns.open, 120_000);
    assert.equal(stats.chats.top[0]?.name, "web/busy");
    const { countsTooLowBy } = stats.chats;
    assert.ok(countsTooLowBy > 0 && countsTooLowBy <= 240_000 / 10_000, `${countsTooLowBy}`);
    assert.ok((stats.chats.top[0]?.count ?? 0) + countsTooLowBy >= 60_000);
    assert.match(statsText(stats), /counts of chats may be up to/);
    // Loose: garbage is counted too. Without the bounds the maps alone hold 300,000 entries.
    assert.ok(process.memoryUsage().heapUsed - before < 150 * 1_048_576);
  });
});

void describe("percentiles from buckets", () => {
  void it("are within 1 % of the exact ones over six orders of magnitude", () => {
    const random = createSeededRandom("times");
    const sketch = new TimeSketch();
    const times = Array.from({ length: 20_000 }, () => Math.round(10 ** (random.fraction() * 6)));
    for (const ms of times) sketch.add(ms);
    const sorted = times.toSorted((a, b) => a - b);
    for (const share of [0.01, 0.5, 0.95, 0.99, 1]) {
      const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
      const got = sketch.percentile(share) ?? -1;
      assert.ok(Math.abs(got - exact) <= exact * 0.0101, `${share}: ${got} for ${exact}`);
    }
  });

  void it("take a clock that went back as no time, and any time at all", () => {
    const sketch = new TimeSketch();
    assert.equal(sketch.percentile(0.5), undefined);
    for (const ms of [-5, 0, 1e15]) sketch.add(ms);
    assert.equal(sketch.percentile(0.5), 0);
    assert.equal(sketch.maxMs, 1e15);
  });
});

void describe("the most frequent names", () => {
  void it("are exact while they fit and never too low by more than told", () => {
    const random = createSeededRandom("names");
    const exact = new Map<string, number>();
    const names = new TopNames(50);
    for (let index = 0; index < 20_000; index++) {
      const name = random.chance(0.3) ? `often${random.below(5)}` : `rare${random.below(5_000)}`;
      exact.set(name, (exact.get(name) ?? 0) + 1);
      names.add(name);
    }
    assert.ok(names.size <= 50);
    for (const { name, count } of names.top(5)) {
      assert.match(name, /^often/);
      const real = exact.get(name) ?? 0;
      assert.ok(count <= real && count + names.missing >= real, `${name}: ${count} of ${real}`);
    }
    const few = new TopNames(50);
    for (const name of ["a", "b", "a"]) few.add(name);
    assert.deepEqual([few.missing, few.top(1)], [0, [{ name: "a", count: 2 }]]);
  });
});

void describe("costs", () => {
  const usage = { inputTokens: 1_000, outputTokens: 500, cachedInputTokens: 400, reasoningTokens: 100 };

  void it("take cached input at its own price, reasoning as output, and the demo model as free", () => {
    const prices = { "x:a": { input: 3, output: 15, cachedInput: 0.3 }, "x:b": { input: 3, output: 15 } };
    assert.ok(Math.abs((dollarsOf("x:a", usage, prices) ?? 0) - (600 * 3 + 400 * 0.3 + 500 * 15) / 1e6) < 1e-12);
    assert.ok(Math.abs((dollarsOf("x:b", usage, prices) ?? 0) - (1_000 * 3 + 500 * 15) / 1e6) < 1e-12);
    assert.equal(dollarsOf("x:c", usage, prices), undefined);
    assert.equal(dollarsOf("toString", usage, prices), undefined);
    assert.equal(dollarsOf("demo:slow", usage, {}), 0);
  });

  void it("are said quietly when they are not known", () => {
    const spent = nothingSpent();
    spend(spent, "x:c", usage, {});
    assert.equal(costText(spent), "cost not known");
    spend(spent, "x:a", usage, { "x:a": { input: 3, output: 15 } });
    assert.equal(costText(spent), "cost $0.01, not known of 1 of 2 steps");
    assert.deepEqual([0.5, 0.0123, 0.00042, 0.0000012, 0].map(dollarsText), [
      "$0.50",
      "$0.01",
      "$0.00042",
      "$0.000001",
      "$0",
    ]);
  });
});
