import assert from "node:assert/strict";
import { test } from "node:test";
import type { HealthView, ProcessView } from "../../schemas/views.ts";
import { argumentLine, plainLine, retryWords } from "../words/turn.ts";
import { spanWords, timeWords } from "../words/time.ts";
import { delayMs } from "./back-off.ts";
import { connectionWords, healthWords } from "./connection.ts";
import { readRoute, readToken, writeRoute } from "./route.ts";

test("the delay grows from 0.25 s to 5 s and no further", () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 50].map((attempt) => delayMs(attempt)),
    [250, 500, 1000, 2000, 4000, 5000, 5000],
  );
  assert.ok(delayMs(1, 1) < delayMs(1, 0));
});

test("the connection is told in words", () => {
  assert.equal(connectionWords({ state: "live" }, 0), "Live");
  assert.equal(connectionWords({ state: "lost", retryAtMs: 2000 }, 500), "Lost, trying again in 2 s");
  assert.equal(connectionWords({ state: "lost", retryAtMs: 2000 }, 3000), "Lost, trying again");
});

test("a process that is not ready is named with its reason", () => {
  const process = (name: string, ready: boolean): ProcessView => ({
    name,
    pid: 1,
    ready,
    restarts: 0,
    uptimeMs: 0,
    rssBytes: 0,
    eventLoopDelayMs: 0,
    ...(ready ? {} : { reason: "starting" }),
  });
  const health: HealthView = {
    ready: false,
    version: "1",
    processes: [process("web", true), process("router", false)],
  };
  assert.deepEqual(healthWords(health), { text: "router not ready: starting", attention: true });
  assert.equal(healthWords({ ...health, ready: true, processes: [process("web", true)] }).text, "1 process ready");
});

test("an address is read as it was written", () => {
  for (const route of [
    { place: "chat" as const, chat: "a b/ü?#" },
    { place: "log" as const, chat: "x", event: 12, of: "t:1", show: "m:2" },
    { place: "log" as const },
  ])
    assert.deepEqual(readRoute(writeRoute(route)), route);
  assert.deepEqual(readRoute("#/chat/%E0%A4%A?event=-1"), { place: "chat", chat: "%E0%A4%A" });
});

test("a token is found in a link, a fragment, or alone", () => {
  assert.equal(readToken("http://127.0.0.1:7420/#enter=abc_DEF-12"), "abc_DEF-12");
  assert.equal(readToken("  abcdefgh12 "), "abcdefgh12");
  assert.equal(readToken("hello there"), undefined);
});

test("a retry is told with its code, wait and attempt", () => {
  assert.equal(
    retryWords({ type: "retry", attempt: 2, code: "MODEL_RATE_LIMITED", message: "", retryAfterMs: 4000 }),
    "Attempt 2 failed (MODEL_RATE_LIMITED). It asks for a wait of 4 s.",
  );
});

test("times are relative up to an hour, spans have units", () => {
  const now = Date.parse("2026-03-12T12:00:00Z");
  assert.equal(timeWords("2026-03-12T11:58:00Z", now), "2 min ago");
  assert.equal(timeWords("2026-03-12T12:00:05Z", now), "now");
  assert.deepEqual([180, 4000, 65_000].map(spanWords), ["180 ms", "4 s", "1 min 5 s"]);
});

test("arguments and last lines are short and plain", () => {
  assert.equal(argumentLine({ zone: "UTC" }), "UTC");
  assert.equal(argumentLine({ a: 1, b: "x" }), "a: 1, b: x");
  assert.ok(argumentLine({ a: "x".repeat(5000) }).length < 300);
  assert.equal(plainLine("## **Yes**, `ok`\n\nmore"), "Yes, ok more");
});
