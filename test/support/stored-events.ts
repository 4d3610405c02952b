/** Stored events for tests of pure code: valid by their schemas, one sequence after the other. */
import { makeEvent, type StoredEvent } from "../../bus/event.ts";
import { deriveId } from "../../bus/ids.ts";
import { encodeToken, lanes, type TurnKey } from "../../bus/subjects.ts";
import { schemaProblem, type DataOf, type MessageType } from "../../schemas/index.ts";

export const NOW_MS = Date.UTC(2026, 0, 1);
export const OWNER = { id: "owner", owner: true };
export const BY = { id: "owner", channel: "web" };
const HERE = { channel: "web", chat: "c" };

/** What places an event, of those that have it. `message` is an object in Steered. */
interface Placing {
  channel?: string;
  chat?: string;
  turn?: string;
  message?: unknown;
  revision?: string;
  command?: string;
  group?: string;
  task?: string;
  epoch?: number;
}

/** Where an event of `type` stands. */
function subjectOf(type: MessageType, data: Placing): string {
  const { channel = "web", chat = "c", revision = "", command, group = "", task, epoch } = data;
  const turn: TurnKey = { channel, chatToken: encodeToken(`token-${chat}`), turn: data.turn ?? "t" };
  const message = typeof data.message === "string" ? data.message : "";
  if (type === "MessageReceived") return lanes.message(channel, chat, message).subject;
  if (type === "MessageEdited") return lanes.edit(channel, chat, message, revision).subject;
  if (type === "MessageDeleted") return lanes.deletion(channel, chat, message, revision).subject;
  if (type === "TurnRequested" || type === "TurnResumed") return lanes.turnRequest(turn).subject;
  if (type === "Steered" || type === "CancelRequested") return lanes.signal(turn).subject;
  if (type === "TurnCompleted" || type === "TurnFailed" || type === "TurnCancelled")
    return lanes.end(turn, "web").subject;
  if (command !== undefined && type !== "CommandRefused") return lanes.command("web", command).subject;
  if (task !== undefined) return lanes.task(group, task).subject;
  if (type === "ChatModelSelected" || type === "CommandRefused") return lanes.chat(channel, chat).subject;
  return epoch === undefined ? lanes.process("test").subject : lanes.step(turn).subject;
}

/** An event of `type` at `seq`. @throws when its data does not fit its schema. */
export function stored<T extends MessageType>(
  type: T,
  seq: number,
  data: DataOf[T],
  more: { causationId?: string; storedAtMs?: number } = {},
): StoredEvent<T> {
  const event = makeEvent(type, deriveId(type, seq), { source: "test", nowMs: NOW_MS }, data);
  const problem = schemaProblem(type, event.version, data);
  if (problem !== undefined) throw new Error(`${type}: ${problem}`);
  const subject = subjectOf(type, data as Placing);
  return { ...event, seq, subject, storedAtMs: NOW_MS + seq, ...more } as unknown as StoredEvent<T>;
}

export function received(
  seq: number,
  message: string,
  more: Partial<DataOf["MessageReceived"]> = {},
): StoredEvent<"MessageReceived"> {
  return stored("MessageReceived", seq, { ...HERE, message, from: OWNER, text: `text of ${message}`, ...more });
}

export function edited(seq: number, message: string, text: string): StoredEvent<"MessageEdited"> {
  return stored("MessageEdited", seq, { ...HERE, message, revision: `r${seq}`, from: OWNER, text });
}

export function deleted(seq: number, message: string): StoredEvent<"MessageDeleted"> {
  return stored("MessageDeleted", seq, { ...HERE, message, revision: `r${seq}`, from: OWNER });
}

/** A turn `turn` that answers `messages`, given as `[message, sequence]`. */
export function requested(
  seq: number,
  turn: string,
  messages: readonly (readonly [string, number])[],
  more: Partial<DataOf["TurnRequested"]> = {},
): StoredEvent<"TurnRequested"> {
  const refs = messages.map(([message, at]) => ({ message, seq: at }));
  const first = refs[0]?.seq ?? 1;
  return stored("TurnRequested", seq, {
    ...HERE,
    turn,
    attempt: 1,
    group: "main",
    trigger: { type: "MessageReceived", id: deriveId("MessageReceived", first), seq: first },
    messages: refs,
    historyFrom: 1,
    replyTo: HERE,
    ...more,
  });
}

export function steered(seq: number, turn: string, message: string, at: number): StoredEvent<"Steered"> {
  return stored("Steered", seq, { ...HERE, turn, message: { message, seq: at } });
}

