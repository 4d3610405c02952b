/**
 * Large logs for measuring and for tests of what folds a whole log: seeded, valid by their schemas, with the subjects, ids
 * and tokens that the processes would have made. `bulkEvents` makes the events, `writeBulkLog` appends them in bulk.
 */
import { createInbox, headers as makeHeaders, type NatsConnection } from "nats";
import { encodeEvent } from "../../bus/codec.ts";
import { makeEvent, type Cause, type NewEvent } from "../../bus/event.ts";
import { deriveId, tokenMint, type TokenMint } from "../../bus/ids.ts";
import { lanes, type Lane, type TurnKey } from "../../bus/subjects.ts";
import type { DataOf, MessageType } from "../../schemas/index.ts";
import { createSeededRandom } from "./virtual-clock.ts";

export interface BulkOptions {
  readonly seed: number;
  /** Events wanted; the last turn is finished, so some more may come. */
  readonly count: number;
  /** Conversations the turns are spread over. */
  readonly chats: number;
  /** Sequence of the first one. */
  readonly firstSeq?: number;
  /** Of the home the log is for; made up when absent. */
  readonly mint?: TokenMint;
}

export interface BulkEvent {
  readonly seq: number;
  readonly lane: Lane;
  readonly event: NewEvent;
}

const START_MS = Date.UTC(2026, 0, 1);
const MADE_UP_KEY = Buffer.alloc(32, 7);
const WORDS =
  "the log holds what was said and done so that a later reader finds each step again with its reason its time and its cost".split(
    " ",
  );
const VERSIONS = { code: "1", prompt: "1", tools: "1", policy: "1", config: "1" };
const USAGE = { inputTokens: 412, outputTokens: 96, cachedInputTokens: 0, reasoningTokens: 0 };

/** Turns of 4 to 12 events, six in the mean: plain answers, tools, failures, joined messages, edits. */
export function* bulkEvents(options: BulkOptions): Generator<BulkEvent> {
  const { seed, count, chats, firstSeq = 1, mint = tokenMint(MADE_UP_KEY) } = options;
  const random = createSeededRandom(seed);
  const pick = (below: number): number => Math.floor(random.fraction() * below);
  const text = (words: number): string => Array.from({ length: words }, () => WORDS[pick(WORDS.length)]).join(" ");
  let seq = firstSeq - 1;
  let nowMs = START_MS;
  const made: BulkEvent[] = [];

  function add<T extends MessageType>(type: T, lane: Lane, id: string, source: string, data: DataOf[T], cause?: Cause) {
    const event = makeEvent(type, id, { source, nowMs: (nowMs += 1 + pick(40)), cause }, data);
    made.push({ seq: ++seq, lane, event: event as unknown as NewEvent });
    return { seq, type, event };
  }

  function step(number: number, words: number, tools: readonly string[]): DataOf["TurnCompleted"]["lastStep"] {
    return {
      step: number,
      attempt: 1,
      model: "demo:fast",
      requestHash: "h".repeat(43),
      signalsThrough: 0,
      text: text(words),
      toolCalls: tools.map((name, index) => ({
        callId: `s${number}c${index}`,
        name,
        arguments: { key: text(2), value: text(8) },
      })),
      finishReason: tools.length > 0 ? "tool-calls" : "stop",
      usage: USAGE,
      firstTokenMs: pick(900),
      durationMs: 900 + pick(4_000),
    };
  }

  function turn(number: number): void {
    const channel = "web";
    const chat = `chat${pick(chats)}`;
    const message = deriveId("bulk", seed, firstSeq, number);
    const from = { id: "owner", name: "Owner", owner: true };
    const here = { channel, chat };
    const said = (id: string) =>
      add("MessageReceived", lanes.message(channel, chat, id), deriveId(channel, chat, id), "web", {
        ...here,
        message: id,
        from,
        text: text(5 + pick(40)),
      });
    const asked = said(message);
    const turnId = mint("turn", asked.event.id, 1);
    const key: TurnKey = { channel, chatToken: mint("chat", channel, chat), turn: turnId };
    const own = { ...here, turn: turnId };
    const running = { ...own, epoch: 1 };
    const trigger = { type: "MessageReceived", id: asked.event.id, seq: asked.seq };
    const refs = [{ message, seq: asked.seq }];
    const requested = add(
      "TurnRequested",
      lanes.turnRequest(key),
      turnId,
      "router",
      { ...own, attempt: 1, group: "main", trigger, messages: refs, historyFrom: asked.seq, replyTo: here },
      asked.event,
    );
    const cause = requested.event;
    const id = (...parts: (string | number)[]): string => deriveId(turnId, ...parts);
    const runner = "agent-runner-1";
    add(
      "TurnClaimed",
      lanes.claim(key),
      id("claim"),
      runner,
      {
        ...running,
        runner: `${runner}/4711`,
        reason: "new",
        clock: new Date(nowMs).toISOString(),
        model: "demo:fast",
        versions: VERSIONS,
      },
      cause,
    );
    const shape = random.fraction();
    let steps = 0;
    for (let tools = shape < 0.55 ? 0 : shape < 0.85 ? 1 : 2; tools > 0; tools--) {
      const done = step(steps, 6, ["remember"]);
      add("ModelStepCompleted", lanes.step(key), id("step", steps), runner, { ...running, ...done }, cause);
      for (const { callId, name, arguments: args } of done.toolCalls) {
        const call = { ...running, step: steps, callId, name };
        const called = { ...call, arguments: args, effect: "idempotent" as const };
        add("ToolCalled", lanes.step(key), id("call", callId), runner, called, cause);
        const result = { ...call, outcome: "ok" as const, result: text(20), durationMs: pick(50) };
        add("ToolCompleted", lanes.step(key), id("done", callId), runner, result, cause);
      }
      steps++;
    }
    if (random.fraction() < 0.05) {
      const joined = said(`${message}-2`);
      refs.push({ message: `${message}-2`, seq: joined.seq });
      const steered = { ...own, message: { message: `${message}-2`, seq: joined.seq } };
      add("Steered", lanes.signal(key), id("steer"), "router", steered, joined.event);
    }
    const answers = refs.map((ref) => ref.message);
    const end = { ...running, reply: id("reply"), replyTo: here, answers };
    if (random.fraction() < 0.03) {
      const failed = { ...end, code: "MODEL_AUTH", text: "The model refused the key." };
      add("TurnFailed", lanes.end(key, channel), id("end"), runner, failed, cause);
    } else {
      const lastStep = step(steps, 20 + pick(80), []);
      const completed = { ...end, text: lastStep.text, lastStep };
      add("TurnCompleted", lanes.end(key, channel), id("end"), runner, completed, cause);
    }
    if (random.fraction() < 0.03) {
      const edit = { ...here, message, revision: "r1", from, text: text(12) };
      add("MessageEdited", lanes.edit(channel, chat, message, "r1"), id("edit"), "web", edit);
    }
  }

  for (let number = 0; seq - firstSeq + 1 < count; number++) {
    turn(number);
    yield* made.splice(0);
  }
}

