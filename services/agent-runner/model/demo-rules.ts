// What the demo model answers: simple rules over the conversation, no AI.
// In: a ModelRequest. Out: the step it takes next (tool calls with a text, or a final text). Pure.
// Owns: the rules. Never: claims to be more than it is.
import { countCalls } from "./answer.ts";
import type { ModelMessage, ModelRequest, ToolCallRequest, ToolSpec } from "./port.ts";

export interface DemoStep {
  text: string;
  toolCalls: ToolCallRequest[];
}

interface Wish {
  tool: "time" | "echo" | "remember" | "recall";
  /** What the tool is given; "" for tools that take nothing. */
  text: string;
}

const SELF = "I am Taffrail's demo model: simple rules, no AI.";
const TRY = 'Try "what time is it", "echo hi", "remember milk", "what do you remember" or "count to 20".';
// A count is for watching a stream, not for filling a log.
const MAX_COUNT = 1000;

const WISHES: { pattern: RegExp; tool: Wish["tool"] }[] = [
  { pattern: /^(?:what(?:'s| is) the time|what time is it|(?:the )?time)(?: now)?(?: please)?$/i, tool: "time" },
  { pattern: /^echo\s+(?<text>[\s\S]+)$/i, tool: "echo" },
  { pattern: /^what (?:do|did) you (?:remember|note)$|^(?:show )?(?:my |your )?notes$|^recall$/i, tool: "recall" },
  { pattern: /^(?:please )?(?:remember|note)(?: that)?:?\s+(?<text>[\s\S]+)$/i, tool: "remember" },
];

/** The next step of the turn at the end of `request.messages`. The same request gives the same step. */
export function nextStep(request: ModelRequest): DemoStep {
  const { said, results } = readTurn(request.messages);
  const wishes = said.flatMap(readWishes);
  const wish = wishes[results.length];
  if (wish === undefined) return { text: finalText(said, results), toolCalls: [] };
  const spec = request.tools.find((tool) => tool.name === wish.tool);
  if (spec === undefined)
    return { text: `${SELF} I would use the tool "${wish.tool}" here, but I was not given it.`, toolCalls: [] };
  const call: ToolCallRequest = {
    callId: `call_${countCalls(request.messages) + 1}`,
    name: wish.tool,
    arguments: wish.text === "" ? {} : { [firstTextParameter(spec)]: wish.text },
  };
  return { text: "", toolCalls: [call] };
}

type ToolResult = Extract<ModelMessage, { role: "tool" }>;

/** The running turn: what was said and which tools answered since the last answer that asked for no tool. */
function readTurn(messages: ModelMessage[]): { said: string[]; results: ToolResult[] } {
  const lastEnd = messages.findLastIndex((message) => message.role === "assistant" && message.toolCalls.length === 0);
  const turn = messages.slice(lastEnd + 1);
  return {
    said: turn.flatMap((message) => (message.role === "user" ? [message.text.trim()] : [])),
    results: turn.filter((message) => message.role === "tool"),
  };
}

/** The tools a text asks for, in order. "echo a then b" is one wish: "b" alone asks for nothing. */
function readWishes(said: string): Wish[] {
  const parts: string[] = [];
  for (const part of said.split(/[\s,;.]*\bthen\b\s*/i)) {
    if (parts.length > 0 && readWish(part) === undefined) parts.push(`${parts.pop() ?? ""} then ${part}`);
    else parts.push(part);
  }
  return parts.flatMap((part) => readWish(part) ?? []);
}

function readWish(part: string): Wish | undefined {
  const plain = part.trim().replace(/[\s?!.]+$/, "");
  for (const { pattern, tool } of WISHES) {
    const match = pattern.exec(plain);
    if (match) return { tool, text: match.groups?.["text"]?.trim() ?? "" };
  }
  return undefined;
}

/** The name of the tool's first text argument, as its schema spells it. */
function firstTextParameter(spec: ToolSpec): string {
  const properties = spec.parameters["properties"];
  if (typeof properties !== "object" || properties === null) return "text";
  return Object.entries(properties).find(([, schema]) => isText(schema))?.[0] ?? "text";
}

function isText(schema: unknown): boolean {
  return typeof schema === "object" && schema !== null && "type" in schema && schema.type === "string";
}

function finalText(said: string[], results: ToolResult[]): string {
  if (results.length > 0) return results.map(tellResult).join(" ");
  const last = said.at(-1) ?? "";
  if (/^(?:hello|hi|hey|good (?:morning|day|evening)|moin)\b/i.test(last)) return `Hello! ${SELF} ${TRY}`;
  const count = /^count (?:up )?to (\d{1,6})\b/i.exec(last);
  if (count) return countTo(Math.min(Number(count[1]), MAX_COUNT));
  if (/^(?:help|who are you|what can you do)\b/i.test(last)) return `${SELF} ${TRY}`;
  return `${SELF} I do not understand ${quote(last)}. ${TRY}`;
}

function tellResult({ name, text, isError }: ToolResult): string {
  if (isError) return `The tool "${name}" failed: ${text}`;
  if (name === "time") return `It is ${text}.`;
  if (name === "recall") return text.trim() === "" ? "I have no notes yet." : `My notes: ${text}`;
  return text.trim() === "" ? `The tool "${name}" is done.` : text;
}

function countTo(last: number): string {
  return Array.from({ length: last }, (_, index) => String(index + 1)).join(" ");
}

function quote(text: string): string {
  const line = text.replace(/\s+/g, " ");
  return line === "" ? "an empty message" : `"${line.length > 60 ? `${line.slice(0, 60)}…` : line}"`;
}
