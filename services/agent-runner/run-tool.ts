/** Runs one tool call and turns whatever happens into a result for the model. */
import { describeError } from "../../bus/errors.ts";
import type { Clock } from "../../bus/ports.ts";
import type { ToolCallRequest } from "./model/port.ts";
import type { Tool } from "./tools/tool.ts";

export interface ToolRunContext {
  readonly group: string;
  readonly callKey: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** When ToolCalled was about to be appended. */
  readonly startedMs: number;
  /** Asks the log whether this runner still holds the turn; rejects when it does not. */
  stillMine(): Promise<boolean>;
}

export interface ToolSettlement {
  readonly outcome: "ok" | "error" | "interrupted";
  readonly result: string;
}

/** A result the model reads whole; longer ones are cut, with a word that says so. */
const MAX_RESULT_CHARS = 32_768;
const TOOL_LIMIT_MS = 60_000;
/** The lease: a process that was frozen for longer may have lost the turn meanwhile. */
const FRESH_MS = 1_000;

export async function runTool(
  tool: Tool | undefined,
  call: ToolCallRequest,
  context: ToolRunContext,
): Promise<ToolSettlement> {
  if (tool === undefined) return { outcome: "error", result: `There is no tool "${call.name}".` };
  if (context.clock.nowMs() - context.startedMs > FRESH_MS && !(await context.stillMine()))
    return { outcome: "interrupted", result: "The turn ended before the tool ran." };
  const limit = new AbortController();
  const signal = AbortSignal.any([context.signal, limit.signal]);
  const given = {
    group: context.group,
    callKey: context.callKey,
    nowMs: context.clock.nowMs(),
    signal,
  };
  // Behind a promise: a tool that throws at once must end like one that rejects, as a result for the model.
  const run = Promise.resolve().then(() => tool.run(call.arguments, given));
  try {
    const timer = context.clock.sleep(TOOL_LIMIT_MS, signal).then(() => {
      throw new Error(context.signal.aborted ? "it was stopped" : "it took too long");
    });
    const result = await Promise.race([run, timer]);
    const text = result.length > MAX_RESULT_CHARS ? `${result.slice(0, MAX_RESULT_CHARS)}\n[cut here]` : result;
    return { outcome: "ok", result: text };
  } catch (error) {
    run.catch(() => undefined);
    return { outcome: context.signal.aborted ? "interrupted" : "error", result: describeError(error).slice(0, 2000) };
  } finally {
    limit.abort();
  }
}