/** Messages between two acks: below the queue of a broker's stream (512 in the product's configuration). */
const WINDOW = 400;
/** Windows under way at once; each has one ack. */
const WINDOWS_AHEAD = 1;

/**
 * Appends the events without fences, one ack for some hundred, so that a million take a minute. The log must end right
 * before `firstSeq`. Returns its last sequence. @throws when the broker stored something else than was sent.
 */
export async function writeBulkLog(nc: NatsConnection, options: BulkOptions): Promise<number> {
  let inWindow = 0;
  const acks: Promise<void>[] = [];
  const inbox = createInbox("_INBOX_bulk");
  const waiting = new Map<string, (text: string) => void>();
  const subscription = nc.subscribe(`${inbox}.*`, {
    callback: (_error, message) => waiting.get(message.subject)?.(message.string()),
  });
  const stored = (reply: string, seq: number): Promise<void> =>
    new Promise((resolve, reject) => {
      waiting.set(reply, (text) => {
        waiting.delete(reply);
        if ((JSON.parse(text) as { seq?: number }).seq === seq) resolve();
        else reject(new Error(`event ${seq} was answered by ${text}`));
      });
    });
  async function send({ seq, lane, event }: BulkEvent, answered: boolean): Promise<void> {
    const encoded = encodeEvent(event, lane.subject);
    const lines = makeHeaders();
    for (const [name, value] of Object.entries(encoded.headers)) lines.set(name, value);
    const reply = `${inbox}.${seq}`;
    if (answered) acks.push(stored(reply, seq));
    nc.publish(lane.subject, encoded.payload, { headers: lines, ...(answered ? { reply } : {}) });
    if (acks.length > WINDOWS_AHEAD) await acks.shift();
  }
  let held: BulkEvent | undefined;
  for (const one of bulkEvents(options)) {
    if (held !== undefined) await send(held, ++inWindow % WINDOW === 0);
    held = one;
  }
  if (held !== undefined) await send(held, true);
  await Promise.all(acks);
  subscription.unsubscribe();
  return held?.seq ?? (options.firstSeq ?? 1) - 1;
}
