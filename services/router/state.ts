/** What the router knows: a fold of the log, rebuilt at will, kept in a deletable snapshot. Plain JSON throughout. */
import type { LogEntry, StoredEvent } from "../../bus/event.ts";

/** Raised whenever the shape below changes: snapshots of another shape count as none. */
export const STATE_SHAPE = 2;

export type QueueMode = "queue" | "steer" | "interrupt";

export interface MessageRef {
  readonly message: string;
  readonly seq: number;
}

/** Something that asks for a turn and has none yet. */
export interface Waiting {
  readonly ref: MessageRef;
  readonly cause: CauseRef;
  readonly mode?: QueueMode | undefined;
  readonly model?: string | undefined;
  /** Set for a task, which has no message. */
  readonly task?: {
    readonly text: string;
    readonly replyTo: { channel: string; chat: string };
    readonly group: string;
  };
}

export interface CauseRef {
  readonly type: string;
  readonly id: string;
  readonly seq: number;
  readonly correlationId: string;
  readonly traceparent?: string | undefined;
}

/** Enough of a turn to ask it again and to bound the history of the next one. */
export interface TurnRecord {
  readonly turn: string;
  readonly attempt: number;
  readonly trigger: CauseRef;
  /** First sequence of its conversation. */
  firstSeq: number;
  messages: MessageRef[];
  readonly group: string;
  readonly replyTo: { channel: string; chat: string };
  readonly prompt?: string | undefined;
}

export interface ActiveTurn extends TurnRecord {
  /** Last sequence over the whole turn. */
  lastSeq: number;
  cancelRequested: boolean;
  parked?: { waitingFor: "timer" | "approval"; resume?: "timer" | "signal"; cause?: CauseRef } | undefined;
}

/** A command not yet answered. */
export type OpenCommand =
  | {
      type: "CancelTurn";
      cause: CauseRef;
      command: string;
      turn?: string | undefined;
      by: { id: string; channel: string };
    }
  | { type: "RetryTurn"; cause: CauseRef; command: string; turn: string }
  | { type: "SelectChatModel"; cause: CauseRef; command: string; model: string; by: { id: string; channel: string } };

export interface ChatState {
  readonly channel: string;
  readonly chat: string;
  /** Last sequence over `log.turn.<channel>.<chat>.>`: the fence of TurnRequested. */
  turnsSeq: number;
  /** Last sequence over `log.chat.<channel>.<chat>`. */
  factsSeq: number;
  active?: ActiveTurn | undefined;
  waiting: Waiting[];
  commands: OpenCommand[];
  /** Newest last. */
  recent: TurnRecord[];
  /** Deletions that came before their message. */
  deletedEarly: string[];
  /** Newest last; one that came before its message counts to the conversation of the message's turn. */
  edits: MessageRef[];
  model?: string | undefined;
}

/** Turns whose conversation the model may see again. */
export const HISTORY_TURNS = 20;
/** A platform delivers a deletion before its message only within moments; more than these are no accident. */
const MAX_DELETED_EARLY = 64;
/** The same for edits; those of known messages are among them. */
const MAX_EDITS = 64;

export function newChat(channel: string, chat: string): ChatState {
  return {
    channel,
    chat,
    turnsSeq: 0,
    factsSeq: 0,
    waiting: [],
    commands: [],
    recent: [],
    deletedEarly: [],
    edits: [],
  };
}

function causeOf(event: StoredEvent): CauseRef {
  return {
    type: event.type,
    id: event.id,
    seq: event.seq,
    correlationId: event.correlationId,
    traceparent: event.traceparent,
  };
}

/** The chat an event belongs to; undefined for those the router does not fold. */
export function chatOf(event: StoredEvent): { channel: string; chat: string } | undefined {
  if (event.type === "TaskFired") return { channel: "sys", chat: event.data.task };
  if (event.type === "TimerFired") return event.data.parked;
  const data = event.data as { channel?: string; chat?: string };
  return data.channel !== undefined && data.chat !== undefined ? { channel: data.channel, chat: data.chat } : undefined;
}

