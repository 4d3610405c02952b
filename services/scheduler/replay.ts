/**
 * The scheduler's decider over a recorded log. In: entries in log order. Out: what would be decided differently now. Clock
 * readings are those the events hold. Each task and each parked turn is looked at for itself, as the fences do. Never: appends.
 */
import { judge, placeOf, type Amend, type Difference, type Heads } from "../../bus/compare.ts";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import { appendFor, taskOf } from "./appends.ts";
import { decideCommand, decideDue, type Decision } from "./decide.ts";
import { applyEvent, newDueList, type DueList } from "./due-list.ts";

/** It looks every 20 s; a scheduler that has not fired for this long was not there. */
const OWED_MS = 60_000;

/** Far more than end while a scheduler is behind. */
const MAX_OVER = 1_000;
const OVER = /^(TaskFired|TaskCancelled|TurnCompleted|TurnFailed|TurnCancelled)$/;

type SchedulerEvent = StoredEvent<"TaskScheduled" | "TaskCancelled" | "TaskFired" | "TimerFired" | "CommandRefused">;

export interface SchedulerReplay {
  /** Takes the next entry of the log; one that is not `compared` is only folded. */
  take(entry: LogEntry, compared: boolean): Difference | undefined;
  /** What is owed at the end of the log: differences when it ends at `endMs`, long after; else still to come. */
  finish(endMs: number): { differences: Difference[]; open: number };
  readonly compared: number;
}

interface Entity {
  list: DueList;
  /** Read, not yet folded: the next decision says how far its scheduler had read. */
  pending: LogEntry[];
  /** Of its own subject, and of a refusal's. */
  readonly heads: Heads;
  /** The newest entry, and whether it is compared. */
  last: { seq: number; storedAtMs: number; compared: boolean } | undefined;
}

function isDecision(entry: LogEntry): entry is SchedulerEvent {
  return entry.type !== "unreadable" && entry.subject.startsWith("log.task.");
}

/** Nothing is scheduled or asked: what was refused was all there is. */
function isEmpty({ list, pending }: Entity): boolean {
  return pending.length === 0 && list.commands.length === 0 && Object.keys(list.tasks).length === 0;
}

/** The task or parked turn an entry is about. */
function entityOf(entry: LogEntry): string | undefined {
  switch (entry.type) {
    case "ScheduleTask":
      return `task ${taskOf(entry.id)}`;
    case "CancelTask":
      return `task ${entry.data.task}`;
    case "TaskScheduled":
    case "TaskCancelled":
    case "TaskFired":
      return `task ${entry.data.task}`;
    case "TurnParked":
    case "TurnCompleted":
    case "TurnFailed":
    case "TurnCancelled":
      return `turn ${entry.data.turn}`;
    case "TimerFired":
      return `turn ${entry.data.parked.turn}`;
    default:
      return undefined;
  }
}

