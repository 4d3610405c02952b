/** Writes into a turn's journal what a runner had written when it was killed between a tool's call and its result. */
import { makeEvent, type StoredEvent } from "../../bus/event.ts";
import { deriveId } from "../../bus/ids.ts";
import { lanes, parseSubject, type TurnKey } from "../../bus/subjects.ts";
import type { DataOf, MessageType } from "../../schemas/index.ts";
import type { Spy } from "./spy.ts";

export interface TornCall {
  readonly name: string;
  readonly arguments: Record<string, unknown>;
  readonly effect: DataOf["ToolCalled"]["effect"];
}

export const TORN_CALL_ID = "s0c0";

export function turnKeyOf(event: StoredEvent): TurnKey {
  const place = parseSubject(event.subject);
  if (place?.type !== "turn") throw new Error(`${event.subject} is of no turn`);
  return place.key;
}

/** Claim, model step, call, and there it ends. */
export async function writeTornCall(
  spy: Spy,
  request: StoredEvent<"TurnRequested">,
  runner: string,
  call: TornCall,
): Promise<void> {
  const { channel, chat, turn } = request.data;
  const key = turnKeyOf(request);
  const place = { channel, chat, turn, epoch: 1 };
  let last = 0;
  async function append<T extends MessageType>(type: T, data: DataOf[T]): Promise<void> {
    const event = makeEvent(
      type,
      deriveId(request.id, type, "torn"),
      { source: "agent-runner", nowMs: Date.now(), cause: request },
      data,
    );
    ({ seq: last } = await spy.log.append(lanes.step(key), last, event));
  }
  await append("TurnClaimed", {
    ...place,
    runner,
    reason: "new",
    clock: new Date().toISOString(),
    model: request.data.model ?? "openai:told",
    versions: { code: "0", prompt: "0", tools: "0", policy: "none", config: "0" },
  });
  await append("ModelStepCompleted", {
    ...place,
    step: 0,
    attempt: 1,
    model: "openai:told",
    requestHash: "torn",
    signalsThrough: 0,
    text: "",
    toolCalls: [{ callId: TORN_CALL_ID, name: call.name, arguments: call.arguments }],
    finishReason: "tool-calls",
    usage: { inputTokens: 1, outputTokens: 1, cachedInputTokens: 0, reasoningTokens: 0 },
    rawUsage: {},
    firstTokenMs: 1,
    durationMs: 1,
  });
  await append("ToolCalled", { ...place, step: 0, callId: TORN_CALL_ID, ...call });
}
