/**
 * Replay: the deciders and the agent loop of this release over a recorded log. In: entries in log order. Out: whether each
 * decision comes out the same, and where it first does not. Never: a network, a model, a tool, an append.
 */
import type { Amend, Difference } from "../../bus/compare.ts";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import { hasCode } from "../../bus/errors.ts";
import { deriveId, type TokenMint } from "../../bus/ids.ts";
import { parseSubject } from "../../bus/subjects.ts";
import {
  createTurnReplay,
  strayDifference,
  type TurnReplay,
  type TurnReplayOptions,
} from "../../services/agent-runner/replay.ts";
import { createRouterReplay, type RouterReplayOptions } from "../../services/router/replay.ts";
import { createSchedulerReplay } from "../../services/scheduler/replay.ts";
import type { LogReader } from "../source/source.ts";
import { createChatWindow } from "./chat-window.ts";

/** What this release would decide with: the configuration a replay needs. */
export interface ReplaySettings {
  readonly router: RouterReplayOptions["settings"];
  readonly runner: TurnReplayOptions["settings"];
  readonly tools: TurnReplayOptions["tools"];
  /** As a claim records them now. */
  readonly versions: Versions;
}

export type Versions = StoredEvent<"TurnClaimed">["data"]["versions"];

export interface ReplayOptions {
  readonly settings: ReplaySettings;
  /** Tokens of chats and turns. */
  readonly mint: TokenMint;
  /** Log to ask for what lies before `entries`. */
  readonly log: Pick<LogReader, "fetch">;
  /** First sequence of `entries`. */
  readonly startSeq: number;
  /** Entries that are compared, asked in log order; the others are only folded. All when absent. */
  readonly compares?: (entry: LogEntry) => boolean;
  /** Milliseconds since the epoch at which the log is known to have ended. */
  readonly endMs: number;
  readonly onRequest?: TurnReplayOptions["onRequest"];
  readonly amend?: Amend | undefined;
  /** Goes on behind the first difference; all are reported. */
  readonly all?: boolean;
}

export interface ReplayDifference extends Difference {
  /** Recorded and present version of each part that is another one now. */
  readonly changed: readonly { readonly part: keyof Versions; readonly recorded: string; readonly now: string }[];
}

export interface ReplayReport {
  /** Entries read. */
  events: number;
  turns: number;
  /** Events compared: decisions, and what the agent loop makes of models and tools. */
  compared: number;
  /** Turns and chats that were still at work at the end. */
  open: number;
  /** Entries no schema reads; what depends on them is not compared. */
  unreadable: number;
  /** In log order. */
  differences: ReplayDifference[];
}

/** Entries taken at a stretch: without a turn of the event loop nothing that was weakly held is ever let go of. */
const STRETCH = 500;
/** Open turns kept for their end, one per chat, and ended ones known by name; a chat without one costs nothing. */
const MAX_OPEN_TURNS = 10_000;

interface OpenTurn {
  entries: LogEntry[];
  /** Its request is among what is compared. */
  compared: boolean;
}

function isEnd(entry: LogEntry): boolean {
  return entry.type === "TurnCompleted" || entry.type === "TurnFailed" || entry.type === "TurnCancelled";
}

