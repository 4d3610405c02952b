/** What a turn needs next, from its journal alone. Pure: the same journal gives the same step, on any runner. */
import type { Journal } from "./journal.ts";
import type { ToolCallRequest } from "./model/port.ts";

export interface TurnLimits {
  /** Model steps of one turn; a model that calls tools for ever ends here. */
  readonly maxSteps: number;
  /** How often one step is asked before the turn fails. */
  readonly maxAttempts: number;
}

export type NextStep =
  | { readonly type: "ended" }
  | { readonly type: "parked" }
  | { readonly type: "cancel" }
  | { readonly type: "fail"; readonly code: string; readonly detail: string }
  | { readonly type: "call-tool"; readonly step: number; readonly call: ToolCallRequest }
  /** A tool was started by an earlier epoch and has no result. */
  | { readonly type: "settle-tool"; readonly step: number; readonly call: ToolCallRequest }
  | { readonly type: "rerun-tool"; readonly step: number; readonly call: ToolCallRequest }
  | { readonly type: "ask-model"; readonly step: number; readonly attempt: number };

/** A machine that is switched off again and again stays below; a turn that ends its runner does not. */
const MAX_FRUITLESS_CLAIMS = 10;

export function nextStep(journal: Journal, limits: TurnLimits): NextStep {
  if (journal.ended) return { type: "ended" };
  if (journal.cancel !== undefined) return { type: "cancel" };
  if (journal.parked) return { type: "parked" };
  if (journal.fruitlessClaims > MAX_FRUITLESS_CLAIMS)
    return { type: "fail", code: "HANDLER_FAILED", detail: "It was begun again and again without getting further." };
  const last = journal.steps.at(-1);
  for (const call of last?.toolCalls ?? []) {
    const state = journal.tools.get(call.callId);
    if (state?.result !== undefined) continue;
    const step = last?.step ?? 0;
    if (state === undefined) return { type: "call-tool", step, call };
    // I6: what may have had its effect is never repeated in silence.
    return { type: state.effect === "at-most-once" ? "settle-tool" : "rerun-tool", step, call };
  }
  const failure = journal.failures.at(-1);
  if (failure !== undefined && (!failure.data.retryable || journal.failures.length >= limits.maxAttempts))
    return { type: "fail", code: failure.data.code, detail: failure.data.message };
  if (journal.steps.length >= limits.maxSteps)
    return { type: "fail", code: "TURN_TOO_MANY_STEPS", detail: `${limits.maxSteps} steps did not lead to an answer` };
  return { type: "ask-model", step: journal.steps.length, attempt: journal.failures.length + 1 };
}

/** First delay before a model is asked again; doubles with each failure. */
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 60_000;

/** How long to wait before attempt `failures + 1`: the provider's own word wins, up to `MAX_RETRY_MS`. */
export function retryDelayMs(failures: number, retryAfterMs: number | undefined): number {
  return Math.min(retryAfterMs ?? FIRST_RETRY_MS * 2 ** (failures - 1), MAX_RETRY_MS);
}
