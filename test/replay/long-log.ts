/** Logs of any length, made as they are read: chats that take turns, each turn a question and its answer. */
import type { LogEntry } from "../../bus/event.ts";
import { deriveId, type TokenMint } from "../../bus/ids.ts";
import { lanes } from "../../bus/subjects.ts";
import { catalogue, type DataOf, type MessageType } from "../../schemas/index.ts";
import { VERSIONS } from "../sim/settings.ts";

const START_MS = Date.UTC(2026, 0, 1);
const BATCH = 256;

/**
 * `turns` turns of four events each, spread over `chats`. Request hashes and the like are not those of these texts: a replay
 * amends them.
 */
export async function* longLog(turns: number, chats: number, mint: TokenMint): AsyncGenerator<LogEntry[]> {
  let batch: LogEntry[] = [];
  let seq = 0;
  const from = { id: "owner", owner: true };
  function add<T extends MessageType>(
    type: T,
    id: string,
    subject: string,
    cause: string | undefined,
    data: DataOf[T],
  ): number {
    seq++;
    const time = new Date(START_MS + seq).toISOString();
    const source = type === "MessageReceived" ? "web" : type === "TurnRequested" ? "router" : "agent-runner";
    const { version } = catalogue[type];
    const more = { correlationId: "c", causationId: cause, traceparent: undefined, storedAtMs: START_MS + seq };
    batch.push({ type, version, id, source, time, seq, subject, data, ...more } as unknown as LogEntry);
    return seq;
  }
  for (let count = 0; count < turns; count++) {
    const chat = `chat-${count % chats}`;
    const message = `m${count}`;
    const here = { channel: "web", chat };
    const messageId = deriveId("web", chat, message);
    const text = `Question ${count}: what is the weather like where you are, and does it matter to you?`;
    const at = add("MessageReceived", messageId, lanes.message("web", chat, message).subject, undefined, {
      ...here,
      message,
      from,
      text,
    });
    const turn = mint("turn", messageId, 1);
    const key = { channel: "web", chatToken: mint("chat", "web", chat), turn };
    const refs = [{ message, seq: at }];
    add("TurnRequested", turn, lanes.turnRequest(key).subject, messageId, {
      ...here,
      turn,
      attempt: 1,
      group: "main",
      trigger: { type: "MessageReceived", id: messageId, seq: at },
      messages: refs,
      historyFrom: at,
      replyTo: here,
      seen: { through: at },
    });
    const runner = "agent-runner-1/x";
    const claim = deriveId(turn, "TurnClaimed", `1 ${runner}`);
    const clock = new Date(START_MS + seq).toISOString();
    const claimed = { epoch: 1, runner, reason: "new" as const, clock, model: "demo", versions: VERSIONS };
    add("TurnClaimed", claim, lanes.claim(key).subject, turn, { ...here, turn, ...claimed });
    const usage = { inputTokens: 1, outputTokens: 1, cachedInputTokens: 0, reasoningTokens: 0 };
    const said = `Answer ${count}: it is always the same in here, so it does not, but it is kind of you to ask.`;
    const step = { step: 0, attempt: 1, model: "demo", requestHash: "x", signalsThrough: 0, text: said, toolCalls: [] };
    add("TurnCompleted", deriveId(turn, "TurnCompleted", "end"), lanes.end(key, "web").subject, claim, {
      ...here,
      turn,
      epoch: 1,
      reply: deriveId(turn, "end"),
      replyTo: here,
      text: said,
      answers: [message],
      lastStep: { ...step, finishReason: "stop", usage, rawUsage: {}, firstTokenMs: 1, durationMs: 2 },
    });
    if (batch.length < BATCH && count < turns - 1) continue;
    yield await Promise.resolve(batch);
    batch = [];
  }
}
