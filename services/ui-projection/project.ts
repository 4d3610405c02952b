/**
 * The projection of the log into views. Pure: rows and an event in, rows out. Deliveries twice over are harmless, because a
 * row remembers the last sequence that changed it.
 */
import type { StoredEvent } from "../../bus/event.ts";
import type { ChatView, ItemView, MessageView, StepView, TurnState, TurnView } from "../../schemas/views.ts";

/** A row of the read model; `view` is what readers get. */
export type Row =
  | {
      readonly key: string;
      readonly kind: "chat";
      readonly channel: string;
      readonly chat: string;
      readonly view: ChatView;
    }
  | {
      readonly key: string;
      readonly kind: "item";
      readonly channel: string;
      readonly chat: string;
      readonly view: ItemView;
    }
  /** An edit or deletion that came before its message. */
  | {
      readonly key: string;
      readonly kind: "early";
      readonly channel: string;
      readonly chat: string;
      readonly view: EarlyEdit;
    };

interface EarlyEdit {
  readonly changedSeq: number;
  readonly text?: string | undefined;
  readonly deleted: boolean;
}

export interface Rows {
  get(key: string): Row | undefined;
}

const MAX_TITLE_CHARS = 60;
/** What a view shows of a step: it must fit a message of the broker with all its steps; the event holds the whole. */
const MAX_STEP_CHARS = 2_000;
/** Steps a view shows; the newest. */
const MAX_STEPS = 100;

/** What the model said before the end of a turn; a turn has few of these. */
const MAX_TEXT_CHARS = 16_000;

function shown(text: string, maxChars = MAX_STEP_CHARS): string {
  return text.length > maxChars ? `${text.slice(0, maxChars)}… (cut here; the event holds the whole)` : text;
}

function shownArguments(args: Record<string, unknown>): Record<string, unknown> {
  const text = JSON.stringify(args);
  return text.length > MAX_STEP_CHARS ? { cut: shown(text) } : args;
}

export const chatKey = (channel: string, chat: string): string => `c:${channel}/${chat}`;
export const messageKey = (channel: string, chat: string, message: string): string => `m:${channel}/${chat}/${message}`;
export const turnKey = (turn: string): string => `t:${turn}`;
const earlyKey = (channel: string, chat: string, message: string): string => `e:${channel}/${chat}/${message}`;

interface Place {
  readonly channel: string;
  readonly chat: string;
}

/** Where the reader sees what the event says: the chat itself, or the one a task answers to. */
export function placeOf(event: StoredEvent, rows: Rows): Place | undefined {
  if ("replyTo" in event.data) return event.data.replyTo;
  if ("turn" in event.data && typeof event.data.turn === "string") {
    const row = rows.get(turnKey(event.data.turn));
    if (row !== undefined) return { channel: row.channel, chat: row.chat };
  }
  if (event.type === "TimerFired") {
    const row = rows.get(turnKey(event.data.parked.turn));
    return row === undefined ? undefined : { channel: row.channel, chat: row.chat };
  }
  const { channel, chat } = event.data as { channel?: string; chat?: string };
  return channel !== undefined && chat !== undefined ? { channel, chat } : undefined;
}

/** Keys whose rows `project` may read for this event, besides its chat's. */
export function keysOf(event: StoredEvent): string[] {
  const { type, data } = event;
  const keys: string[] = [];
  if ("turn" in data && typeof data.turn === "string") keys.push(turnKey(data.turn));
  if (type === "TimerFired") keys.push(turnKey(data.parked.turn));
  if (type === "TurnRequested" && data.retryOf !== undefined) keys.push(turnKey(data.retryOf));
  if ("channel" in data && "chat" in data && data.channel !== undefined && data.chat !== undefined) {
    keys.push(chatKey(data.channel, data.chat));
    const messages: string[] = "message" in data && typeof data.message === "string" ? [data.message] : [];
    if (type === "Steered") messages.push(data.message.message);
    if (type === "TurnRequested") messages.push(...data.messages.map((ref) => ref.message));
    for (const message of messages) {
      keys.push(messageKey(data.channel, data.chat, message), earlyKey(data.channel, data.chat, message));
    }
  }
  if ("replyTo" in data) keys.push(chatKey(data.replyTo.channel, data.replyTo.chat));
  return keys;
}

function emptyChat(place: Place, at: string): ChatView {
  return { ...place, title: "New conversation", lastText: "", lastAt: at, running: false, changedSeq: 0 };
}