export function createSchedulerReplay(amend?: Amend): SchedulerReplay {
  const entities = new Map<string, Entity>();
  /** Entity of each command that is open: a refusal stands on a subject of its own. */
  const commands = new Map<string, string>();
  /** Names of entities that are over, oldest first. */
  const over = new Set<string>();
  let compared = 0;

  function locate(entry: LogEntry): { name: string; entity: Entity } | undefined {
    const refused = entry.type === "CommandRefused" && entry.subject.startsWith("log.task.");
    const name = refused ? commands.get(entry.causationId ?? "") : entityOf(entry);
    if (name === undefined) return undefined;
    let entity = entities.get(name);
    if (entity === undefined) {
      // The end of a turn that never parked is nothing to keep.
      if (entry.type.startsWith("Turn") && entry.type !== "TurnParked") return undefined;
      entity = { list: newDueList(), pending: [], heads: new Map(), last: undefined };
      entities.set(name, entity);
    }
    if (entry.type === "ScheduleTask" || entry.type === "CancelTask") commands.set(entry.id, name);
    return { name, entity };
  }

  function foldThrough(entity: Entity, seq: number): void {
    for (const entry of entity.pending)
      if (entry.seq <= seq && entry.type !== "unreadable") applyEvent(entity.list, entry);
    entity.pending = entity.pending.filter((entry) => entry.seq > seq);
  }

  function decisionFor({ list }: Entity, recorded: SchedulerEvent): Decision | undefined {
    if (recorded.type === "TaskFired" || recorded.type === "TimerFired") {
      const dueMs = Date.parse(recorded.data.due);
      const nowMs = recorded.type === "TaskFired" ? dueMs + recorded.data.lateMs : Date.parse(recorded.time);
      return decideDue(list, nowMs)[0];
    }
    const command = list.commands.find(({ cause }) => cause.id === recorded.causationId);
    return command === undefined ? undefined : decideCommand(list, command, taskOf);
  }

  function check(entity: Entity, recorded: SchedulerEvent): Difference | undefined {
    const { seen } = recorded.data as { seen?: { through: number; quiet?: number; quietAt?: string } };
    // A release that did not say what it had read is taken to have read everything.
    foldThrough(entity, seen?.through ?? recorded.seq);
    if (seen?.quietAt !== undefined && (entity.last?.seq ?? 0) <= (seen.quiet ?? 0)) {
      const [early] = decideDue(entity.list, Date.parse(seen.quietAt));
      if (early !== undefined) return extra(early, recorded.seq);
    }
    const decision = decisionFor(entity, recorded);
    const computed = decision === undefined ? undefined : appendFor(decision, 0, { through: 0 });
    return judge(recorded, computed, entity.heads, amend);
  }

  function extra(decision: Decision, seq: number): Difference {
    const { event } = appendFor(decision, 0, { through: seq });
    return { ...placeOf(event), seq, kind: "extra", path: "", recorded: undefined, computed: decision.data };
  }

  /** Tasks and parked turns would pile up for ever; a late scheduler may still fire one that has ended meanwhile. */
  function forgetLater(name: string): void {
    over.add(name);
    const [oldest] = over;
    if (over.size <= MAX_OVER || oldest === undefined) return;
    over.delete(oldest);
    entities.delete(oldest);
  }

  return {
    get compared() {
      return compared;
    },
    take(entry, comparing) {
      const found = locate(entry);
      if (found === undefined) return undefined;
      const { name, entity } = found;
      let difference: Difference | undefined;
      if (isDecision(entry)) {
        if (comparing) {
          compared++;
          difference = check(entity, entry);
        } else foldThrough(entity, entry.seq);
        // Answered, in whatever way: those of years would pile up.
        commands.delete(entry.causationId ?? "");
        applyEvent(entity.list, entry);
        entity.heads.set(entry.subject, entry.seq);
      } else entity.pending.push(entry);
      entity.last = { seq: entry.seq, storedAtMs: entry.storedAtMs, compared: comparing };
      if (OVER.test(entry.type) || (entry.type === "CommandRefused" && isEmpty(entity))) forgetLater(name);
      return difference;
    },
    finish(endMs) {
      const differences: Difference[] = [];
      let open = 0;
      for (const entity of entities.values()) {
        foldThrough(entity, Number.MAX_SAFE_INTEGER);
        const { list, last } = entity;
        if (last?.compared !== true) continue;
        const [command] = list.commands;
        const decision = command === undefined ? decideDue(list, endMs)[0] : decideCommand(list, command, taskOf);
        if (decision === undefined) continue;
        const sinceMs = command?.storedAtMs ?? Math.max(dueMsOf(decision), last.storedAtMs);
        if (endMs - sinceMs > OWED_MS) differences.push(extra(decision, last.seq));
        else open++;
      }
      return { differences, open };
    },
  };
}

function dueMsOf(decision: Decision): number {
  return "due" in decision.data ? Date.parse(decision.data.due) : 0;
}
