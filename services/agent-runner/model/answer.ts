// Collects one model answer within its bounds.
// In: text pieces, argument pieces and tool calls as a provider streams them. Out: the checked text and calls.
// Owns: the bounds. Never: lets a too large or unreadable answer through, shortens one in silence.
import type { ToolCallRequest } from "./port.ts";
import { badResponse, isRecord } from "./server-errors.ts";
import type { ModelServerFacts } from "./server-errors.ts";

// An answer becomes one event; the broker takes payloads of a few MB and a person reads at most some hundred kB.
export const MAX_TEXT_BYTES = 1024 * 1024;
// Over all calls of the step, because they become one event too.
export const MAX_ARGUMENTS_BYTES = 256 * 1024;
// Models ask for a handful at once; more is a loop.
export const MAX_TOOL_CALLS = 32;

export interface Answer {
  /** Takes a piece of text and hands it on. Throws MODEL_BAD_RESPONSE over the bound. */
  addText(piece: string): void;
  /** Counts a piece of arguments before the call is whole. Throws MODEL_BAD_RESPONSE over the bound. */
  addArguments(piece: string): void;
  /** Takes a whole call; `args` is a parsed object, or the JSON text of one ("" means none). */
  addCall(callId: string, name: string, args: unknown): void;
  text(): string;
  /** The calls, checked. `cutOff`: the provider stopped at the output limit, so a broken call is no accident. */
  toolCalls(cutOff: boolean): ToolCallRequest[];
}

/** An empty answer that hands text on to `onText`. */
export function collectAnswer(server: ModelServerFacts, onText: (text: string) => void): Answer {
  const pieces: string[] = [];
  const calls: { callId: string; name: string; args: unknown }[] = [];
  let textBytes = 0;
  let argumentBytes = 0;

  const addArguments = (piece: string) => {
    argumentBytes += Buffer.byteLength(piece);
    if (argumentBytes > MAX_ARGUMENTS_BYTES) throw badResponse(server, "its tool calls are over 256 kB", false);
  };

  return {
    addText(piece) {
      if (piece === "") return;
      textBytes += Buffer.byteLength(piece);
      if (textBytes > MAX_TEXT_BYTES) throw badResponse(server, "its text is over 1 MB", false);
      pieces.push(piece);
      onText(piece);
    },
    addArguments,
    addCall(callId, name, args) {
      if (calls.length === MAX_TOOL_CALLS)
        throw badResponse(server, `it asks for more than ${MAX_TOOL_CALLS} tools at once`, false);
      calls.push({ callId, name, args });
    },
    text: () => pieces.join(""),
    toolCalls(cutOff) {
      const ids = new Set(calls.map((call) => call.callId));
      if (ids.size < calls.length) throw badResponse(server, "two tool calls have the same id");
      return calls.map(({ callId, name, args }) => {
        const parsed = readArguments(args);
        if (parsed !== undefined && name !== "" && callId !== "") return { callId, name, arguments: parsed };
        const why = cutOff ? "the output limit cut a tool call off" : "a tool call's arguments are no JSON object";
        throw badResponse(server, why, !cutOff);
      });
    },
  };
}

function readArguments(args: unknown): Record<string, unknown> | undefined {
  if (args === undefined || args === null || args === "") return {};
  if (typeof args !== "string") return isRecord(args) ? args : undefined;
  try {
    const value = parseJson(args);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** JSON.parse that refuses a `__proto__` key: a model's words must not reach a prototype. Throws SyntaxError. */
export function parseJson(text: string): unknown {
  return JSON.parse(text, (key, value: unknown) => {
    if (key === "__proto__") throw new SyntaxError("__proto__ is no key for data");
    return value;
  });
}

/** How many tool calls the conversation holds already; numbers the next one of providers that give no ids. */
export function countCalls(messages: { role: string; toolCalls?: unknown[] }[]): number {
  return messages.reduce((sum, message) => sum + (message.toolCalls?.length ?? 0), 0);
}
