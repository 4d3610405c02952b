/**
 * The model step of a turn. In: the journal, the conversation. Out: ModelStepCompleted, or TurnCompleted when nothing else
 * came; ModelStepFailed; TurnParked for a long wait; tokens on `live.*`. Never: asks again by itself, the loop does.
 */
import type { StoredEvent } from "../../bus/event.ts";
import { hashJson } from "../../bus/ids.ts";
import { filters, liveSubjects } from "../../bus/subjects.ts";
import type { DataOf } from "../../schemas/index.ts";
import { retryDelayMs, type NextStep } from "./decide.ts";
import { hasGap, type Journal } from "./journal.ts";
import { ModelError, type ModelRequest, type ModelResult } from "./model/port.ts";
import { buildRequest, textOf, type SteeredText } from "./request.ts";
import type { StepContext } from "./step-context.ts";

/** Longer waits park the turn: no process is held for them. */
const MAX_WAIT_IN_HAND_MS = 5_000;
/** Revisions read of a steered message; nobody edits one more often within a turn. */
const MAX_REVISIONS = 100;

type AskModel = Extract<NextStep, { type: "ask-model" }>;

/** What was asked, as each event of the step says it. */
type Asked = Pick<DataOf["TurnCompleted"]["lastStep"], "step" | "attempt" | "model" | "requestHash" | "signalsThrough">;

/** Waits or parks after a failure, asks the model, appends what came of it. */
export async function askModel(context: StepContext, next: AskModel): Promise<void> {
  const { journal, epoch, interrupt, stop } = context;
  const { clock } = context.ports;
  const failure = journal.failures.at(-1);
  if (failure !== undefined && failure.data.epoch === epoch && !(await waitAfter(context, next, failure))) return;
  if (hasGap(journal)) await context.refold();
  if (journal.ended || journal.cancel !== undefined) return;
  // Signals that come while the request is made are not in it.
  const signalsThrough = journal.lastSignalSeq;
  const built = await makeRequest(context);
  const { step, attempt } = next;
  const asked: Asked = { step, attempt, model: built.model, requestHash: hashJson(built), signalsThrough };
  const startedMs = clock.nowMs();
  let firstTokenMs: number | undefined;
  const say = startStreaming(context, next);
  const onText = (text: string): void => {
    firstTokenMs ??= clock.nowMs() - startedMs;
    say(text);
  };
  let result: ModelResult;
  try {
    result = await context.model.run(built, { onText, signal: AbortSignal.any([interrupt, stop]) });
  } catch (error) {
    if (stop.aborted || interrupt.aborted) return;
    await appendFailure(context, asked, error, clock.nowMs() - startedMs);
    return;
  }
  const durationMs = clock.nowMs() - startedMs;
  await appendResult(context, asked, result, { firstTokenMs: firstTokenMs ?? durationMs, durationMs });
}

/** Waits until the model may be asked again; false when it is not to be asked now: the turn was parked, stopped or dropped. */
async function waitAfter(
  context: StepContext,
  next: AskModel,
  failure: StoredEvent<"ModelStepFailed">,
): Promise<boolean> {
  const { journal, turnData, epoch, interrupt, stop } = context;
  const { clock } = context.ports;
  // By recorded times alone: any runner, and a replay, parks until the same moment.
  const delayMs = retryDelayMs(journal.failures.length, failure.data.retryAfterMs);
  const untilMs = Date.parse(failure.time) + delayMs;
  if (delayMs > MAX_WAIT_IN_HAND_MS) {
    const data = { ...turnData, epoch, waitingFor: "timer" as const, resumeAt: new Date(untilMs).toISOString() };
    await context.step(context.event("TurnParked", `${epoch} ${next.step} ${next.attempt}`, data));
    return false;
  }
  const waitMs = untilMs - clock.nowMs();
  if (waitMs > 0) await clock.sleep(waitMs, AbortSignal.any([interrupt, stop]));
  return !interrupt.aborted && !stop.aborted;
}

