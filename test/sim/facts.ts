/** What the log says, folded by other code than the system's own, so that one mistake is not made twice. */
import type { LogEntry, StoredEvent } from "../../bus/event.ts";

export type End = StoredEvent<"TurnCompleted"> | StoredEvent<"TurnFailed"> | StoredEvent<"TurnCancelled">;

export interface TurnFacts {
  readonly turn: string;
  readonly place: string;
  /** All of the turn's events, in order; the first is its TurnRequested. */
  readonly events: LogEntry[];
  readonly request: StoredEvent<"TurnRequested">;
  readonly ends: End[];
  readonly steered: StoredEvent<"Steered">[];
}

export interface MessageFacts {
  readonly place: string;
  readonly message: string;
  receivedSeq: number;
  deletedSeq: number;
  /** Edits in log order. */
  readonly edits: { readonly seq: number; readonly revision: string }[];
}

export interface Facts {
  lastSeq: number;
  readonly entries: LogEntry[];
  readonly turns: Map<string, TurnFacts>;
  /** By `<channel>/<chat>/<message>`. */
  readonly messages: Map<string, MessageFacts>;
  /** By event id. */
  readonly commands: Map<string, { readonly event: StoredEvent; done: number; refused: number }>;
  readonly tasks: Map<string, { readonly scheduled: StoredEvent<"TaskScheduled">; fired: number; cancelled: number }>;
  readonly fires: StoredEvent<"TaskFired">[];
}

export function newFacts(): Facts {
  return {
    lastSeq: 0,
    entries: [],
    turns: new Map(),
    messages: new Map(),
    commands: new Map(),
    tasks: new Map(),
    fires: [],
  };
}

export const placeOf = (data: { channel: string; chat: string }): string => `${data.channel}/${data.chat}`;

function messageOf(facts: Facts, data: { channel: string; chat: string; message: string }): MessageFacts {
  const place = placeOf(data);
  const key = `${place}/${data.message}`;
  const known = facts.messages.get(key) ?? { place, message: data.message, receivedSeq: 0, deletedSeq: 0, edits: [] };
  facts.messages.set(key, known);
  return known;
}

export function learn(facts: Facts, entry: LogEntry): void {
  facts.entries.push(entry);
  facts.lastSeq = entry.seq;
  if (entry.type === "unreadable") return;
  const answered = facts.commands.get(entry.causationId ?? "");
  const answers = ["CancelRequested", "ChatModelSelected", "TaskScheduled", "TaskCancelled"];
  const retried = entry.type === "TurnRequested" && entry.data.retryOf !== undefined;
  if (answered !== undefined && (answers.includes(entry.type) || retried)) answered.done++;
  if (answered !== undefined && entry.type === "CommandRefused") answered.refused++;
  switch (entry.type) {
    case "MessageReceived":
      messageOf(facts, entry.data).receivedSeq = entry.seq;
      return;
    case "MessageEdited":
      messageOf(facts, entry.data).edits.push({ seq: entry.seq, revision: entry.data.revision });
      return;
    case "MessageDeleted":
      messageOf(facts, entry.data).deletedSeq ||= entry.seq;
      return;
    case "CancelTurn":
    case "RetryTurn":
    case "SelectChatModel":
    case "ScheduleTask":
    case "CancelTask":
      facts.commands.set(entry.id, { event: entry, done: 0, refused: 0 });
      return;
    case "TaskScheduled":
      facts.tasks.set(entry.data.task, { scheduled: entry, fired: 0, cancelled: 0 });
      return;
    case "TaskFired": {
      facts.fires.push(entry);
      const task = facts.tasks.get(entry.data.task);
      if (task !== undefined) task.fired++;
      return;
    }
    case "TaskCancelled": {
      const task = facts.tasks.get(entry.data.task);
      if (task !== undefined) task.cancelled++;
      return;
    }
    default:
      learnTurn(facts, entry);
  }
}

function learnTurn(facts: Facts, entry: StoredEvent): void {
  if (!entry.subject.startsWith("log.turn.")) return;
  const { turn } = entry.data as { turn: string };
  const known = facts.turns.get(turn);
  if (known === undefined) {
    if (entry.type !== "TurnRequested") return;
    facts.turns.set(turn, { turn, place: placeOf(entry.data), events: [entry], request: entry, ends: [], steered: [] });
    return;
  }
  known.events.push(entry);
  if (entry.type === "Steered") known.steered.push(entry);
  if (entry.type === "TurnCompleted" || entry.type === "TurnFailed" || entry.type === "TurnCancelled")
    known.ends.push(entry);
}

/** What the system still owes; empty when everything asked for has its outcome. */
export function openMatters(facts: Facts): string[] {
  const open: string[] = [];
  const named = new Set<string>();
  const triggers = new Set<string>();
  for (const { turn, place, request, ends, steered } of facts.turns.values()) {
    if (ends.length === 0) open.push(`turn ${turn} of ${place} (seq ${request.seq}) has no end`);
    triggers.add(request.data.trigger.id);
    for (const { message } of [...request.data.messages, ...steered.map((one) => one.data.message)])
      named.add(`${place}/${message}`);
  }
  for (const [key, { receivedSeq, deletedSeq }] of facts.messages)
    if (receivedSeq > 0 && deletedSeq === 0 && !named.has(key)) open.push(`message ${key} (seq ${receivedSeq}) waits`);
  for (const { event, done, refused } of facts.commands.values())
    if (done + refused === 0) open.push(`${event.type} (seq ${event.seq}) is not answered`);
  for (const [task, { fired, cancelled }] of facts.tasks)
    if (fired + cancelled === 0) open.push(`task ${task} neither fired nor was cancelled`);
  for (const fire of facts.fires) if (!triggers.has(fire.id)) open.push(`the fire at seq ${fire.seq} has no turn`);
  return open;
}
