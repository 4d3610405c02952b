/** The router's decider: what a chat's state asks for next. Pure: no I/O, clock or random; ids come from `mint`. */
import type { DataOf } from "../../schemas/index.ts";
import {
  firstSeqOf,
  type ActiveTurn,
  type CauseRef,
  type ChatState,
  type QueueMode,
  type TurnRecord,
  type Waiting,
} from "./state.ts";

export interface RouterSettings {
  /** What a message does while a turn runs, when neither it nor its chat says. */
  readonly queueMode: QueueMode;
}

/** Makes the unguessable token of a turn from its triggering event and attempt. */
export type TurnMint = (triggerId: string, attempt: number) => string;

/** One event to append. `fence` names what its lane is guarded by; `expected` is that fence's last sequence. */
export type Decision =
  | { lane: "request"; type: "TurnRequested"; expected: number; cause: CauseRef; data: DataOf["TurnRequested"] }
  | { lane: "resume"; type: "TurnResumed"; expected: number; cause: CauseRef; data: DataOf["TurnResumed"] }
  | { lane: "signal"; type: "Steered"; expected: number; cause: CauseRef; data: DataOf["Steered"] }
  | { lane: "signal"; type: "CancelRequested"; expected: number; cause: CauseRef; data: DataOf["CancelRequested"] }
  | { lane: "chat"; type: "ChatModelSelected"; expected: number; cause: CauseRef; data: DataOf["ChatModelSelected"] }
  | { lane: "chat"; type: "CommandRefused"; expected: number; cause: CauseRef; data: DataOf["CommandRefused"] };

/** The schema's bound of attempts. */
const MAX_ATTEMPTS = 1_000;
const MODEL_FORM = /^(demo(:[a-z0-9-]+)?|(anthropic|openai|ollama):.+)$/;

/** Messages one turn may answer: the schema's bound; the rest opens the next turn. */
const MAX_MESSAGES_PER_TURN = 256;

/** The next event this chat needs, undefined when it needs none. */
export function decideChat(state: ChatState, settings: RouterSettings, mint: TurnMint): Decision | undefined {
  return decideCommand(state, mint) ?? decideResume(state) ?? decideWaiting(state, settings, mint);
}

function refuse(state: ChatState, code: string, message: string): Decision | undefined {
  const command = state.commands[0];
  if (command === undefined) return undefined;
  return {
    lane: "chat",
    type: "CommandRefused",
    expected: state.factsSeq,
    cause: command.cause,
    data: {
      command: command.command,
      commandType: command.type,
      code,
      message,
      channel: state.channel,
      chat: state.chat,
    },
  };
}

function decideCommand(state: ChatState, mint: TurnMint): Decision | undefined {
  const command = state.commands[0];
  if (command === undefined) return undefined;
  const { channel, chat, active } = state;
  if (command.type === "SelectChatModel" && !MODEL_FORM.test(command.model))
    return refuse(state, "REQUEST_INVALID", "A model is demo, anthropic:<id>, openai:<id> or ollama:<id>.");
  if (command.type === "SelectChatModel") {
    return {
      lane: "chat",
      type: "ChatModelSelected",
      expected: state.factsSeq,
      cause: command.cause,
      data: { channel, chat, model: command.model, by: command.by },
    };
  }
  if (command.type === "CancelTurn") {
    if (active === undefined || (command.turn !== undefined && command.turn !== active.turn))
      return refuse(state, "TURN_NOT_RUNNING", "There is no such turn running in this chat.");
    const data = { channel, chat, turn: active.turn, reason: "user" as const, by: command.by };
    return { lane: "signal", type: "CancelRequested", expected: active.lastSeq, cause: command.cause, data };
  }
  if (active !== undefined) return refuse(state, "TURN_STILL_RUNNING", "A turn still runs in this chat.");
  const last = state.recent.at(-1);
  if (last === undefined || last.turn !== command.turn)
    return refuse(state, "TURN_UNKNOWN", "Only the last turn of a chat can be asked again.");
  const again = { ...last, attempt: last.attempt + 1, model: undefined, retryOf: last.turn };
  if (again.attempt > MAX_ATTEMPTS) return refuse(state, "REQUEST_INVALID", "This was asked again too often.");
  return requestTurn(state, again, command.cause, mint);
}

