/**
 * Router process.
 * In: messages (`log.in`), commands (`log.cmd`), turns (`log.turn`), facts of chats and tasks. Out: TurnRequested,
 * TurnResumed, signals, facts of a chat, CommandRefused. Owns: which turn runs in a chat. Never: runs a model, keeps a truth
 * of its own; a second or late router is refused by the fences.
 */
import { appendSurely } from "../../bus/append.ts";
import { deadLetter } from "../../bus/dead-letter.ts";
import { describeError, TaffrailError } from "../../bus/errors.ts";
import { makeEvent, type Append, type LogEntry, type StoredEvent } from "../../bus/event.ts";
import { deriveId, type TokenMint } from "../../bus/ids.ts";
import type { Ports, RunningApp } from "../../bus/runtime.ts";
import type { SnapshotStore } from "../../bus/snapshot.ts";
import { encodeToken, filters, lanes, parseSubject } from "../../bus/subjects.ts";
import { decideChat, type Decision, type RouterSettings } from "./decide.ts";
import { applyEvent, applyUnreadable, chatOf, newChat, type ChatState } from "./state.ts";

const SOURCE = "router";
/** Everything the fold reads, in one ordered stream. */
const READS = [filters.inbound, filters.commands, filters.turns, filters.chats, filters.tasks];
/** How often the snapshot is written while events come; a start then reads at most this many seconds of log. */
const SNAPSHOT_EVERY_MS = 10_000;

export interface RouterOptions {
  readonly settings: RouterSettings;
  readonly mint: TokenMint;
  readonly snapshots?: SnapshotStore<ChatState[]>;
}

interface ChatLane {
  readonly state: ChatState;
  readonly token: string;
  pumping: boolean;
  /** Counts folded events, to see whether something came while an append was under way. */
  folded: number;
}

