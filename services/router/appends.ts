/** The append a decision becomes: lane, fence, derived id and data. The same on every router, and in a replay. */
import { makeEvent, type Append } from "../../bus/event.ts";
import { deriveId } from "../../bus/ids.ts";
import { lanes } from "../../bus/subjects.ts";
import type { Decision } from "./decide.ts";
import type { Known } from "./directory.ts";

export const SOURCE = "router";

/** What the router had read when it decided: the arrival order, which a replay cannot compute. */
export interface Seen {
  /** Every event of the chat up to this sequence was folded. */
  readonly through: number;
  /** Sequence after which it last looked and had nothing to decide, since its last decision. */
  readonly quiet?: number | undefined;
}

/** `nowMs`: clock reading for the event's time. */
export function appendFor(chat: Known, decision: Decision, nowMs: number, seen: Seen): Append {
  const data = decision.data as { turn?: string };
  const key = { channel: chat.channel, chatToken: chat.token, turn: data.turn ?? "none" };
  const lane = {
    request: () => lanes.turnRequest(key),
    resume: () => lanes.turnResume(key),
    signal: () => lanes.signal(key),
    chat: () => lanes.chat(chat.channel, chat.chat),
  }[decision.lane]();
  const id = decision.type === "TurnRequested" ? key.turn : deriveId(decision.cause.id, decision.type, data.turn ?? "");
  const { through, quiet } = seen;
  const event = makeEvent(
    decision.type,
    id,
    { source: SOURCE, nowMs, cause: decision.cause },
    { ...decision.data, seen: quiet === undefined ? { through } : { through, quiet } },
  );
  return { lane, expectedLastSeq: decision.expected, event };
}