function decideResume(state: ChatState): Decision | undefined {
  const { active, channel, chat } = state;
  if (active?.parked?.resume === undefined) return undefined;
  return {
    lane: "resume",
    type: "TurnResumed",
    expected: active.lastSeq,
    cause: active.parked.cause ?? active.trigger,
    data: { channel, chat, turn: active.turn, reason: active.parked.resume },
  };
}

function decideWaiting(state: ChatState, settings: RouterSettings, mint: TurnMint): Decision | undefined {
  const first = state.waiting[0];
  if (first === undefined) return undefined;
  const { active } = state;
  if (active === undefined) return openTurn(state, first, mint);
  // Who interrupts or stops a turn does not want it to go on with more.
  if (active.cancelRequested) return undefined;
  const modeOf = (waiting: Waiting): QueueMode => waiting.mode ?? settings.queueMode;
  // Also one that stands behind others: they are answered together in the next turn.
  const interrupting = state.waiting.find((waiting) => waiting.task === undefined && modeOf(waiting) === "interrupt");
  if (interrupting !== undefined) {
    const { channel, chat } = state;
    const data = { channel, chat, turn: active.turn, reason: "interrupted" as const };
    return { lane: "signal", type: "CancelRequested", expected: active.lastSeq, cause: interrupting.cause, data };
  }
  // I4: nobody overtakes. A task has a chat of its own and a model of its own cannot join a turn: both wait for its end.
  const joins = first.task === undefined && first.model === undefined && modeOf(first) === "steer";
  return joins ? decideSteer(state, active, first) : undefined;
}

function decideSteer(state: ChatState, active: ActiveTurn, waiting: Waiting): Decision | undefined {
  const { channel, chat } = state;
  if (active.messages.length >= MAX_MESSAGES_PER_TURN) return undefined;
  const data = { channel, chat, turn: active.turn, message: waiting.ref };
  return { lane: "signal", type: "Steered", expected: active.lastSeq, cause: waiting.cause, data };
}

function openTurn(state: ChatState, first: Waiting, mint: TurnMint): Decision {
  const { channel, chat } = state;
  // In their order (I4): the first that cannot share the turn ends the row.
  const other = state.waiting.findIndex((waiting) => waiting.task !== undefined || waiting.model !== first.model);
  const row = state.waiting.slice(0, other === -1 ? MAX_MESSAGES_PER_TURN : Math.min(other, MAX_MESSAGES_PER_TURN));
  const messages = first.task === undefined ? row.map((waiting) => waiting.ref) : [];
  const record = {
    attempt: 1,
    trigger: first.cause,
    firstSeq: firstSeqOf(state, messages) ?? first.cause.seq,
    messages,
    group: first.task?.group ?? "main",
    replyTo: first.task?.replyTo ?? { channel, chat },
    prompt: first.task?.text,
    model: first.model,
  };
  return requestTurn(state, record, first.cause, mint);
}

function requestTurn(
  state: ChatState,
  record: Omit<TurnRecord, "turn"> & { model: string | undefined; retryOf?: string },
  cause: CauseRef,
  mint: TurnMint,
): Decision {
  const { channel, chat } = state;
  const { type, id, seq } = record.trigger;
  const model = record.model ?? state.model;
  return {
    lane: "request",
    type: "TurnRequested",
    expected: state.turnsSeq,
    cause,
    data: {
      channel,
      chat,
      turn: mint(record.trigger.id, record.attempt),
      attempt: record.attempt,
      group: record.group,
      trigger: { type, id, seq },
      messages: record.messages,
      historyFrom: Math.min(record.firstSeq, state.recent[0]?.firstSeq ?? record.firstSeq),
      replyTo: record.replyTo,
      ...(model === undefined ? {} : { model }),
      ...(record.prompt === undefined ? {} : { prompt: record.prompt }),
      ...(record.retryOf === undefined ? {} : { retryOf: record.retryOf }),
    },
  };
}