export async function startRouter(ports: Ports, options: RouterOptions): Promise<RunningApp> {
  const { log, clock, logger } = ports;
  const { mint, settings, snapshots } = options;
  const abort = new AbortController();
  const lanesByChat = new Map<string, ChatLane>();
  const lanesByToken = new Map<string, ChatLane>();
  let position = 0;
  let lag = 0;
  let caughtUp = false;
  let reject: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, fail) => (reject = fail));
  failed.catch(() => undefined);

  function laneOf(channel: string, chat: string, restored?: ChatState): ChatLane {
    const key = `${channel}.${encodeToken(chat)}`;
    const present = lanesByChat.get(key);
    if (present !== undefined) return present;
    const token = mint("chat", channel, chat);
    const lane = { state: restored ?? newChat(channel, chat), token, pumping: false, folded: 0 };
    lanesByChat.set(key, lane);
    lanesByToken.set(`${channel}.${token}`, lane);
    return lane;
  }

  /** The chat an entry belongs to, found by what only its place tells when its data cannot be read. */
  function locate(entry: LogEntry): ChatLane | undefined {
    const place = parseSubject(entry.subject);
    if (place?.type === "turn") {
      const known = lanesByToken.get(`${place.key.channel}.${place.key.chatToken}`);
      if (known !== undefined) return known;
    }
    if (place?.type === "chat") {
      const known = lanesByChat.get(`${place.channel}.${place.chatToken}`);
      if (known !== undefined) return known;
    }
    if (entry.type === "CancelTurn" || entry.type === "RetryTurn") {
      const task = taskLaneOf(entry.data);
      if (task !== undefined) return task;
    }
    const chat = entry.type === "unreadable" ? undefined : chatOf(entry);
    return chat === undefined ? undefined : laneOf(chat.channel, chat.chat);
  }

  /** A task's turn runs in a chat of its own; its reader sees it in the chat it answers to, and commands it there. */
  function taskLaneOf(wanted: { channel: string; chat: string; turn?: string | undefined }): ChatLane | undefined {
    if (wanted.turn === undefined) return undefined;
    for (const lane of lanesByChat.values()) {
      const { channel, active } = lane.state;
      if (channel !== "sys" || active?.turn !== wanted.turn) continue;
      if (active.replyTo.channel === wanted.channel && active.replyTo.chat === wanted.chat) return lane;
    }
    return undefined;
  }

  /** Lets go of a task's chat when its turn is over: tasks would pile up for ever. */
  function forgetTask(lane: ChatLane): void {
    const { channel, chat, active, waiting, commands, recent } = lane.state;
    if (channel !== "sys" || active !== undefined || waiting.length > 0 || commands.length > 0 || recent.length === 0)
      return;
    lanesByChat.delete(`${channel}.${encodeToken(chat)}`);
    lanesByToken.delete(`${channel}.${lane.token}`);
  }

  async function fold(entry: LogEntry): Promise<void> {
    position = entry.seq;
    const lane = locate(entry);
    const place = parseSubject(entry.subject);
    if (entry.type === "unreadable") {
      await deadLetter(ports, SOURCE, entry, entry.code, entry.message);
      if (lane !== undefined && (place?.type === "turn" || place?.type === "chat")) {
        applyUnreadable(lane.state, entry, place.type);
        lane.folded++;
        if (caughtUp) void pump(lane);
      }
      return;
    }
    if (lane === undefined) return;
    // Our own appends were folded when they were acknowledged.
    if (place?.type === "turn" && entry.seq <= lane.state.turnsSeq) return;
    if (place?.type === "chat" && entry.seq <= lane.state.factsSeq) return;
    applyEvent(lane.state, entry);
    lane.folded++;
    forgetTask(lane);
    if (caughtUp) void pump(lane);
  }

  function toAppend(lane: ChatLane, decision: Decision): Append {
    const { channel, chat } = lane.state;
    const data = decision.data as { turn?: string };
    const key = { channel, chatToken: lane.token, turn: data.turn ?? "none" };
    const target = {
      request: () => lanes.turnRequest(key),
      resume: () => lanes.turnResume(key),
      signal: () => lanes.signal(key),
      chat: () => lanes.chat(channel, chat),
    }[decision.lane]();
    const id =
      decision.type === "TurnRequested" ? key.turn : deriveId(decision.cause.id, decision.type, data.turn ?? "");
    const origin = { source: SOURCE, nowMs: clock.nowMs(), cause: decision.cause };
    return {
      lane: target,
      expectedLastSeq: decision.expected,
      event: makeEvent(decision.type, id, origin, decision.data),
    };
  }

  /** A decision that the log will never take must not stop this chat, nor the others: its cause is a dead letter. */
  async function giveUp(lane: ChatLane, decision: Decision, append: Append, error: TaffrailError): Promise<void> {
    const cause = { seq: decision.cause.seq, subject: append.lane.subject };
    await deadLetter(ports, SOURCE, cause, error.code, error.message);
    const { state } = lane;
    state.waiting = state.waiting.filter((waiting) => waiting.cause.id !== decision.cause.id);
    state.commands = state.commands.filter((command) => command.cause.id !== decision.cause.id);
    if (decision.lane === "resume" && state.active !== undefined) state.active.parked = undefined;
  }

  /** Appends what the chat needs, one after the other, until it needs nothing or must wait for the log. */
  async function pump(lane: ChatLane): Promise<void> {
    if (lane.pumping || abort.signal.aborted) return;
    lane.pumping = true;
    try {
      while (!abort.signal.aborted) {
        const decision = decideChat(lane.state, settings, (trigger, attempt) => mint("turn", trigger, attempt));
        if (decision === undefined) return;
        const before = lane.folded;
        const append = toAppend(lane, decision);
        const outcome = await appendSurely(log, append, { clock, signal: abort.signal }).catch((error: unknown) => {
          if (error instanceof TaffrailError && !error.retryable) return error;
          throw error;
        });
        if (outcome instanceof TaffrailError) {
          await giveUp(lane, decision, append, outcome);
          continue;
        }
        if (outcome.type === "stored") {
          const already = outcome.seq <= (decision.lane === "chat" ? lane.state.factsSeq : lane.state.turnsSeq);
          if (already) continue;
        }
        if (outcome.type === "stored" && outcome.entry === undefined) {
          const { event, lane: target } = append;
          const own = { ...event, seq: outcome.seq, subject: target.subject, storedAtMs: clock.nowMs() } as StoredEvent;
          applyEvent(lane.state, own);
        } else if (lane.folded === before) {
          // What stands there is on its way to us, and folding it calls pump again. Not sooner: even under our own id it may
          // be a twin's word, which names messages that have not been read here yet.
          return;
        }
      }
    } catch (error) {
      if (!abort.signal.aborted) reject(error);
    } finally {
      lane.pumping = false;
    }
  }

  async function run(fromSeq: number, target: number): Promise<void> {
    let savedAtMs = clock.nowMs();
    for await (const { events, pending } of log.read({ filters: READS, fromSeq, signal: abort.signal })) {
      lag = pending;
      for (const entry of events) await fold(entry);
      if (!caughtUp && (pending === 0 || position >= target)) {
        caughtUp = true;
        for (const lane of lanesByChat.values()) void pump(lane);
      }
      if (caughtUp && snapshots !== undefined && clock.nowMs() - savedAtMs > SNAPSHOT_EVERY_MS) {
        savedAtMs = clock.nowMs();
        await save();
      }
    }
  }

  async function save(): Promise<void> {
    const states = [...lanesByChat.values()].map((lane) => lane.state);
    await snapshots
      ?.save(log, position, states)
      .catch((error: unknown) => logger.warn({ error: describeError(error) }, "the snapshot was not written"));
  }

  const { lastSeq: target } = await log.identity();
  const restored = await snapshots?.load(log);
  for (const state of restored?.state ?? []) laneOf(state.channel, state.chat, state);
  position = restored?.seq ?? 0;
  if (position >= target) caughtUp = true;
  const running = run(position + 1, target);
  running.catch(reject);
  if (caughtUp) for (const lane of lanesByChat.values()) void pump(lane);

  return {
    lag: () => lag,
    failed,
    async close() {
      abort.abort();
      await running.catch(() => undefined);
      await save();
    },
  };
}
