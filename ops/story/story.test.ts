import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import { simulate } from "../../test/sim/simulation.ts";
import { readerOf } from "../../test/support/entries-reader.ts";
import {
  cancelAsked,
  claimed,
  completed,
  edited,
  NOW_MS,
  parked,
  received,
  requested,
  resumed,
  steered,
  stepDone,
  stepFailed,
  stopped,
  stored,
  toolCalled,
  toolDone,
} from "../../test/support/stored-events.ts";
import { readTurn } from "../source/turn-events.ts";
import { storyText } from "./story-text.ts";
import { tellTurn, type Story } from "./story.ts";
import { widthOf } from "./text.ts";

const priced = { input: 2, output: 10, cachedInput: 1 };
const usage = { inputTokens: 1_000_000, outputTokens: 100_000, cachedInputTokens: 500_000, reasoningTokens: 0 };

/** A completed turn `t` with another end than the demo model's. */
function ending(seq: number, signalsThrough: number, model = "m:priced"): StoredEvent<"TurnCompleted"> {
  const event = completed(seq, "t", ["a", "b"]);
  const lastStep = { ...event.data.lastStep, step: 1, model, usage, signalsThrough };
  return { ...event, data: { ...event.data, lastStep } };
}

function told(entries: readonly LogEntry[], prices = {}): Story {
  return tellTurn("t", entries, prices);
}

void describe("the story of a turn", () => {
  void it("names each message, claim, step, tool and the end, in log order", () => {
    const text = storyText(
      told([
        received(1, "a"),
        requested(2, "t", [["a", 1]]),
        claimed(3, "t", 1),
        stepDone(4, "t", 0, ["tool"]),
        toolCalled(5, "t", "s0c0", "at-most-once"),
        toolDone(6, "t", "s0c0", "error"),
        ending(7, 0),
      ]),
    );
    const lines = text.split("\n").map((line) => line.trim());
    const wanted = [
      "chat c on web, group main",
      "1         0  owner: text of a",
      "2     +1 ms  turn requested for message 1",
      "3     +2 ms  claimed by runner/1, model demo",
      "4     +3 ms    step 0 calls tool",
      "2 ms, first token 1 ms, 3 in, 2 out",
      "5     +4 ms      tool {} (at-most-once)",
      "6     +5 ms      tool -> error, 1 ms: s0c0 done",
      "7     +6 ms    step 1 answers",
      "completed: the answer",
      "took  6 ms; model 4 ms in 2 steps; tools 1 ms in 1 call",
      "tokens  1,000,003 (500,000 cached) in, 100,002 out; cost $0, not known of 1 of 2 steps",
      "events  6",
    ];
    assert.deepEqual(
      wanted.filter((line) => !lines.includes(line)),
      [],
    );
  });

  void it("says which step was the first to read a message that joined, and which no step read", () => {
    const entries = [
      received(1, "a"),
      requested(2, "t", [["a", 1]]),
      claimed(3, "t", 1),
      received(4, "b"),
      steered(5, "t", "b", 4),
      stepDone(6, "t", 0, [], { signalsThrough: 0 }),
      ending(7, 5),
    ];
    const figures = told(entries).rows.map((row) => row.figures ?? "");
    assert.deepEqual(figures.map((text) => /first to read (.*)$/.exec(text)?.[1]).filter(Boolean), ["4"]);
    assert.match(figures.at(-2) ?? "", /first to read 4/, "the step that held the signal, not the one before it");
    const late = told([...entries.slice(0, -1), cancelAsked(7, "t"), stopped(8, "t", ["a", "b"])]);
    assert.equal(late.rows.at(-1)?.figures, "no finished step read message 4");
  });

  void it("counts every finished call's tokens and cost, and says how many calls left none", () => {
    const story = told(
      [
        received(1, "a"),
        requested(2, "t", [["a", 1]]),
        claimed(3, "t", 1),
        stepFailed(4, "t", 1, { partialChars: 7 }),
        claimed(5, "t", 2, "runner/2"),
        stepDone(6, "t", 0, [], { model: "m:priced", usage, attempt: 2 }),
        ending(7, 0),
      ],
      { "m:priced": priced },
    );
    // 500,000 at $2 + 500,000 at $1 + 100,000 at $10, per million and step.
    assert.equal(story.sum.spent.dollars, 5);
    assert.equal(story.sum.spent.inputTokens, 2_000_000);
    assert.equal(story.sum.brokenOffCalls, 2);
    assert.equal(story.sum.takeovers, 1);
    const text = storyText(story);
    assert.match(
      text,
      /step 0 fails: MODEL_TIMEOUT: it is silent\n +1 ms, attempt 1, 7 characters had come, retryable/,
    );
    assert.match(text, /taken over by runner\/2, model demo\n +epoch 2, from runner\/1/);
    assert.match(text, /cost \$5\.00\n +2 broken-off calls left no figures and may have cost more/);
  });

  void it("does not call it a takeover when a turn goes on after it was parked", () => {
    const story = told([
      received(1, "a"),
      requested(2, "t", [["a", 1]]),
      claimed(3, "t", 1),
      stepFailed(4, "t", 1),
      parked(5, "t", new Date(NOW_MS + 60_000).toISOString()),
      resumed(6, "t"),
      claimed(7, "t", 2, "runner/2"),
    ]);
    assert.equal(story.outcome, "open");
    assert.equal(story.sum.takeovers, 0);
    assert.equal(story.sum.brokenOffCalls, 1);
    assert.match(storyText(story), /parked, waits until 2026.*\n.*resumed by its timer\n.*claimed again by runner\/2/);
  });

  void it("tells changes of a message, a stop with what was said, and a turn that has not ended", () => {
    const before = [received(1, "a"), requested(2, "t", [["a", 1]]), claimed(3, "t", 1), edited(4, "a", "better")];
    const open = storyText(told(before));
    assert.match(open, /owner changes message 1: better/);
    assert.match(open, /not ended yet/);
    assert.match(open, /tokens {2}none counted/);
    const ended = storyText(told([...before, cancelAsked(5, "t"), stopped(6, "t", ["a"], "half of it")]));
    assert.match(ended, /stop asked for\n.*cancelled, stopped; so far: half of it/);
  });

  void it("is whole in a pipe and cut to the terminal's width on a terminal, control characters shown as dots", () => {
    const long = `first line\n${"漢字 emoji 🙂 ".repeat(40)}\u001b[31mred`;
    const entries = [received(1, "a", { text: long }), requested(2, "t", [["a", 1]]), ending(3, 0)];
    const piped = storyText(told(entries));
    assert.ok(piped.includes("first line\n                    漢字"), "further lines stand under the first");
    assert.ok(piped.includes("·[31mred"));
    for (const columns of [80, 57]) {
      const lines = storyText(told(entries), columns).split("\n");
      assert.deepEqual(
        lines.filter((line) => widthOf(line) > columns),
        [],
      );
      assert.ok(lines.some((line) => line.includes("owner: first line 漢字") && line.endsWith("…")));
    }
  });

  void it("goes on with what a log lacks: messages and the request of the turn", () => {
    const story = told([claimed(9, "t", 3, "runner/9")]);
    assert.equal(story.chat, "?");
    assert.match(storyText(story), /claimed again by runner\/9|taken over by runner\/9/);
    assert.equal(tellTurn("t", [], {}).rows.length, 0);
  });

  void it("shows what cannot be read and what a process could not handle", () => {
    const unreadable: LogEntry = {
      type: "unreadable",
      seq: 3,
      subject: claimed(3, "t", 1).subject,
      storedAtMs: NOW_MS,
      code: "BUS_EVENT_UNREADABLE",
      message: "no schema",
    };
    const letter = { process: "router", seq: 3, subject: "s", code: "BUS_EVENT_UNREADABLE", message: "no schema" };
    const story = told([requested(2, "t", []), unreadable, stored("DeadLettered", 4, letter)]);
    assert.equal(story.sum.events, 2);
    assert.match(storyText(story), /cannot be read: no schema\n.*router could not handle event 3/);
  });
});