/** The request of the journal as it is when this is called. */
async function makeRequest(context: StepContext): Promise<ModelRequest> {
  const { journal, settings } = context;
  const steered = await Promise.all(journal.steered.map((one) => readSteered(context, one)));
  return buildRequest({
    journal,
    history: await context.history(),
    steered,
    systemPrompt: settings.systemPrompt,
    tools: [...context.tools.values()].map((tool) => tool.spec),
    maxOutputTokens: settings.maxOutputTokens,
  });
}

/** A steered message as it was when it was steered, so that a replay reads the same. */
async function readSteered({ ports, request }: StepContext, one: Journal["steered"][number]): Promise<SteeredText> {
  const { channel, chat } = request.data;
  const filter = filters.messageRevisions(channel, chat, one.message.message);
  const entries = await ports.log.fetch({ filter, fromSeq: 1, toSeq: one.seq, limit: MAX_REVISIONS });
  return { seq: one.seq, text: textOf(one.message.message, entries) };
}

/** Begins the text of a step anew. What is returned tells readers a piece of it, with its place, and keeps it. */
function startStreaming(context: StepContext, { step, attempt }: AskModel): (text: string) => void {
  const { streaming, epoch, request } = context;
  const { turn, replyTo } = request.data;
  Object.assign(streaming, { epoch, step, attempt, text: "" });
  const subject = liveSubjects.tokens(replyTo.channel, replyTo.chat, turn);
  return (text) => {
    context.ports.live.publish(subject, { turn, epoch, step, attempt, offset: streaming.text.length, text });
    streaming.text += text;
  };
}

async function appendFailure(context: StepContext, asked: Asked, error: unknown, durationMs: number): Promise<void> {
  const { journal, epoch } = context;
  const { code, message, retryable, retryAfterMs } =
    error instanceof ModelError
      ? error
      : new ModelError("MODEL_UNKNOWN", "The model call failed in an unknown way.", { retryable: true });
  const waitMs = retryAfterMs === undefined ? undefined : Math.max(0, Math.round(retryAfterMs));
  const failed = journal.failures.length + 1;
  const again = retryable && failed < context.settings.limits.maxAttempts;
  const data: DataOf["ModelStepFailed"] = {
    ...context.turnData,
    epoch,
    ...asked,
    code,
    message: message.slice(0, 2000),
    retryable,
    ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
    ...(again ? { retryInMs: retryDelayMs(failed, waitMs) } : {}),
    partialChars: context.streaming.text.length,
    durationMs,
  };
  await context.step(context.event("ModelStepFailed", `${epoch} ${asked.step} ${asked.attempt}`, data));
}

/** Ends the turn with an answer, or appends the step when tools are called or more was said meanwhile. */
async function appendResult(
  context: StepContext,
  asked: Asked,
  result: ModelResult,
  times: { readonly firstTokenMs: number; readonly durationMs: number },
): Promise<void> {
  const { journal, turnData, epoch } = context;
  // A provider may use a call id again in a later step; ours are unique in the turn.
  const toolCalls = result.toolCalls.map((call, index) => ({ ...call, callId: `s${asked.step}c${index}` }));
  const rawUsage = result.rawUsage as Record<string, unknown>;
  const completed = { ...asked, ...result, rawUsage, toolCalls, ...times };
  // A signal that came meanwhile is not in this answer: the answer becomes a step, and the turn goes on with the signal.
  while (toolCalls.length === 0 && journal.lastSignalSeq === asked.signalsThrough) {
    const data: DataOf["TurnCompleted"] = {
      ...turnData,
      ...context.ending(),
      text: result.text,
      lastStep: completed,
    };
    if (await context.end(context.event("TurnCompleted", "end", data))) return;
    if (journal.ended) return;
  }
  if (journal.cancel !== undefined) return;
  const callKey = `${epoch} ${asked.step}`;
  const data: DataOf["ModelStepCompleted"] = { ...turnData, epoch, ...completed };
  while (!(await context.step(context.event("ModelStepCompleted", callKey, data)))) if (journal.ended) return;
}
