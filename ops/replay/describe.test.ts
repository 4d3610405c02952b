import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeReplay, type Telling } from "./describe.ts";
import type { ReplayDifference, ReplayReport } from "./replay.ts";

const HASH = "MfRuypFdOnL-ppUBxu3p__Kwi2_rcdjARbQB0e5vwk8";
const OTHER = "sJyDCBYx6bIfBbSSREWSWH4tATSjTpytBTbjbPGNfto";
const report: ReplayReport = { events: 1_240, turns: 2, compared: 9, open: 0, unreadable: 0, differences: [] };
const telling: Telling = { command: (words) => `taffrail ${words}`, seconds: 2, settings: [], columns: 80 };
const difference: ReplayDifference = {
  seq: 64,
  kind: "changed",
  type: "ModelStepCompleted",
  source: "agent-runner",
  channel: "web",
  chat: "talk",
  turn: "4OKO9kgZocaG_LoBGh9eEp",
  path: "data.requestHash",
  recorded: HASH,
  computed: OTHER,
  changed: [{ part: "prompt", recorded: HASH, now: OTHER }],
};

function told(one: Partial<ReplayDifference>, more: Partial<Telling> = {}): string[] {
  return describeReplay({ ...report, differences: [{ ...difference, ...one }] }, { ...telling, ...more });
}

describe("a replay's report", () => {
  test("that is equal says what was compared, how fast, and what it could not judge", () => {
    assert.deepEqual(describeReplay({ ...report, open: 1, unreadable: 1 }, telling), [
      "EQUAL  1,240 events, 2 turns, 9 decisions compared",
      "       2.0 s, 620 events a second; no model, tool or network was used",
      "       1 turn without an end: compared as far as recorded",
      "       1 entry of no schema, left out",
    ]);
    const one = describeReplay(report, { ...telling, turn: "4OKO9kgZ" });
    assert.equal(one.at(-1), "The model was asked:   taffrail replay 4OKO9kgZ --requests");
    const nothing = describeReplay({ ...report, turns: 0, compared: 0 }, telling);
    assert.deepEqual(nothing, ["NOTHING was decided in this part of the log (1,240 events read)"]);
  });

  test("names event, turn, place, both sides, what changed, and what to type next", () => {
    const settings = [{ name: "agent.systemPrompt", recorded: undefined, now: "Be a pirate." }];
    assert.deepEqual(told({}, { settings }), [
      "DIFFERENT at event 64: ModelStepCompleted is decided differently now",
      "  turn      4OKO9kgZocaG_LoBGh9eEp",
      "  chat      talk on web",
      "  differs   data.requestHash: the model is asked something else",
      "  recorded  MfRuypFdOn…",
      "  now       sJyDCBYx6b…",
      "  changed   prompt (agent.systemPrompt, or the one built in)",
      '            agent.systemPrompt: nothing then, "Be a pirate." now',
      "",
      "Up to there 1,240 events, 2 turns, 9 decisions compared.",
      "",
      "What was said there:   taffrail log show 4OKO9kgZ",
      "What is asked now:     taffrail replay 4OKO9kgZ --requests",
      "The whole difference:  taffrail replay 4OKO9kgZ --json",
    ]);
  });

  test("shows long texts from shortly before they part, within the columns of a terminal", () => {
    const same = "a word and another ".repeat(50);
    const lines = told({ path: "data.text", recorded: `${same}left`, computed: `${same}right` });
    assert.ok(
      lines.some((line) => /^ {2}recorded {2}….* left"$/.test(line)),
      lines.join("\n"),
    );
    const long = told({ path: "data.text", recorded: "x ".repeat(5_000), computed: "y" })
      .join("\n")
      .split("\n");
    assert.ok(long.every((line) => line.length <= 80));
    assert.match(long.join("\n"), /characters\)/);
  });

  test("says that nothing is recorded or decided, and that no version tells why", () => {
    const extra = told({ kind: "extra", path: "", recorded: undefined, computed: { a: 1 }, changed: [] }).join("\n");
    assert.match(extra, /would be decided now, behind this event; nothing is recorded/);
    assert.match(extra, /recorded +nothing\n.*now +\{"a":1\}\n.*changed +none of/);
    assert.match(told({ kind: "missing" })[0] ?? "", /is recorded; now nothing is decided there/);
  });

  test("names a release and build in full, and a decision of no turn by its event", () => {
    const changed = [{ part: "code" as const, recorded: "0.1.0+a", now: "0.2.0+b" }];
    const lines = told({ changed, turn: undefined });
    assert.ok(lines.includes("  changed   code (release and build): 0.1.0+a then, 0.2.0+b now"));
    assert.equal(lines.at(-1), "The event:             taffrail log show --from 64 --to 64");
    assert.match(told({ turn: "-OKO9kgZocaG_LoBGh9eEp" }).join("\n"), /log show --story --turn=-OKO9kgZ$/m);
  });
});