function at(event: StoredEvent): string {
  return new Date(event.storedAtMs).toISOString();
}

/** Folds one event: the rows that change. */
export function project(event: StoredEvent, rows: Rows): Row[] {
  const place = placeOf(event, rows);
  if (place === undefined || place.channel === "sys") return [];
  const changed = projectItems(event, place, rows);
  const known = rows.get(chatKey(place.channel, place.chat));
  const chat = known?.kind === "chat" ? known.view : emptyChat(place, at(event));
  if (chat.changedSeq >= event.seq) return [];
  const view = { ...projectChat(chat, event), changedSeq: event.seq };
  return [...changed, { key: chatKey(place.channel, place.chat), kind: "chat", ...place, view }];
}

function projectChat(chat: ChatView, event: StoredEvent): ChatView {
  switch (event.type) {
    case "MessageReceived": {
      const line = event.data.text.replaceAll(/\s+/g, " ").trim();
      const title = chat.title === "New conversation" && line !== "" ? line.slice(0, MAX_TITLE_CHARS) : chat.title;
      return { ...chat, title, lastText: line.slice(0, 120), lastAt: at(event) };
    }
    case "TurnRequested":
      return { ...chat, running: true };
    case "TurnCompleted":
      return {
        ...chat,
        running: false,
        lastText: event.data.text.replaceAll(/\s+/g, " ").slice(0, 120),
        lastAt: at(event),
      };
    case "TurnFailed":
    case "TurnCancelled":
      return { ...chat, running: false };
    case "ChatModelSelected":
      return { ...chat, model: event.data.model };
    default:
      return chat;
  }
}

function projectItems(event: StoredEvent, place: Place, rows: Rows): Row[] {
  switch (event.type) {
    case "MessageReceived":
      return receive(event, place, rows);
    case "MessageEdited":
    case "MessageDeleted":
      return revise(event, place, rows);
    case "TurnRequested":
      return openTurn(event, place, rows);
    case "Steered": {
      const turn = changeTurn(event, rows, (view) => ({
        ...view,
        steps: [...view.steps, { type: "steered", message: event.data.message.message }],
      }));
      return [...turn, ...joinTurn(event, event.data.turn, [event.data.message.message], rows)];
    }
    default:
      return changeTurn(event, rows, (view) => turnAfter(view, event));
  }
}

function receive(event: StoredEvent<"MessageReceived">, place: Place, rows: Rows): Row[] {
  const { message, from, text } = event.data;
  const key = messageKey(place.channel, place.chat, message);
  if (rows.get(key) !== undefined) return [];
  const early = rows.get(earlyKey(place.channel, place.chat, message));
  const edit = early?.kind === "early" ? early.view : undefined;
  const view: MessageView = {
    kind: "message",
    key,
    seq: event.seq,
    changedSeq: event.seq,
    message,
    fromName: from.name ?? from.id,
    owner: from.owner,
    text: edit?.deleted === true ? "" : (edit?.text ?? text),
    edited: edit?.text !== undefined,
    deleted: edit?.deleted ?? false,
    at: at(event),
  };
  return [{ key, kind: "item", ...place, view }];
}

function revise(event: StoredEvent<"MessageEdited"> | StoredEvent<"MessageDeleted">, place: Place, rows: Rows): Row[] {
  const { message } = event.data;
  const deleted = event.type === "MessageDeleted";
  const key = messageKey(place.channel, place.chat, message);
  const row = rows.get(key);
  if (row?.kind !== "item" || row.view.kind !== "message") {
    const key = earlyKey(place.channel, place.chat, message);
    const before = rows.get(key);
    // Taken back stays taken back, whatever comes in which order.
    const gone = deleted || (before?.kind === "early" && before.view.deleted);
    const view = { changedSeq: event.seq, text: gone ? undefined : event.data.text, deleted: gone };
    return [{ key, kind: "early", ...place, view }];
  }
  if (row.view.changedSeq >= event.seq || (row.view.deleted && !deleted)) return [];
  const view = deleted
    ? { ...row.view, text: "", deleted: true, changedSeq: event.seq }
    : { ...row.view, text: event.data.text, edited: true, changedSeq: event.seq };
  return [{ ...row, view }];
}

