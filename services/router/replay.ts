/**
 * The router's decider over a recorded log. In: entries in log order. Out: what would be decided differently now. Recorded
 * decisions are compared and then folded, so that one difference does not bring others after it. Never: appends.
 */
import { judge, placeOf, type Amend, type Difference, type Heads } from "../../bus/compare.ts";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import type { TokenMint } from "../../bus/ids.ts";
import { parseSubject } from "../../bus/subjects.ts";
import { appendFor, SOURCE } from "./appends.ts";
import { decideChat, type Decision, type RouterSettings } from "./decide.ts";
import { createDirectory, type Known } from "./directory.ts";
import { applyEvent, applyGivenUp, foldEntry, isOver, newChat, type ChatState } from "./state.ts";

const DECISIONS = [
  "TurnRequested",
  "TurnResumed",
  "Steered",
  "CancelRequested",
  "ChatModelSelected",
  "CommandRefused",
] as const;
type RouterEvent = StoredEvent<(typeof DECISIONS)[number]>;

/** Entries of a chat held for the next decision; one is made with each message, so only a defect reaches it. */
const MAX_PENDING = 5_000;
/** Entries a chat can go back by, for a decision of a second router that had read less than the first. */
const MAX_TAIL = 16;
/** A router is given up for broken when it cannot append for a minute: what it owes longer than this it does not know of. */
const OWED_MS = 60_000;

export interface RouterReplayOptions {
  readonly settings: RouterSettings;
  readonly mint: TokenMint;
  readonly amend?: Amend | undefined;
}

export interface RouterReplay {
  /** Takes the next entry of the log; one that is not `compared` is only folded. */
  take(entry: LogEntry, compared: boolean): Difference | undefined;
  /** What is owed at the end of the log: differences when it ends at `endMs`, long after; else chats still at work. */
  finish(endMs: number): { differences: Difference[]; open: number };
  /** Decisions compared. */
  readonly compared: number;
}

interface Lane extends Known {
  state: ChatState;
  /** Read, not yet folded: the next decision says how far its router had read. */
  pending: LogEntry[];
  /** The state before `tail`. */
  base: ChatState;
  tail: LogEntry[];
  /** The turn that runs, in log order. */
  active: { turn: string; replyTo: { channel: string; chat: string } } | undefined;
  lastDecisionSeq: number;
  /** Of the chat's facts and its newest turn. */
  heads: Heads;
  /** The newest entry, and whether it is compared. */
  last: { seq: number; storedAtMs: number; compared: boolean } | undefined;
}

function isDecision(entry: LogEntry): entry is RouterEvent {
  if (entry.type === "CommandRefused") return entry.subject.startsWith("log.chat.");
  return (DECISIONS as readonly string[]).includes(entry.type);
}

function isEnd(entry: LogEntry): boolean {
  return entry.type === "TurnCompleted" || entry.type === "TurnFailed" || entry.type === "TurnCancelled";
}

/** What the fold looks at, without the texts: some are kept of every chat. */
function slim(entry: LogEntry): LogEntry {
  if (entry.type === "MessageReceived") return { ...entry, data: { ...entry.data, text: "" } };
  if (entry.type === "MessageEdited") return { ...entry, data: { ...entry.data, text: "" } };
  if (entry.type === "unreadable" || entry.type === "TurnParked" || !entry.subject.includes(".run.")) return entry;
  const { channel, chat, turn } = entry.data as { channel: string; chat: string; turn: string };
  return { ...entry, data: { channel, chat, turn } } as StoredEvent;
}

