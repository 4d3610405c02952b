/** The append a decision becomes: lane, fence, derived id and data. The same on every scheduler, and in a replay. */
import { makeEvent, type Append } from "../../bus/event.ts";
import { deriveId } from "../../bus/ids.ts";
import { lanes } from "../../bus/subjects.ts";
import type { Decision } from "./decide.ts";

export const SOURCE = "scheduler";

/** What the scheduler had read when it decided, and its clock: a replay cannot compute them. */
export interface Seen {
  /** Every event of its reading up to this sequence was folded. */
  readonly through: number;
  /** When it last looked and this was not due: how far it had read, and its clock in milliseconds. Only for what comes due. */
  readonly quiet?: { readonly through: number; readonly atMs: number } | undefined;
}

/** Id of a task: a repeat of its command names the same one. */
export function taskOf(commandId: string): string {
  return deriveId("task", commandId);
}

/** `nowMs`: clock reading for the event's time. */
export function appendFor(decision: Decision, nowMs: number, seen: Seen): Append {
  const { type, group, task, expected, cause, data } = decision;
  const id =
    type === "TaskFired"
      ? deriveId(task, decision.data.due)
      : deriveId(cause.id, type, type === "TimerFired" ? decision.data.due : "");
  const { through, quiet } = seen;
  const due = type === "TaskFired" || type === "TimerFired";
  const said =
    due && quiet !== undefined
      ? { through, quiet: quiet.through, quietAt: new Date(quiet.atMs).toISOString() }
      : { through };
  const event = makeEvent(type, id, { source: SOURCE, nowMs, cause }, { ...data, seen: said } as typeof data);
  return { lane: lanes.task(group, task), expectedLastSeq: expected, event };
}
