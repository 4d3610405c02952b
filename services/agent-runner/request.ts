/** The full model request of a step, from log content alone. Pure, so that a replay builds the same bytes. */
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import type { Journal } from "./journal.ts";
import type { ModelMessage, ModelRequest, ToolSpec } from "./model/port.ts";

/** Characters of earlier conversation a request carries: about 15,000 tokens; older turns are left out whole. */
const MAX_HISTORY_CHARS = 60_000;

export interface RequestParts {
  readonly journal: Journal;
  /** Events of the chat's conversation from `historyFrom` to the TurnRequested, in order. */
  readonly history: readonly LogEntry[];
  /** The steered messages, in order of steering. */
  readonly steered: readonly SteeredText[];
  readonly systemPrompt: string;
  readonly tools: readonly ToolSpec[];
  readonly maxOutputTokens: number;
}

/** A steered message; no text when it was taken back. */
export interface SteeredText {
  /** Sequence of its Steered. */
  readonly seq: number;
  readonly text: string | undefined;
}

interface Message {
  text: string;
  deleted: boolean;
}

type End = StoredEvent<"TurnCompleted"> | StoredEvent<"TurnFailed"> | StoredEvent<"TurnCancelled">;

/** Messages by platform id with their newest text; an edit or deletion counts wherever it stands. */
function foldMessages(entries: readonly LogEntry[]): Map<string, Message> {
  const messages = new Map<string, Message>();
  const revised = new Map<string, string>();
  for (const entry of entries) {
    if (entry.type === "MessageReceived") {
      const text = revised.get(entry.data.message) ?? entry.data.text;
      const before = messages.get(entry.data.message);
      messages.set(entry.data.message, { text, deleted: before?.deleted ?? false });
    }
    if (entry.type === "MessageEdited") {
      revised.set(entry.data.message, entry.data.text);
      const message = messages.get(entry.data.message);
      if (message !== undefined) message.text = entry.data.text;
    }
    if (entry.type === "MessageDeleted") messages.set(entry.data.message, { text: "", deleted: true });
  }
  return messages;
}

/** The newest text of one message among `entries`, undefined when it is deleted or not there. */
export function textOf(message: string, entries: readonly LogEntry[]): string | undefined {
  const found = foldMessages(entries).get(message);
  return found === undefined || found.deleted ? undefined : found.text;
}

function textsOf(ids: readonly string[], messages: ReadonlyMap<string, Message>): ModelMessage[] {
  return ids.flatMap((id) => {
    const message = messages.get(id);
    return message === undefined || message.deleted ? [] : [{ role: "user" as const, text: message.text }];
  });
}

function answerOf(end: End): ModelMessage[] {
  if (end.type === "TurnCompleted") return [{ role: "assistant", text: end.data.text, toolCalls: [] }];
  if (end.type === "TurnCancelled" && end.data.partialText !== "")
    return [{ role: "assistant", text: `${end.data.partialText}\n[stopped by the user]`, toolCalls: [] }];
  return [];
}

/** Ended turns of the history, each as its messages; attempts that a later one answers again are left out. */
function earlierTurns(parts: RequestParts, messages: ReadonlyMap<string, Message>): ModelMessage[][] {
  const answeredNow = new Set(parts.journal.request.data.messages.map((ref) => ref.message));
  const byFirst = new Map<string, End>();
  for (const entry of parts.history) {
    if (entry.type !== "TurnCompleted" && entry.type !== "TurnFailed" && entry.type !== "TurnCancelled") continue;
    const [first] = entry.data.answers;
    if (first === undefined || answeredNow.has(first)) continue;
    byFirst.delete(first);
    byFirst.set(first, entry);
  }
  return [...byFirst.values()].map((end) => [...textsOf(end.data.answers, messages), ...answerOf(end)]);
}

function withinBudget(turns: readonly ModelMessage[][]): ModelMessage[] {
  const kept: ModelMessage[][] = [];
  let chars = 0;
  for (const turn of turns.toReversed()) {
    chars += turn.reduce((sum, message) => sum + message.text.length, 0);
    if (chars > MAX_HISTORY_CHARS) break;
    kept.unshift(turn);
  }
  return kept.flat();
}

/** What this turn did so far, with steered messages where the model first saw them. */
function ownSteps(parts: RequestParts): ModelMessage[] {
  const { journal } = parts;
  const messages: ModelMessage[] = [];
  let through = 0;
  const steeredBetween = (from: number, to: number): void => {
    for (const { seq, text } of parts.steered)
      if (seq > from && seq <= to && text !== undefined) messages.push({ role: "user", text });
  };
  for (const step of journal.steps) {
    steeredBetween(through, step.signalsThrough);
    through = Math.max(through, step.signalsThrough);
    messages.push({ role: "assistant", text: step.text, toolCalls: step.toolCalls });
    for (const call of step.toolCalls) {
      const result = journal.tools.get(call.callId)?.result;
      messages.push({
        role: "tool",
        callId: call.callId,
        name: call.name,
        text: result?.text ?? "",
        isError: result !== undefined && result.outcome !== "ok",
      });
    }
  }
  steeredBetween(through, Number.MAX_SAFE_INTEGER);
  return messages;
}

export function buildRequest(parts: RequestParts): ModelRequest {
  const { journal } = parts;
  const { claim, request } = journal;
  if (claim === undefined) throw new Error("a turn is asked before it is claimed");
  const messages = foldMessages(parts.history);
  const asked: ModelMessage[] =
    request.data.prompt === undefined
      ? textsOf(
          request.data.messages.map((ref) => ref.message),
          messages,
        )
      : [{ role: "user", text: request.data.prompt }];
  return {
    model: claim.data.model,
    system: `${parts.systemPrompt}\nThe time is ${claim.data.clock}.`,
    messages: [...withinBudget(earlierTurns(parts, messages)), ...asked, ...ownSteps(parts)],
    tools: [...parts.tools],
    maxOutputTokens: parts.maxOutputTokens,
  };
}