export function createRouterReplay(options: RouterReplayOptions): RouterReplay {
  const { settings, mint } = options;
  let compared = 0;
  const directory = createDirectory<Lane>({
    mint,
    make: (known) => ({
      ...known,
      state: newChat(known.channel, known.chat),
      pending: [],
      base: newChat(known.channel, known.chat),
      tail: [],
      active: undefined,
      lastDecisionSeq: 0,
      heads: new Map<string, number>(),
      last: undefined,
    }),
    activeIn: (lane) => lane.active,
  });

  const decide = (state: ChatState): Decision | undefined =>
    decideChat(state, settings, (trigger, attempt) => mint("turn", trigger, attempt));

  function folded(state: ChatState, entry: LogEntry): ChatState {
    if (entry.type === "DeadLettered") applyGivenUp(state, entry.data.seq);
    else foldEntry(state, entry, parseSubject(entry.subject)?.type);
    return isOver(state) ? newChat(state.channel, state.chat) : state;
  }

  function remember(lane: Lane, entry: LogEntry): void {
    if (entry.subject.startsWith("log.turn.") || entry.subject.startsWith("log.chat.")) {
      // Nothing comes to the turns before: the newest head is that of the whole chat.
      if (entry.type === "TurnRequested")
        for (const subject of lane.heads.keys()) if (subject.startsWith("log.turn.")) lane.heads.delete(subject);
      lane.heads.set(entry.subject, entry.seq);
    }
    lane.tail.push(entry);
    if (lane.tail.length <= 2 * MAX_TAIL) return;
    for (const old of lane.tail.splice(0, MAX_TAIL)) lane.base = folded(lane.base, old);
  }

  /** Folds what its router had read; what was appended is known to it however far it had read. */
  function foldThrough(lane: Lane, seq: number): void {
    const rest: LogEntry[] = [];
    for (const entry of lane.pending) {
      if (entry.seq <= seq) lane.state = folded(lane.state, entry);
      else rest.push(entry);
    }
    lane.pending = rest;
  }

  /** The state of a router that had read up to `seq` and nothing of its twin's behind it. */
  function stateAt(lane: Lane, seq: number): ChatState {
    let state = structuredClone(lane.base);
    for (const entry of lane.tail) if (entry.seq <= seq) state = folded(state, entry);
    return state;
  }

  function difference(lane: Lane, recorded: RouterEvent, state: ChatState): Difference | undefined {
    const decision = decide(state);
    const computed = decision === undefined ? undefined : appendFor(lane, decision, 0, { through: 0 });
    return judge(recorded, computed, lane.heads, options.amend);
  }

  function extra(lane: Lane, decision: Decision, seq: number): Difference {
    const { event } = appendFor(lane, decision, 0, { through: seq });
    return { ...placeOf(event), seq, kind: "extra", path: "", recorded: undefined, computed: decision.data };
  }

  /** The recorded router looked after `quiet` and had nothing to decide. */
  function checkQuiet(lane: Lane, quiet: number): Difference | undefined {
    if (quiet <= lane.lastDecisionSeq) return undefined;
    foldThrough(lane, quiet);
    const decision = decide(lane.state);
    return decision === undefined ? undefined : extra(lane, decision, quiet);
  }

  function check(lane: Lane, recorded: RouterEvent): Difference | undefined {
    const { seen } = recorded.data;
    if (seen === undefined) return checkUnsaid(lane, recorded);
    const loud = seen.quiet === undefined ? undefined : checkQuiet(lane, seen.quiet);
    foldThrough(lane, seen.through);
    if (loud !== undefined) return loud;
    const found = difference(lane, recorded, lane.state);
    if (found === undefined) return undefined;
    return difference(lane, recorded, stateAt(lane, seen.through)) === undefined ? undefined : found;
  }

  /** A decision of a release that did not say what it had read: any place between is as good as another. */
  function checkUnsaid(lane: Lane, recorded: RouterEvent): Difference | undefined {
    const places = lane.pending.map((entry) => entry.seq).toReversed();
    let found: Difference | undefined;
    for (const seq of places.length === 0 ? [recorded.seq] : places) {
      let state = structuredClone(lane.state);
      for (const entry of lane.pending) if (entry.seq <= seq) state = folded(state, entry);
      const now = difference(lane, recorded, state);
      found ??= now;
      if (now !== undefined) continue;
      foldThrough(lane, seq);
      return undefined;
    }
    foldThrough(lane, recorded.seq);
    return found;
  }

  function laneOfDeadLetter(seq: number): Lane | undefined {
    for (const lane of directory.all()) {
      const { waiting, commands, active } = lane.state;
      const named =
        [...waiting, ...commands].some(({ cause }) => cause.seq === seq) || active?.parked?.cause?.seq === seq;
      if (named || lane.pending.some((entry) => entry.seq === seq)) return lane;
    }
    return undefined;
  }

  function locate(entry: LogEntry): Lane | undefined {
    if (entry.type !== "DeadLettered") return directory.locate(entry);
    return entry.data.process === SOURCE ? laneOfDeadLetter(entry.data.seq) : undefined;
  }

  return {
    get compared() {
      return compared;
    },
    take(read, comparing) {
      const lane = locate(read);
      if (lane === undefined) return undefined;
      const entry = slim(read);
      lane.last = { seq: entry.seq, storedAtMs: entry.storedAtMs, compared: comparing };
      let found: Difference | undefined;
      if (isDecision(entry)) {
        if (comparing) {
          compared++;
          found = check(lane, entry);
        } else foldThrough(lane, entry.data.seen?.through ?? entry.seq);
        applyEvent(lane.state, entry);
        lane.lastDecisionSeq = entry.seq;
        if (entry.type === "TurnRequested") lane.active = { turn: entry.data.turn, replyTo: entry.data.replyTo };
      } else {
        lane.pending.push(entry);
        if (isEnd(entry)) lane.active = undefined;
        if (lane.pending.length > MAX_PENDING) foldThrough(lane, lane.pending[MAX_PENDING / 2]!.seq);
      }
      remember(lane, entry);
      // Tasks would pile up for ever.
      if (isEnd(entry) && lane.channel === "sys" && isOver(stateAt(lane, entry.seq))) directory.forget(lane);
      return found;
    },
    finish(endMs) {
      const differences: Difference[] = [];
      let open = 0;
      for (const lane of directory.all()) {
        foldThrough(lane, Number.MAX_SAFE_INTEGER);
        const decision = decide(lane.state);
        if (decision === undefined || lane.last?.compared !== true) continue;
        if (endMs - lane.last.storedAtMs > OWED_MS) differences.push(extra(lane, decision, lane.last.seq));
        else open++;
      }
      return { differences, open };
    },
  };
}

export { routerSettings } from "./config.ts";