void describe("the stories of simulated logs", () => {
  void it("hold every event of each turn, its model calls, tools and takeovers, within 80 columns", async () => {
    let turns = 0;
    for (const seed of [2, 5, 12, 21, 24]) {
      const { facts } = await simulate(seed);
      const log = readerOf(facts.entries);
      for (const { turn, events, request, ends } of facts.turns.values()) {
        const { entries } = await readTurn(log, turn);
        const story = tellTurn(turn, entries, {});
        turns++;
        const shown = new Set(story.rows.map(({ seq }) => seq));
        assert.deepEqual(
          events.filter(({ seq }) => !shown.has(seq)),
          [],
        );
        for (const ref of request.data.messages) assert.ok(shown.has(ref.seq), `message ${ref.seq}`);
        assert.equal(story.sum.events, events.length);
        const count = (type: string): number => events.filter((one) => one.type === type).length;
        assert.equal(story.sum.spent.steps, count("ModelStepCompleted") + count("TurnCompleted"));
        assert.equal(story.sum.toolCalls, count("ToolCompleted"));
        assert.equal(story.endMs, ends[0]?.storedAtMs);
        assert.ok((story.sum.tookMs ?? 0) >= 0);
        const wide = storyText(story, 80)
          .split("\n")
          .filter((line) => widthOf(line) > 80);
        assert.deepEqual(wide, []);
      }
    }
    assert.ok(turns > 30, `${turns} turns`);
  });
});
