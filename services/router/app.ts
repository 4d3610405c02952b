/**
 * Router process.
 * In: messages (`log.in`), commands (`log.cmd`), turns (`log.turn`), facts of chats and tasks. Out: TurnRequested,
 * TurnResumed, signals, facts of a chat, CommandRefused. Owns: which turn runs in a chat. Never: runs a model, keeps a truth
 * of its own; a second or late router is refused by the fences.
 */
import { appendSurely } from "../../bus/append.ts";
import { deadLetter } from "../../bus/dead-letter.ts";
import { describeError, TaffrailError } from "../../bus/errors.ts";
import type { Append, LogEntry, StoredEvent } from "../../bus/event.ts";
import type { TokenMint } from "../../bus/ids.ts";
import type { Ports, RunningApp } from "../../bus/runtime.ts";
import type { SnapshotStore } from "../../bus/snapshot.ts";
import { parseSubject } from "../../bus/subjects.ts";
import { appendFor, SOURCE } from "./appends.ts";
import { decideChat, type Decision, type RouterSettings } from "./decide.ts";
import { createDirectory, type Known } from "./directory.ts";
import { READS } from "./reads.ts";
import { applyEvent, applyGivenUp, foldEntry, isOver, newChat, type ChatState } from "./state.ts";

/** How often the snapshot is written while events come; a start then reads at most this many seconds of log. */
const SNAPSHOT_EVERY_MS = 10_000;

export interface RouterOptions {
  readonly settings: RouterSettings;
  readonly mint: TokenMint;
  readonly snapshots?: SnapshotStore<ChatState[]>;
}

interface ChatLane extends Known {
  readonly state: ChatState;
  pumping: boolean;
  /** Counts folded events, to see whether something came while an append was under way. */
  folded: number;
  /** Where nothing was to be decided, since the last decision. */
  quiet: number | undefined;
}

export async function startRouter(ports: Ports, options: RouterOptions): Promise<RunningApp> {
  const { log, clock, logger } = ports;
  const { mint, settings, snapshots } = options;
  const abort = new AbortController();
  let position = 0;
  let lag = 0;
  let caughtUp = false;
  let reject: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, fail) => (reject = fail));
  failed.catch(() => undefined);

  const restoring = new Map<string, ChatState>();
  const directory = createDirectory<ChatLane>({
    mint,
    make: (known) => {
      const state = restoring.get(`${known.channel} ${known.chat}`) ?? newChat(known.channel, known.chat);
      return { ...known, state, pumping: false, folded: 0, quiet: undefined };
    },
    activeIn: ({ state }) => state.active,
  });

  /** Lets go of a task's chat when its turn is over: tasks would pile up for ever. */
  function forgetTask(lane: ChatLane): void {
    if (isOver(lane.state)) directory.forget(lane);
  }

  async function fold(entry: LogEntry): Promise<void> {
    const lane = directory.locate(entry);
    const place = parseSubject(entry.subject);
    if (entry.type === "unreadable") await deadLetter(ports, SOURCE, entry, entry.code, entry.message);
    position = entry.seq;
    if (lane === undefined || !foldEntry(lane.state, entry, place?.type)) return;
    lane.folded++;
    forgetTask(lane);
    if (caughtUp) void pump(lane);
  }

  /** A decision that the log will never take must not stop this chat, nor the others: its cause is a dead letter. */
  async function giveUp(lane: ChatLane, decision: Decision, append: Append, error: TaffrailError): Promise<void> {
    const cause = { seq: decision.cause.seq, subject: append.lane.subject };
    await deadLetter(ports, SOURCE, cause, error.code, error.message);
    applyGivenUp(lane.state, decision.cause.seq);
  }

  /** Appends what the chat needs, one after the other, until it needs nothing or must wait for the log. */
  async function pump(lane: ChatLane): Promise<void> {
    if (lane.pumping || abort.signal.aborted) return;
    lane.pumping = true;
    try {
      while (!abort.signal.aborted) {
        const decision = decideChat(lane.state, settings, (trigger, attempt) => mint("turn", trigger, attempt));
        if (decision === undefined) {
          // Own appends ahead of the reader would make it a place that no other reader comes by.
          if (position >= Math.max(lane.state.turnsSeq, lane.state.factsSeq)) lane.quiet = position;
          return;
        }
        const before = lane.folded;
        const append = appendFor(lane, decision, clock.nowMs(), { through: position, quiet: lane.quiet });
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
          lane.quiet = undefined;
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
        for (const lane of directory.all()) void pump(lane);
      }
      if (caughtUp && snapshots !== undefined && clock.nowMs() - savedAtMs > SNAPSHOT_EVERY_MS) {
        savedAtMs = clock.nowMs();
        await save();
      }
    }
  }

  async function save(): Promise<void> {
    const states = [...directory.all()].map((lane) => lane.state);
    await snapshots
      ?.save(log, position, states)
      .catch((error: unknown) => logger.warn({ error: describeError(error) }, "the snapshot was not written"));
  }

  const { lastSeq: target } = await log.identity();
  const restored = await snapshots?.load(log);
  for (const state of restored?.state ?? []) {
    restoring.set(`${state.channel} ${state.chat}`, state);
    directory.of(state.channel, state.chat);
  }
  restoring.clear();
  position = restored?.seq ?? 0;
  if (position >= target) caughtUp = true;
  const running = run(position + 1, target);
  running.catch(reject);
  if (caughtUp) for (const lane of directory.all()) void pump(lane);

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
