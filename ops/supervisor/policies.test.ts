// The pure rules of the supervisor: back-off, intake, floods, the shape of log lines.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { effectiveMaxBytes, PAUSE_FREE_BYTES } from "./checks.ts";
import { FLOOD_BYTES, quietChannel, watchFlood, type FloodState } from "./flood-watch.ts";
import { intakeReason } from "./intake-guard.ts";
import { parseBrokerLine, parseChildLine, toJson, toText } from "./log-lines.ts";
import { failuresAfter, HEALTHY_AFTER_MS, restartDelayMs } from "./restart-policy.ts";

const GIB = 1024 ** 3;

void describe("restarts", () => {
  void it("are at once, then wait 0.25 s doubling to 10 s", () => {
    assert.deepEqual([0, 1, 2, 3, 6, 7, 40].map(restartDelayMs), [0, 250, 500, 1000, 8000, 10_000, 10_000]);
  });

  void it("are counted anew after a time of health only", () => {
    assert.equal(failuresAfter(4, HEALTHY_AFTER_MS), 0);
    assert.equal(failuresAfter(4, HEALTHY_AFTER_MS - 1), 4);
    assert.equal(failuresAfter(4, undefined), 4);
  });
});

void describe("the intake guard", () => {
  const room = { logBytes: 0, maxBytes: 1000, freeBytes: GIB };
  void it("pauses at 80 % of the log and goes on below 75 %", () => {
    assert.equal(intakeReason({ ...room, logBytes: 799 }, false), undefined);
    assert.match(intakeReason({ ...room, logBytes: 800 }, false) ?? "", /80 %/);
    assert.notEqual(intakeReason({ ...room, logBytes: 760 }, true), undefined);
    assert.equal(intakeReason({ ...room, logBytes: 749 }, true), undefined);
  });

  void it("pauses when the disk is nearly full", () => {
    assert.match(intakeReason({ ...room, freeBytes: PAUSE_FREE_BYTES - 1 }, false) ?? "", /MiB free/);
    assert.equal(intakeReason({ ...room, freeBytes: PAUSE_FREE_BYTES }, false), undefined);
  });

  void it("never promises the log more than the disk holds, and does not change its limit by the byte", () => {
    assert.equal(effectiveMaxBytes(8 * GIB, 100 * GIB, 0), 8 * GIB);
    const small = effectiveMaxBytes(8 * GIB, 2 * GIB + 1_000_000, 0);
    assert.ok(small <= 2 * GIB - PAUSE_FREE_BYTES);
    assert.equal(effectiveMaxBytes(8 * GIB, 2 * GIB + 500_000, 400_000), small);
  });
});

void describe("the flood watch", () => {
  const feed = (bytesPerSecond: number, seconds: number): { closedAtS?: number; state: FloodState } => {
    let state = quietChannel;
    for (let second = 0; second <= seconds; second += 2) {
      const { state: next, verdict } = watchFlood(state, second * bytesPerSecond, second * 1000);
      state = next;
      if (verdict.type === "close") return { closedAtS: second, state };
    }
    return { state };
  };

  void it("closes a channel that goes on above the bound and none that stays below it for ever", () => {
    assert.notEqual(feed((FLOOD_BYTES / 10) * 1.5, 60).closedAtS, undefined);
    assert.equal(feed((FLOOD_BYTES / 10) * 0.9, 600).closedAtS, undefined);
  });

  void it("opens it after a penalty that doubles, and survives a counter that begins anew", () => {
    const first = feed(FLOOD_BYTES, 60).state;
    const untilMs = first.closedUntilMs ?? 0;
    assert.equal(watchFlood(first, 0, untilMs - 1).verdict.type, "fine");
    const opened = watchFlood(first, 5 * FLOOD_BYTES, untilMs);
    assert.equal(opened.verdict.type, "open");
    assert.equal(watchFlood(opened.state, 0, untilMs + 2000).verdict.type, "fine");
    const again = watchFlood(opened.state, 7 * FLOOD_BYTES, untilMs + 2000);
    assert.equal(again.verdict.type, "close");
    const penalties = [first, again.state].map(
      ({ closedUntilMs = 0 }, index) => closedUntilMs - (index === 0 ? 4000 : untilMs + 2000),
    );
    assert.ok((penalties[1] ?? 0) >= 1.5 * (penalties[0] ?? 0));
  });
});

void describe("the combined log", () => {
  void it("reads a child's JSON, a stack trace and the broker's lines", () => {
    const line = parseChildLine(
      "router",
      '{"level":40,"time":"2026-01-01T10:00:00.000Z","msg":"slow","pid":1,"ms":9}',
      false,
      0,
    );
    assert.deepEqual(
      [line.level, line.message, line.fields, line.timeMs],
      ["warn", "slow", { ms: 9 }, Date.UTC(2026, 0, 1, 10)],
    );
    assert.equal(parseChildLine("router", "Error: x", true, 5).level, "warn");
    assert.equal(parseBrokerLine("broker", "[12] [ERR] write error", 0).level, "error");
    assert.equal(parseBrokerLine("broker", "[12] [INF] Server is ready", 0).level, "debug");
  });

  void it("fits the terminal's width and cannot be recoloured by what it shows", () => {
    const line = {
      timeMs: 0,
      process: "agent-runner-1",
      level: "warn",
      message: `\u001b[2J${"word ".repeat(60)}`,
      fields: {},
    } as const;
    const text = toText(line, { colours: false, columns: 80 });
    assert.ok(text.split("\n").every((part) => part.length <= 80));
    assert.ok(!text.includes("\u001b"));
    assert.equal((JSON.parse(toJson(line)) as { process: string }).process, "agent-runner-1");
  });
});
