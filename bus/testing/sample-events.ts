/** Small valid events for tests of the bus. */
import { makeEvent, type NewEvent } from "../event.ts";
import { deriveId } from "../ids.ts";
import { lanes, type Lane, type TurnKey } from "../subjects.ts";

export interface Sample {
  readonly lane: Lane;
  readonly event: NewEvent;
}

const ORIGIN = { source: "test", nowMs: Date.UTC(2026, 0, 1) };

export function sampleMessage(chat: string, message: string, text = "hello"): Sample {
  const data = { channel: "web", chat, message, from: { id: "owner", owner: true }, text };
  return {
    lane: lanes.message("web", chat, message),
    event: makeEvent("MessageReceived", deriveId("web", chat, message), ORIGIN, data),
  };
}

export function sampleTurn(chat: string, turn: string): TurnKey {
  return { channel: "web", chatToken: `t-${chat}`, turn };
}

/** A TurnRequested of `chat`: a message of the work queue. */
export function sampleWake(chat: string, turn: string): Sample {
  return {
    lane: lanes.turnRequest(sampleTurn(chat, turn)),
    event: makeEvent("TurnRequested", deriveId(chat, turn, "requested"), ORIGIN, {
      channel: "web",
      chat,
      turn,
      attempt: 1,
      group: "main",
      trigger: { type: "MessageReceived", id: "m", seq: 1 },
      messages: [{ message: "m", seq: 1 }],
      historyFrom: 1,
      replyTo: { channel: "web", chat },
    }),
  };
}

export function sampleSteer(chat: string, turn: string, message: string): Sample {
  return {
    lane: lanes.signal(sampleTurn(chat, turn)),
    event: makeEvent("Steered", deriveId(chat, turn, "steered", message), ORIGIN, {
      channel: "web",
      chat,
      turn,
      message: { message, seq: 1 },
    }),
  };
}

export function sampleClaim(chat: string, turn: string, epoch: number): Sample {
  return {
    lane: lanes.step(sampleTurn(chat, turn)),
    event: makeEvent("TurnClaimed", deriveId(chat, turn, "claimed", epoch), ORIGIN, {
      channel: "web",
      chat,
      turn,
      epoch,
      runner: `runner-${epoch}`,
      reason: epoch === 1 ? "new" : "takeover",
      clock: new Date(ORIGIN.nowMs).toISOString(),
      model: "demo",
      versions: { code: "1", prompt: "1", tools: "1", policy: "1", config: "1" },
    }),
  };
}

export function sampleEnd(chat: string, turn: string, epoch: number): Sample {
  return {
    lane: lanes.end(sampleTurn(chat, turn), "web"),
    event: makeEvent("TurnFailed", deriveId(chat, turn, "ended"), ORIGIN, {
      channel: "web",
      chat,
      turn,
      epoch,
      reply: "r",
      replyTo: { channel: "web", chat },
      code: "TOOL_FAILED",
      text: "no",
      answers: ["m"],
    }),
  };
}