/** Replays `entries`, which must be in log order. */
export async function replay(
  entries: AsyncIterable<readonly LogEntry[]>,
  options: ReplayOptions,
): Promise<ReplayReport> {
  const { settings, compares = () => true } = options;
  const mint = boldMint(options.mint);
  const window = createChatWindow(options.log, options.startSeq);
  const router = createRouterReplay({ settings: settings.router, mint, amend: options.amend });
  const scheduler = createSchedulerReplay(options.amend);
  const turns: TurnReplay = createTurnReplay({
    settings: settings.runner,
    tools: settings.tools,
    log: window,
    onRequest: options.onRequest,
    amend: options.amend,
  });
  const open = new Map<string, OpenTurn>();
  /** Turns that ended, newest last: what a runner says of one of them is decided by nobody. */
  const ended = new Set<string>();
  const report: ReplayReport = { events: 0, turns: 0, compared: 0, open: 0, unreadable: 0, differences: [] };
  let claim: StoredEvent<"TurnClaimed"> | undefined;

  function found(difference: Difference | undefined, under = claim): void {
    if (difference === undefined) return;
    report.differences.push({ ...difference, changed: changedVersions(under, settings.versions) });
  }

  async function play(turn: OpenTurn): Promise<void> {
    if (!turn.compared) return;
    const verdict = await turns.play(turn.entries);
    report.turns++;
    report.compared += verdict.compared;
    found(verdict.difference, verdict.claim);
  }

  async function takeTurn(entry: LogEntry, compared: boolean): Promise<void> {
    const place = parseSubject(entry.subject);
    if (place?.type !== "turn") return;
    const { turn } = place.key;
    let held = open.get(turn);
    if (held === undefined) {
      const runs = place.lane === "step" || place.lane === "out";
      if (runs && compared && entry.type !== "unreadable" && ended.has(turn)) found(strayDifference(entry));
      // Turns whose beginning lies before the stretch are not played.
      if (entry.type !== "TurnRequested") return;
      held = { entries: [], compared };
      open.set(turn, held);
      const [oldest] = open.keys();
      if (open.size > MAX_OPEN_TURNS && oldest !== undefined) open.delete(oldest);
    }
    held.entries.push(entry);
    if (!isEnd(entry)) return;
    open.delete(turn);
    ended.add(turn);
    const [longAgo] = ended;
    if (ended.size > MAX_OPEN_TURNS && longAgo !== undefined) ended.delete(longAgo);
    await play(held);
  }

  async function take(entry: LogEntry): Promise<void> {
    report.events++;
    if (entry.type === "unreadable") report.unreadable++;
    if (entry.type === "TurnClaimed") claim = entry;
    window.add(entry);
    const compared = compares(entry);
    found(router.take(entry, compared));
    found(scheduler.take(entry, compared));
    await takeTurn(entry, compared);
  }

  read: for await (const batch of entries) {
    for (const entry of batch) {
      await take(entry);
      if (report.events % STRETCH === 0) await new Promise((resolve) => setImmediate(resolve));
      if (report.differences.length > 0 && options.all !== true) break read;
    }
    // Promises alone never end a task: nothing that was used would be let go of, and no Ctrl-C be heard.
    await new Promise((resolve) => setImmediate(resolve));
  }
  // Turns open at the end, or at the first difference: one of them may have differed before it.
  const atWork = [...open.values()];
  for (const turn of atWork) await play(turn);
  report.open = atWork.length;
  if (report.differences.length === 0 || options.all === true) {
    for (const { differences } of [router.finish(options.endMs), scheduler.finish(options.endMs)])
      for (const difference of differences) found(difference);
  }
  report.compared += router.compared + scheduler.compared;
  report.differences.sort((a, b) => a.seq - b.seq);
  if (options.all !== true) report.differences.splice(1);
  return report;
}

/** A bundle's table lacks the tokens of what is only decided now: any other one shows that it is another. */
function boldMint(mint: TokenMint): TokenMint {
  return (...parts) => {
    try {
      return mint(...parts);
    } catch (error) {
      if (!hasCode(error, "NOT_FOUND")) throw error;
      return deriveId("unknown", ...parts);
    }
  };
}

function changedVersions(claim: StoredEvent<"TurnClaimed"> | undefined, now: Versions): ReplayDifference["changed"] {
  if (claim === undefined) return [];
  const parts = Object.keys(now) as (keyof Versions)[];
  return parts.flatMap((part) => {
    const recorded = claim.data.versions[part];
    return recorded === now[part] ? [] : [{ part, recorded, now: now[part] }];
  });
}
