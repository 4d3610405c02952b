import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { TurnView } from "../../schemas/views.ts";
import { applyPartial, applyToken, hasGap, noStreams, openSteps, settle, type Streams } from "./streams.ts";

const token = (offset: number, text: string, epoch = 1, step = 1, attempt = 1) => ({
  turn: "T",
  epoch,
  step,
  attempt,
  offset,
  text,
});
const partial = (text: string, epoch = 1, step = 1, attempt = 1) => ({ turn: "T", epoch, step, attempt, text });
const textOf = (streams: Streams, step = 1): string | undefined => streams.get("T")?.steps.get(step)?.text;
const run = (...tokens: ReturnType<typeof token>[]): Streams => tokens.reduce(applyToken, noStreams);

const turn: TurnView = {
  kind: "turn",
  key: "t",
  seq: 1,
  changedSeq: 1,
  turn: "T",
  attempt: 1,
  state: "running",
  epoch: 1,
  model: "demo",
  steps: [],
  text: "",
  startedAt: "2026-01-01T00:00:00Z",
  inputTokens: 0,
  outputTokens: 0,
};

test("tokens in order make the text", () => {
  assert.equal(textOf(run(token(0, "Hel"), token(3, "lo"))), "Hello");
});

test("a token that comes twice is taken once", () => {
  const once = run(token(0, "Hel"), token(3, "lo"));
  assert.equal(applyToken(once, token(3, "lo")), once);
  assert.equal(applyToken(once, token(0, "Hel")), once);
});

test("a model asked again begins the step's text again, and a late token of the first asking is ignored", () => {
  const again = run(token(0, "Hello wor"), token(0, "Good", 1, 1, 2), token(9, "ld"), token(4, " day", 1, 1, 2));
  assert.equal(textOf(again), "Good day");
  assert.equal(textOf(applyPartial(again, partial("Hello world"))), "Good day");
});

test("what overlaps is taken once", () => {
  assert.equal(textOf(run(token(0, "Hello"), token(3, "lo world"))), "Hello world");
});

test("a missing token shows nothing behind it until it comes", () => {
  const gap = run(token(0, "Hel"), token(5, " world"));
  assert.equal(textOf(gap), "Hel");
  assert.equal(hasGap(gap), true);
  const healed = applyToken(gap, token(3, "lo"));
  assert.equal(textOf(healed), "Hello world");
  assert.equal(hasGap(healed), false);
});

test("a partial frame heals a gap and keeps what came after it", () => {
  const gap = run(token(0, "Hel"), token(5, " wor"), token(9, "ld"));
  const healed = applyPartial(gap, partial("Hello wo"));
  assert.equal(textOf(healed), "Hello world");
  assert.equal(hasGap(healed), false);
});

test("a partial frame that was overtaken by tokens takes nothing away", () => {
  assert.equal(textOf(applyPartial(run(token(0, "Hello world")), partial("Hello"))), "Hello world");
});

test("a partial frame that differs replaces the text", () => {
  assert.equal(textOf(applyPartial(run(token(0, "Hxxlo")), partial("Hello"))), "Hello");
});

test("after a reconnect tokens go on from the partial", () => {
  const fresh = applyPartial(noStreams, partial("Hello"));
  assert.equal(textOf(applyToken(fresh, token(5, " world"))), "Hello world");
});

test("a first token from the middle is held back, not shown as a beginning", () => {
  const late = run(token(5, " world"));
  assert.equal(textOf(late), "");
  assert.deepEqual(openSteps(late.get("T"), turn), []);
});

test("a higher epoch replaces the text and says so", () => {
  const next = run(token(0, "Half of"), token(0, "New", 2));
  assert.equal(textOf(next), "New");
  assert.equal(next.get("T")?.restarted, true);
});

test("a token of an earlier epoch is ignored", () => {
  const next = run(token(0, "New", 2));
  assert.equal(applyToken(next, token(3, "old", 1)), next);
  assert.equal(applyPartial(next, partial("old text", 1)), next);
});

test("a first epoch is no restart", () => {
  assert.equal(run(token(0, "a")).get("T")?.restarted, false);
});

test("pieces kept behind a gap are bounded", () => {
  let streams: Streams = noStreams;
  for (let index = 0; index < 500; index++) streams = applyToken(streams, token(10 + index, "x"));
  assert.ok((streams.get("T")?.steps.get(1)?.waiting.size ?? 0) <= 64);
});

test("an ended turn lets go of its stream", () => {
  assert.equal(settle(run(token(0, "a")), { ...turn, state: "completed", text: "a" }).size, 0);
});

test("a step that the item tells is let go, the one being written stays", () => {
  const streams = run(token(0, "one"), token(0, "two", 1, 2));
  const item: TurnView = { ...turn, steps: [{ type: "text", step: 1, text: "one" }] };
  assert.deepEqual(openSteps(settle(streams, item).get("T"), item), [{ step: 2, text: "two" }]);
});

test("an item of a higher epoch takes away the text of the one before", () => {
  const item: TurnView = { ...turn, epoch: 2 };
  const streams = settle(run(token(0, "old")), item);
  assert.deepEqual(openSteps(streams.get("T"), item), []);
  assert.equal(streams.get("T")?.restarted, true);
});

test("any order, any repeats: what is shown is always a true beginning, and all pieces make the whole", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 20 }),
      fc.infiniteStream(fc.nat()),
      (pieces, random) => {
        const whole = pieces.join("");
        let offset = 0;
        const frames = pieces.map((text) => {
          const frame = token(offset, text);
          offset += text.length;
          return frame;
        });
        const draw = (): number => random.next().value ?? 0;
        const shuffled = [...frames, ...frames.filter(() => draw() % 3 === 0)]
          .map((frame) => ({ frame, rank: draw() }))
          .toSorted((a, b) => a.rank - b.rank);
        let streams: Streams = noStreams;
        for (const { frame } of shuffled) {
          streams = applyToken(streams, frame);
          assert.ok(whole.startsWith(textOf(streams) ?? ""));
        }
        assert.equal(textOf(streams), whole);
      },
    ),
    { numRuns: 200 },
  );
});
