/**
 * The tool step of a turn. In: a call the model made. Out: ToolCalled before the tool runs, ToolCompleted behind it. Never: runs
 * again what may have had its effect.
 */
import type { NextStep } from "./decide.ts";
import { runTool } from "./run-tool.ts";
import type { StepContext } from "./step-context.ts";

type CallTool = Extract<NextStep, { type: "call-tool" | "rerun-tool" }>;
type SettleTool = Extract<NextStep, { type: "settle-tool" }>;

/** Appends ToolCalled, unless an earlier epoch did, then runs the tool and appends its result. */
export async function callTool(context: StepContext, next: CallTool): Promise<void> {
  const { journal, request, turnData, epoch } = context;
  const { clock } = context.ports;
  const { callId, name } = next.call;
  const tool = context.tools.get(name);
  const startedMs = clock.nowMs();
  if (next.type === "call-tool") {
    const effect = tool?.effect ?? "pure";
    const called = { ...turnData, epoch, step: next.step, callId, name, arguments: next.call.arguments, effect };
    if (!(await context.step(context.event("ToolCalled", callId, called)))) return;
    if (journal.ended || journal.tools.get(callId)?.result !== undefined) return;
  }
  const settled = await runTool(tool, next.call, {
    group: request.data.group,
    callKey: `${request.data.turn} ${callId}`,
    clock,
    signal: AbortSignal.any([context.interrupt, context.stop]),
    stillMine: async () => {
      await context.refold();
      return !journal.ended;
    },
    startedMs,
  });
  if (context.stop.aborted) return;
  const durationMs = clock.nowMs() - startedMs;
  const data = { ...turnData, epoch, step: next.step, callId, name, ...settled, durationMs };
  while (!(await context.step(context.event("ToolCompleted", callId, data)))) if (journal.ended) return;
}

/** Appends that a call of an earlier epoch was interrupted. */
export async function settleTool(context: StepContext, next: SettleTool): Promise<void> {
  const { turnData, epoch } = context;
  const result = "The tool was interrupted: whether it had its effect is not known. It was not run again.";
  const outcome = "interrupted" as const;
  const { callId, name } = next.call;
  const data = { ...turnData, epoch, step: next.step, callId, name, outcome, result, durationMs: 0 };
  await context.step(context.event("ToolCompleted", callId, data));
}
