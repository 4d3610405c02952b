/** The scheduler's decider. Pure: the clock reading is an argument. */
import type { DataOf } from "../../schemas/index.ts";
import type { CauseRef, DueList, OpenCommand } from "./due-list.ts";

export type Decision =
  | {
      type: "TaskScheduled";
      group: string;
      task: string;
      expected: number;
      cause: CauseRef;
      data: DataOf["TaskScheduled"];
    }
  | {
      type: "TaskCancelled";
      group: string;
      task: string;
      expected: number;
      cause: CauseRef;
      data: DataOf["TaskCancelled"];
    }
  | { type: "TaskFired"; group: string; task: string; expected: number; cause: CauseRef; data: DataOf["TaskFired"] }
  | { type: "TimerFired"; group: string; task: string; expected: number; cause: CauseRef; data: DataOf["TimerFired"] }
  | {
      type: "CommandRefused";
      group: string;
      task: string;
      expected: number;
      cause: CauseRef;
      data: DataOf["CommandRefused"];
    };

/** Group token under which timers of parked turns stand; no group of a person may have it. */
export const TIMER_GROUP = "timer";
/** Commands refused stand on an entity of their own: they belong to no task. */
const REFUSED_GROUP = "refused";
/** Further off than this is a mistyped date. */
const MAX_AHEAD_MS = 366 * 24 * 3_600_000;

/** Answer to one command; `taskOf` derives the task's id from the command, so that a repeat names the same task. */
export function decideCommand(list: DueList, command: OpenCommand, taskOf: (commandId: string) => string): Decision {
  const { cause } = command;
  const refuse = (code: string, message: string): Decision => ({
    type: "CommandRefused",
    group: REFUSED_GROUP,
    task: taskOf(cause.id),
    expected: 0,
    cause,
    data: { command: command.data.command, commandType: command.type, code, message },
  });
  if (command.type === "CancelTask") {
    const { group, task, by } = command.data;
    const known = list.tasks[`${group}/${task}`];
    if (known === undefined) return refuse("TASK_UNKNOWN", "There is no such task on the due list.");
    return { type: "TaskCancelled", group, task, expected: known.lastSeq, cause, data: { group, task, by } };
  }
  const { group, due, replyTo, text, by } = command.data;
  const dueMs = Date.parse(due);
  if (group !== "main") return refuse("REQUEST_INVALID", `There is no group "${group}".`);
  // The broker's own time of the command decides, so that a late scheduler judges as a quick one would.
  if (!Number.isFinite(dueMs)) return refuse("REQUEST_INVALID", "The time cannot be read.");
  if (dueMs < command.storedAtMs) return refuse("TASK_IN_PAST", "The time lies in the past.");
  if (dueMs > command.storedAtMs + MAX_AHEAD_MS)
    return refuse("REQUEST_INVALID", "The time lies more than a year ahead.");
  const task = taskOf(cause.id);
  return { type: "TaskScheduled", group, task, expected: 0, cause, data: { group, task, due, replyTo, text, by } };
}

/** What is due at `nowMs`, earliest first. */
export function decideDue(list: DueList, nowMs: number): Decision[] {
  const tasks = Object.values(list.tasks)
    .filter((task) => task.dueMs <= nowMs)
    .toSorted((a, b) => a.dueMs - b.dueMs)
    .map((one): Decision => {
      const { group, task, due, replyTo, text, lastSeq, cause } = one;
      const data = { group, task, due, replyTo, text, lateMs: Math.max(0, nowMs - one.dueMs) };
      return { type: "TaskFired", group, task, expected: lastSeq, cause, data };
    });
  const timers = Object.values(list.timers)
    .filter((timer) => timer.dueMs <= nowMs)
    .map((one): Decision => {
      const { turn, channel, chat, due, cause } = one;
      const data = { group: TIMER_GROUP, task: turn, due, parked: { channel, chat, turn } };
      return { type: "TimerFired", group: TIMER_GROUP, task: turn, expected: list.timerSeqs[turn] ?? 0, cause, data };
    });
  return [...tasks, ...timers];
}

/** When something is due next; undefined when the list is empty. */
export function nextDueMs(list: DueList): number | undefined {
  const all = [...Object.values(list.tasks), ...Object.values(list.timers)].map((one) => one.dueMs);
  return all.length === 0 ? undefined : Math.min(...all);
}
