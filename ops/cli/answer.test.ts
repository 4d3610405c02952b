// What `taffrail send` prints of the frames it gets: everything once, replaced text visibly.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ItemView, ServerFrame, StepView, TurnState, TurnView } from "../../schemas/views.ts";
import { AnswerFollower, type Ending } from "./answer.ts";

const chat = "c";

function turn(state: TurnState, text = "", steps: StepView[] = []): TurnView {
  const at = "2026-01-01T00:00:00Z";
  const counts = { attempt: 1, epoch: 1, inputTokens: 0, outputTokens: 0 };
  return {
    kind: "turn",
    key: "t",
    seq: 2,
    changedSeq: 2,
    turn: "t",
    state,
    model: "demo",
    steps,
    text,
    startedAt: at,
    ...counts,
  };
}

const message: ItemView = {
  kind: "message",
  key: "m",
  seq: 1,
  changedSeq: 1,
  message: "m1",
  fromName: "You",
  owner: true,
  text: "hi",
  edited: false,
  deleted: false,
  at: "2026-01-01T00:00:00Z",
  turn: "t",
};

function items(...list: ItemView[]): ServerFrame {
  return { type: "items", chat, items: list, cursor: 1, reset: false };
}

function token(offset: number, text: string, epoch = 1, step = 0): ServerFrame {
  return { type: "token", chat, turn: "t", epoch, step, attempt: 0, offset, text };
}

function partial(text: string, epoch = 1, step = 0): ServerFrame {
  return { type: "partial", chat, turn: "t", epoch, step, attempt: 0, text };
}

function follow(...frames: ServerFrame[]): { answer: string; notes: string[]; ending: Ending | undefined } {
  const follower = new AnswerFollower("m1");
  const steps = frames.map((frame) => follower.take(frame));
  const prints = steps.flatMap((step) => step.prints);
  return {
    answer: prints.flatMap((print) => (print.type === "answer" ? [print.text] : [])).join(""),
    notes: prints.flatMap((print) => (print.type === "note" ? [print.text] : [])),
    ending: steps.at(-1)?.ending,
  };
}

void describe("the followed answer", () => {
  void it("prints tokens that came before it was known whose they are, and the log's text to the end", () => {
    const { answer, ending } = follow(
      token(0, "one "),
      items(message),
      token(4, "two "),
      items(turn("completed", "one two three")),
    );
    assert.equal(answer, "one two three\n");
    assert.equal(ending, "completed");
  });

  void it("prints once what comes twice, and waits for the partial that fills a gap", () => {
    const { answer } = follow(
      items(message),
      token(0, "one "),
      token(8, "three "),
      partial("one two three "),
      token(4, "two three "),
      items(turn("completed", "one two three ")),
      items(turn("completed", "one two three ")),
    );
    assert.equal(answer.trimEnd(), "one two three");
  });

  void it("goes on silently when the next runner says the same, and says so when it does not", () => {
    const same = follow(items(message), token(0, "one two"), token(0, "one", 2), token(3, " two three", 2));
    assert.equal(same.answer, "one two three");
    assert.deepEqual(same.notes, []);
    const other = follow(
      items(message),
      token(0, "one two"),
      token(0, "uno", 2),
      token(0, "late", 1),
      items(turn("completed", "uno")),
    );
    assert.equal(other.answer, "one two\nuno\n");
    assert.equal(other.notes.length, 1);
  });

  void it("tells a tool call before the text that follows it", () => {
    const tool: StepView = {
      type: "tool",
      step: 0,
      callId: "1",
      name: "time",
      arguments: {},
      state: "ok",
      durationMs: 2,
    };
    const follower = new AnswerFollower("m1");
    const printed = [
      items(message),
      token(0, "It is", 1, 1),
      items(turn("running", "", [tool])),
      items(turn("completed", "It is noon", [tool])),
    ]
      .flatMap((frame) => follower.take(frame).prints)
      .map(({ text }) => text);
    assert.deepEqual(printed, ["time {}: ok (2 ms)", "It is", " noon", "\n"]);
  });

  void it("ends with failure, stop and waiting, and ignores the turns of others", () => {
    assert.equal(follow(items(message), items(turn("failed", "no model"))).ending, "failed");
    assert.equal(follow(items(message), items(turn("cancelled"))).ending, "cancelled");
    assert.equal(follow(items(message), items(turn("waiting"))).ending, "waiting");
    const other = follow(items({ ...message, message: "m2" }), token(0, "x"), items(turn("completed", "x")));
    assert.equal(other.answer, "");
    assert.equal(other.ending, undefined);
  });
});