export function cancelAsked(
  seq: number,
  turn: string,
  reason: "user" | "interrupted" = "user",
): StoredEvent<"CancelRequested"> {
  return stored("CancelRequested", seq, { ...HERE, turn, reason });
}

export function claimed(seq: number, turn: string, epoch: number, runner = "runner/1"): StoredEvent<"TurnClaimed"> {
  return stored("TurnClaimed", seq, {
    ...HERE,
    turn,
    epoch,
    runner,
    reason: epoch === 1 ? "new" : "takeover",
    clock: new Date(NOW_MS).toISOString(),
    model: "demo",
    versions: { code: "1", prompt: "1", tools: "1", policy: "1", config: "1" },
  });
}

type Step = DataOf["TurnCompleted"]["lastStep"];

function stepData(step: number, more: Partial<Step>): Step {
  return {
    step,
    attempt: 1,
    model: "demo",
    requestHash: "h".repeat(43),
    signalsThrough: 0,
    text: "",
    toolCalls: [],
    finishReason: "stop",
    usage: { inputTokens: 3, outputTokens: 2, cachedInputTokens: 0, reasoningTokens: 0 },
    firstTokenMs: 1,
    durationMs: 2,
    ...more,
  };
}

/** A finished model step that calls `tools` (by name) as `s<step>c<index>`. */
export function stepDone(
  seq: number,
  turn: string,
  step: number,
  tools: readonly string[],
  more: Partial<Step> = {},
): StoredEvent<"ModelStepCompleted"> {
  const toolCalls = tools.map((name, index) => ({ callId: `s${step}c${index}`, name, arguments: {} }));
  return stored("ModelStepCompleted", seq, { ...HERE, turn, epoch: 1, ...stepData(step, { toolCalls, ...more }) });
}

export function stepFailed(
  seq: number,
  turn: string,
  attempt: number,
  more: Partial<DataOf["ModelStepFailed"]> = {},
): StoredEvent<"ModelStepFailed"> {
  return stored("ModelStepFailed", seq, {
    ...HERE,
    turn,
    epoch: 1,
    step: 0,
    attempt,
    model: "demo",
    requestHash: "h".repeat(43),
    code: "MODEL_TIMEOUT",
    message: "it is silent",
    retryable: true,
    durationMs: 1,
    ...more,
  });
}

export function toolCalled(
  seq: number,
  turn: string,
  callId: string,
  effect: DataOf["ToolCalled"]["effect"],
): StoredEvent<"ToolCalled"> {
  const data = { ...HERE, turn, epoch: 1, step: 0, callId, name: "tool", arguments: {}, effect };
  return stored("ToolCalled", seq, data);
}

export function toolDone(
  seq: number,
  turn: string,
  callId: string,
  outcome: DataOf["ToolCompleted"]["outcome"] = "ok",
): StoredEvent<"ToolCompleted"> {
  const data = { ...HERE, turn, epoch: 1, step: 0, callId, name: "tool", outcome, result: `${callId} done` };
  return stored("ToolCompleted", seq, { ...data, durationMs: 1 });
}

export function parked(seq: number, turn: string, resumeAt?: string): StoredEvent<"TurnParked"> {
  const waitingFor = resumeAt === undefined ? "approval" : "timer";
  return stored("TurnParked", seq, { ...HERE, turn, epoch: 1, waitingFor, ...(resumeAt ? { resumeAt } : {}) });
}

export function resumed(seq: number, turn: string): StoredEvent<"TurnResumed"> {
  return stored("TurnResumed", seq, { ...HERE, turn, reason: "timer" });
}

export function completed(
  seq: number,
  turn: string,
  answers: string[],
  text = "the answer",
): StoredEvent<"TurnCompleted"> {
  const data = { ...HERE, turn, epoch: 1, reply: "r", replyTo: HERE, text, answers, lastStep: stepData(0, { text }) };
  return stored("TurnCompleted", seq, data);
}

export function failed(seq: number, turn: string, answers: string[]): StoredEvent<"TurnFailed"> {
  const data = { ...HERE, turn, epoch: 1, reply: "r", replyTo: HERE, code: "MODEL_AUTH", text: "it failed", answers };
  return stored("TurnFailed", seq, data);
}

export function stopped(
  seq: number,
  turn: string,
  answers: string[],
  partialText = "half",
): StoredEvent<"TurnCancelled"> {
  const data = { ...HERE, turn, epoch: 1, reply: "r", replyTo: HERE, reason: "user" as const, partialText, answers };
  return stored("TurnCancelled", seq, data);
}
