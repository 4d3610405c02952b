/** The due list: a fold of the log. Pure and plain JSON. */
import type { StoredEvent } from "../../bus/event.ts";

export interface DueTask {
  readonly type: "task";
  readonly group: string;
  readonly task: string;
  readonly dueMs: number;
  readonly due: string;
  readonly replyTo: { channel: string; chat: string };
  readonly text: string;
  /** Last sequence of the task's entity: the fence of its fire. */
  readonly lastSeq: number;
  readonly cause: CauseRef;
}

export interface DueTimer {
  readonly type: "timer";
  readonly turn: string;
  readonly channel: string;
  readonly chat: string;
  readonly dueMs: number;
  readonly due: string;
  readonly cause: CauseRef;
}

export interface CauseRef {
  readonly id: string;
  readonly correlationId: string;
  readonly traceparent?: string | undefined;
}

export interface DueList {
  /** By `<group>/<task>`. */
  tasks: Record<string, DueTask>;
  /** By turn. */
  timers: Record<string, DueTimer>;
  /** Last sequence over `log.task.timer.<turn>`, of turns that parked before. */
  timerSeqs: Record<string, number>;
  /** Commands not yet answered, in order. */
  commands: OpenCommand[];
}

export type OpenCommand =
  | {
      type: "ScheduleTask";
      seq: number;
      storedAtMs: number;
      cause: CauseRef;
      data: StoredEvent<"ScheduleTask">["data"];
    }
  | { type: "CancelTask"; seq: number; storedAtMs: number; cause: CauseRef; data: StoredEvent<"CancelTask">["data"] };

export const DUE_LIST_SHAPE = 1;

export function newDueList(): DueList {
  return { tasks: {}, timers: {}, timerSeqs: {}, commands: [] };
}

function causeOf(event: StoredEvent): CauseRef {
  return { id: event.id, correlationId: event.correlationId, traceparent: event.traceparent };
}

export function applyEvent(list: DueList, event: StoredEvent): void {
  switch (event.type) {
    case "ScheduleTask":
    case "CancelTask": {
      const { seq, storedAtMs } = event;
      const cause = causeOf(event);
      if (event.type === "ScheduleTask")
        list.commands.push({ type: event.type, seq, storedAtMs, cause, data: event.data });
      else list.commands.push({ type: event.type, seq, storedAtMs, cause, data: event.data });
      return;
    }
    case "TaskScheduled": {
      const { group, task, due, replyTo, text } = event.data;
      const dueMs = Date.parse(due);
      list.tasks[`${group}/${task}`] = {
        type: "task",
        group,
        task,
        dueMs,
        due,
        replyTo,
        text,
        lastSeq: event.seq,
        cause: causeOf(event),
      };
      answered(list, event.causationId);
      return;
    }
    case "TaskCancelled":
      delete list.tasks[`${event.data.group}/${event.data.task}`];
      answered(list, event.causationId);
      return;
    case "TaskFired":
      delete list.tasks[`${event.data.group}/${event.data.task}`];
      return;
    case "CommandRefused":
      answered(list, event.causationId);
      return;
    case "TurnParked": {
      const { turn, channel, chat, resumeAt } = event.data;
      if (resumeAt === undefined) return;
      list.timers[turn] = {
        type: "timer",
        turn,
        channel,
        chat,
        dueMs: Date.parse(resumeAt),
        due: resumeAt,
        cause: causeOf(event),
      };
      return;
    }
    case "TurnCompleted":
    case "TurnFailed":
    case "TurnCancelled":
      forgetTurn(list, event.data.turn);
      return;
    case "TimerFired":
      delete list.timers[event.data.parked.turn];
      list.timerSeqs[event.data.parked.turn] = event.seq;
      return;
    default:
  }
}

/** Forgets the fences of turns that ended. */
function forgetTurn(list: DueList, turn: string): void {
  delete list.timers[turn];
  delete list.timerSeqs[turn];
}

function answered(list: DueList, causationId: string | undefined): void {
  list.commands = list.commands.filter((command) => command.cause.id !== causationId);
}
