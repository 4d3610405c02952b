/** What a turn, a step and a message are doing, in words. Pure. */
import type { StepView, TurnView } from "../../schemas/views.ts";
import { spanWords } from "./time.ts";

type ToolStep = Extract<StepView, { type: "tool" }>;
type RetryStep = Extract<StepView, { type: "retry" }>;

/** Words for a turn that has not ended or ended without an answer; "" when the answer speaks for itself. */
export function turnWords(turn: TurnView, isWriting: boolean): string {
  switch (turn.state) {
    case "queued":
      return "Queued";
    case "running": {
      const tool = turn.steps.findLast((step) => step.type === "tool");
      if (tool?.type === "tool" && tool.state === "running") return "Calling a tool";
      return isWriting ? "Writing" : "Thinking";
    }
    case "retrying":
      return "Waiting to ask the model again";
    case "waiting":
      return "Waiting for you";
    case "completed":
      return "";
    case "failed":
      return "No answer";
    case "cancelled":
      return "Stopped";
    case "superseded":
      return "Replaced by a later attempt";
  }
}

/** "Attempt 2 failed (MODEL_RATE_LIMITED). The model asks for a wait of 4 s." */
export function retryWords(step: RetryStep): string {
  const after = step.retryAfterMs === undefined ? "" : ` It asks for a wait of ${spanWords(step.retryAfterMs)}.`;
  return `Attempt ${step.attempt} failed (${step.code}).${after}`;
}

const toolStates: Record<ToolStep["state"], string> = {
  running: "running",
  ok: "done",
  error: "failed",
  interrupted: "interrupted, result unknown",
  refused: "refused",
};

export function toolStateWords(state: ToolStep["state"]): string {
  return toolStates[state];
}

const words = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** The arguments on one line: one value as it is, more as `name: value`. */
export function argumentLine(values: Record<string, unknown>): string {
  const entries = Object.entries(values);
  const [first] = entries;
  if (first === undefined) return "";
  const line =
    entries.length === 1 ? words(first[1]) : entries.map(([name, value]) => `${name}: ${words(value)}`).join(", ");
  // The line is cut by the layout anyway; the bound keeps a huge argument out of it.
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

/** One line of plain words from markdown, for a list; the marks are for the eye and would only be noise there. */
export function plainLine(text: string): string {
  return text
    .replace(/\*\*|`|^#+ /gm, "")
    .replace(/\s+/g, " ")
    .trim();
}