/** Where the conversation of these messages begins: an edit may stand before its message. */
export function firstSeqOf(state: ChatState, refs: readonly MessageRef[]): number | undefined {
  if (refs.length === 0) return undefined;
  const edits = state.edits.filter((edit) => refs.some((ref) => ref.message === edit.message));
  return Math.min(...[...refs, ...edits].map((one) => one.seq));
}

function answered(state: ChatState, refs: readonly MessageRef[]): void {
  const seqs = new Set(refs.map((ref) => ref.seq));
  state.waiting = state.waiting.filter((waiting) => !seqs.has(waiting.ref.seq));
}

function commandAnswered(state: ChatState, causationId: string | undefined): void {
  state.commands = state.commands.filter((command) => command.cause.id !== causationId);
}

/** Folds one event of this chat into its state. Running it twice on the same event changes nothing. */
export function applyEvent(state: ChatState, event: StoredEvent): void {
  switch (event.type) {
    case "MessageReceived": {
      if (state.deletedEarly.includes(event.data.message)) return;
      state.waiting.push({
        ref: { message: event.data.message, seq: event.seq },
        cause: causeOf(event),
        mode: event.data.mode,
        model: event.data.model,
      });
      return;
    }
    case "MessageDeleted": {
      const before = state.waiting.length;
      state.waiting = state.waiting.filter((waiting) => waiting.ref.message !== event.data.message);
      if (before === state.waiting.length)
        state.deletedEarly = [...state.deletedEarly, event.data.message].slice(-MAX_DELETED_EARLY);
      return;
    }
    case "MessageEdited":
      state.edits = [...state.edits, { message: event.data.message, seq: event.seq }].slice(-MAX_EDITS);
      return;
    case "TaskFired": {
      const { text, replyTo, group, task } = event.data;
      state.waiting.push({
        ref: { message: task, seq: event.seq },
        cause: causeOf(event),
        task: { text, replyTo, group },
      });
      return;
    }
    case "CancelTurn":
    case "RetryTurn":
    case "SelectChatModel": {
      const { command } = event.data;
      const cause = causeOf(event);
      if (event.type === "CancelTurn")
        state.commands.push({ type: event.type, cause, command, turn: event.data.turn, by: event.data.by });
      else if (event.type === "RetryTurn")
        state.commands.push({ type: event.type, cause, command, turn: event.data.turn });
      else state.commands.push({ type: event.type, cause, command, model: event.data.model, by: event.data.by });
      return;
    }
    case "ChatModelSelected":
      state.factsSeq = event.seq;
      state.model = event.data.model;
      commandAnswered(state, event.causationId);
      return;
    case "CommandRefused":
      state.factsSeq = event.seq;
      commandAnswered(state, event.causationId);
      return;
    case "TimerFired":
      if (state.active?.parked?.waitingFor === "timer" && state.active.turn === event.data.parked.turn)
        resume(state.active, "timer", event);
      return;
    default:
      // Edits, schedules and the like stand in the chat too; counted here they would break its fence for ever.
      if (event.subject.startsWith("log.turn.")) applyTurnEvent(state, event);
  }
}

/** What stands first in the log resumes the turn: own appends may be folded before what was read in front of them. */
function resume(active: ActiveTurn, reason: "timer" | "signal", event: StoredEvent): void {
  const { parked } = active;
  if (parked === undefined || (parked.cause !== undefined && parked.cause.seq < event.seq)) return;
  active.parked = { ...parked, resume: reason, cause: causeOf(event) };
}