function joinTurn(event: StoredEvent, turn: string, messages: readonly string[], rows: Rows): Row[] {
  const { channel, chat } = event.data as Place;
  return messages.flatMap((message) => {
    const row = rows.get(messageKey(channel, chat, message));
    if (row?.kind !== "item" || row.view.kind !== "message" || row.view.changedSeq >= event.seq) return [];
    return [{ ...row, view: { ...row.view, turn, changedSeq: event.seq } }];
  });
}

function openTurn(event: StoredEvent<"TurnRequested">, place: Place, rows: Rows): Row[] {
  const { turn, attempt, messages, model } = event.data;
  const key = turnKey(turn);
  if (rows.get(key) !== undefined) return [];
  const view: TurnView = {
    kind: "turn",
    key,
    seq: event.seq,
    changedSeq: event.seq,
    turn,
    attempt,
    state: "queued",
    epoch: 0,
    model: model ?? "",
    steps: [],
    text: "",
    startedAt: at(event),
    inputTokens: 0,
    outputTokens: 0,
  };
  const refs = messages.map((ref) => ref.message);
  return [...supersede(event, rows), { key, kind: "item", ...place, view }, ...joinTurn(event, turn, refs, rows)];
}

/** A later attempt replaces the turn before. */
function supersede(event: StoredEvent<"TurnRequested">, rows: Rows): Row[] {
  const { retryOf } = event.data;
  const row = retryOf === undefined ? undefined : rows.get(turnKey(retryOf));
  if (row?.kind !== "item" || row.view.kind !== "turn") return [];
  return [{ ...row, view: { ...row.view, state: "superseded", changedSeq: event.seq } }];
}

function changeTurn(event: StoredEvent, rows: Rows, change: (view: TurnView) => TurnView): Row[] {
  const { turn } = event.data as { turn?: string };
  const row = turn === undefined ? undefined : rows.get(turnKey(turn));
  if (row?.kind !== "item" || row.view.kind !== "turn" || row.view.changedSeq >= event.seq) return [];
  return [{ ...row, view: { ...change(row.view), changedSeq: event.seq } }];
}

function counted(view: TurnView, usage: { inputTokens: number; outputTokens: number }): TurnView {
  return {
    ...view,
    inputTokens: view.inputTokens + usage.inputTokens,
    outputTokens: view.outputTokens + usage.outputTokens,
  };
}

function ended(view: TurnView, event: StoredEvent, state: TurnState, text: string): TurnView {
  return { ...view, state, text, endedAt: at(event) };
}

function turnAfter(view: TurnView, event: StoredEvent): TurnView {
  const add = (step: StepView): TurnView => ({ ...view, steps: [...view.steps, step].slice(-MAX_STEPS) });
  switch (event.type) {
    case "TurnClaimed":
      return { ...view, state: "running", epoch: event.data.epoch, model: event.data.model };
    case "ModelStepCompleted": {
      const { step, text, usage } = event.data;
      const next = counted(text === "" ? view : add({ type: "text", step, text: shown(text, MAX_TEXT_CHARS) }), usage);
      return { ...next, state: "running" };
    }
    case "ModelStepFailed": {
      const { attempt, code, message, retryAfterMs } = event.data;
      const step = {
        type: "retry" as const,
        attempt,
        code,
        message,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      };
      return { ...add(step), state: "retrying" };
    }
    case "ToolCalled": {
      const { step, callId, name, arguments: args } = event.data;
      return {
        ...add({ type: "tool", step, callId, name, arguments: shownArguments(args), state: "running" }),
        state: "running",
      };
    }
    case "ToolCompleted": {
      const { callId, outcome, result, durationMs } = event.data;
      const steps = view.steps.map((step) =>
        step.type === "tool" && step.callId === callId
          ? { ...step, state: outcome, result: shown(result), durationMs }
          : step,
      );
      return { ...view, steps };
    }
    case "TurnParked":
      // A turn that waits for its provider goes on by itself; only an approval waits for a person.
      return { ...view, state: event.data.waitingFor === "approval" ? "waiting" : "retrying" };
    case "TurnResumed":
      return { ...view, state: "queued" };
    case "SendRequested":
      return add({ type: "said", text: shown(event.data.text, MAX_TEXT_CHARS) });
    case "TurnCompleted":
      return counted(ended(view, event, "completed", event.data.text), event.data.lastStep.usage);
    case "TurnFailed":
      return { ...ended(view, event, "failed", event.data.text), code: event.data.code };
    case "TurnCancelled":
      return ended(view, event, "cancelled", event.data.partialText);
    default:
      return view;
  }
}
