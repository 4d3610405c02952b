import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredEvent } from "../../bus/event.ts";
import {
  cancelAsked,
  claimed,
  completed,
  parked,
  requested,
  resumed,
  steered,
  stepDone,
  stepFailed,
  toolCalled,
  toolDone,
} from "../../test/support/stored-events.ts";
import { foldTurn, foldUnreadable, hasGap, knownThrough, newJournal, type Journal } from "./journal.ts";

function given(...events: StoredEvent[]): Journal {
  const journal = newJournal(requested(5, "t", [["m1", 1]]));
  for (const event of events) foldTurn(journal, event);
  return journal;
}

test("a new journal stands at its request, without a claim", () => {
  const { turnSeq, runSeq, epoch } = given();
  assert.deepEqual({ turnSeq, runSeq, epoch }, { turnSeq: 5, runSeq: 0, epoch: 0 });
});

test("the same events folded twice leave the same journal", () => {
  const events = [
    claimed(6, "t", 1),
    steered(7, "t", "m2", 4),
    stepDone(8, "t", 0, ["echo"]),
    toolCalled(9, "t", "s0c0", "pure"),
    toolDone(10, "t", "s0c0"),
    stepFailed(11, "t", 1),
  ];
  assert.deepEqual(given(...events, ...events), given(...events));
});

test("failures count until the step is done", () => {
  assert.equal(given(claimed(6, "t", 1), stepFailed(7, "t", 1), stepFailed(8, "t", 2)).failures.length, 2);
  assert.equal(given(stepFailed(7, "t", 1), stepDone(8, "t", 0, ["echo"])).failures.length, 0);
});

test("a park holds until a resume or claim that is later, not by an older one read again", () => {
  assert.equal(given(claimed(6, "t", 1), parked(7, "t")).parked, true);
  assert.equal(given(claimed(6, "t", 1), parked(7, "t"), resumed(8, "t")).parked, false);
  const again = given(parked(7, "t"), resumed(8, "t"), claimed(9, "t", 2), parked(10, "t"), resumed(8, "t"));
  assert.equal(again.parked, true);
});

test("the first cancel counts, and an end is an end", () => {
  const journal = given(cancelAsked(6, "t", "interrupted"), cancelAsked(7, "t"), completed(8, "t", ["m1"]));
  assert.equal(journal.cancel?.seq, 6);
  assert.equal(journal.ended, true);
});

test("a step or a signal of a reader leaves a gap: what stands between is not known until the turn is read", () => {
  const journal = given();
  assert.equal(hasGap(journal), false);
  foldTurn(journal, claimed(6, "t", 1));
  assert.equal(hasGap(journal), true);
  knownThrough(journal, 6);
  assert.equal(hasGap(journal), false);
  foldTurn(journal, steered(9, "t", "m2", 4));
  assert.equal(hasGap(journal), true);
  assert.equal(journal.turnSeq, 6, "a signal alone must not move the fence of the end over another runner's claim");
});

test("an entry that cannot be read moves the fence of the steps", () => {
  const journal = given(claimed(6, "t", 1));
  foldUnreadable(journal, { seq: 8, subject: "log.turn.web.c.t.run.step" });
  foldUnreadable(journal, { seq: 9, subject: "log.turn.web.c.t.signal" });
  assert.equal(journal.runSeq, 8);
});