function applyTurnEvent(state: ChatState, event: StoredEvent): void {
  state.turnsSeq = event.seq;
  const active = state.active;
  if (active !== undefined) active.lastSeq = event.seq;
  switch (event.type) {
    case "TurnRequested": {
      const { turn, attempt, trigger, messages, group, replyTo, prompt } = event.data;
      const record: TurnRecord = {
        turn,
        attempt,
        trigger: { ...trigger, correlationId: event.correlationId, traceparent: event.traceparent },
        firstSeq: firstSeqOf(state, messages) ?? trigger.seq,
        messages: [...messages],
        group,
        replyTo,
        prompt,
      };
      state.active = { ...record, lastSeq: event.seq, cancelRequested: false };
      answered(state, messages.length > 0 ? messages : [{ message: "", seq: trigger.seq }]);
      commandAnswered(state, event.causationId);
      return;
    }
    case "Steered":
      answered(state, [event.data.message]);
      active?.messages.push(event.data.message);
      if (active !== undefined)
        active.firstSeq = Math.min(active.firstSeq, firstSeqOf(state, [event.data.message]) ?? active.firstSeq);
      if (active?.parked?.waitingFor === "approval") resume(active, "signal", event);
      return;
    case "CancelRequested":
      commandAnswered(state, event.causationId);
      if (active === undefined) return;
      active.cancelRequested = true;
      resume(active, "signal", event);
      return;
    case "TurnParked":
      if (active === undefined) return;
      active.parked = { waitingFor: event.data.waitingFor };
      // The runner parked before it could see the signal: it must not wait for its time.
      if (active.cancelRequested) active.parked = { ...active.parked, resume: "signal", cause: causeOf(event) };
      return;
    case "TurnResumed":
      if (active !== undefined) active.parked = undefined;
      return;
    case "TurnCompleted":
    case "TurnFailed":
    case "TurnCancelled": {
      if (active === undefined || active.turn !== event.data.turn) return;
      const { turn, attempt, trigger, firstSeq, messages, group, replyTo, prompt } = active;
      state.recent = [...state.recent, { turn, attempt, trigger, firstSeq, messages, group, replyTo, prompt }].slice(
        -HISTORY_TURNS,
      );
      state.active = undefined;
      return;
    }
    default:
  }
}

/**
 * Folds an entry as it comes from the log; `lane` is the kind of its subject. Our own appends were folded when they were
 * acknowledged and are passed over.
 * @returns false when nothing was folded.
 */
export function foldEntry(state: ChatState, entry: LogEntry, lane: string | undefined): boolean {
  if (entry.type === "unreadable") {
    if (lane !== "turn" && lane !== "chat") return false;
    applyUnreadable(state, entry, lane);
    return true;
  }
  if (lane === "turn" && entry.seq <= state.turnsSeq) return false;
  if (lane === "chat" && entry.seq <= state.factsSeq) return false;
  applyEvent(state, entry);
  return true;
}

/** Counts an entry that no schema reads: its sequence still moves the fences. */
function applyUnreadable(state: ChatState, entry: LogEntry, lane: "turn" | "chat"): void {
  if (lane === "chat") state.factsSeq = entry.seq;
  else {
    state.turnsSeq = entry.seq;
    if (state.active !== undefined) state.active.lastSeq = entry.seq;
  }
}

/** Drops what the event at `causeSeq` asked for: the log will never take the decision, and says so by a dead letter. */
export function applyGivenUp(state: ChatState, causeSeq: number): void {
  state.waiting = state.waiting.filter((waiting) => waiting.cause.seq !== causeSeq);
  state.commands = state.commands.filter((command) => command.cause.seq !== causeSeq);
  const { active } = state;
  if (active?.parked?.resume !== undefined && (active.parked.cause ?? active.trigger).seq === causeSeq)
    active.parked = undefined;
}

/** True for a task's chat whose turn is over: nothing comes to it any more. */
export function isOver({ channel, active, waiting, commands, recent }: ChatState): boolean {
  if (channel !== "sys" || active !== undefined || waiting.length > 0 || commands.length > 0) return false;
  return recent.length > 0;
}
