/** A tool as the runner sees it. What it does outside, it does once per `callKey` or says that it cannot. */
import type { ToolSpec } from "../model/port.ts";

/** `pure`: nothing outside changes. `idempotent`: running it twice with one call key is harmless. */
export type ToolEffect = "pure" | "idempotent" | "at-most-once";

export interface ToolContext {
  readonly group: string;
  /** The same for every run of one call: turn and call id. */
  readonly callKey: string;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

export interface Tool {
  readonly spec: ToolSpec;
  readonly effect: ToolEffect;
  /** Resolves to the result text; a rejection is told to the model as an error. */
  run(args: Readonly<Record<string, unknown>>, context: ToolContext): Promise<string>;
}
