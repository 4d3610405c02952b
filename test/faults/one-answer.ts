/** What must hold of any log, whatever was killed: each message one end, no step twice, no word of an old epoch. */
import assert from "node:assert/strict";
import type { StoredEvent } from "../../bus/event.ts";

type End = StoredEvent<"TurnCompleted" | "TurnFailed" | "TurnCancelled">;

export function isEnd(event: StoredEvent): event is End {
  return event.type === "TurnCompleted" || event.type === "TurnFailed" || event.type === "TurnCancelled";
}

function once(seen: Set<string>, what: string): void {
  assert.ok(!seen.has(what), `twice: ${what}`);
  seen.add(what);
}

/** No (turn, step) and no tool call is finished twice; no turn ends twice; nothing of an epoch stands behind a later claim. */
export function assertOrder(events: readonly StoredEvent[]): void {
  const seen = new Set<string>();
  const epochs = new Map<string, number>();
  for (const event of events) {
    if (event.type === "MessageReceived") once(seen, `message ${event.data.chat} ${event.data.message}`);
    if (event.type === "ModelStepCompleted") once(seen, `step ${event.data.turn} ${event.data.step}`);
    if (event.type === "TurnCompleted") once(seen, `step ${event.data.turn} ${event.data.lastStep.step}`);
    if (event.type === "ToolCalled") once(seen, `call ${event.data.turn} ${event.data.callId}`);
    if (event.type === "ToolCompleted") once(seen, `result ${event.data.turn} ${event.data.callId}`);
    if (isEnd(event)) once(seen, `end ${event.data.turn}`);
    if (!("epoch" in event.data)) continue;
    const { turn, epoch } = event.data;
    const now = epochs.get(turn) ?? 0;
    if (event.type === "TurnClaimed") assert.equal(epoch, now + 1, `claims of ${turn} count up`);
    else assert.equal(epoch, now, `${event.type} at ${event.seq} is of the epoch that holds the turn`);
    epochs.set(turn, epoch);
  }
}

/** The one end that answers the message; fails when there is none or more. */
export function endOf(events: readonly StoredEvent[], chat: string, message: string): End {
  const ends = events.filter(isEnd).filter(({ data }) => data.chat === chat && data.answers.includes(message));
  assert.equal(ends.length, 1, `${chat} ${message} has one end, not ${ends.length}`);
  return ends[0] as End;
}

/** The answer's text; fails unless the message has exactly one end and that is an answer. */
export function answerTo(events: readonly StoredEvent[], chat: string, message: string): string {
  const end = endOf(events, chat, message);
  assert.equal(end.type, "TurnCompleted", `${chat} ${message} is answered`);
  return end.type === "TurnCompleted" ? end.data.text : "";
}
