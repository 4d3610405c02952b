/** What a log holds, counted in one pass and bounded memory. Pure. */
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import { parseSubject } from "../../bus/subjects.ts";
import { nothingSpent, spend, type Prices, type Spent } from "./cost.ts";
import { TimeSketch, TopNames } from "./sketches.ts";

/** Counters of chats (1 MB at the most): more chats than this, and the smaller ones are lost. */
const MAX_CHATS = 10_000;
/** A chat has one open turn, so this is a household's many times; an older one's time to end is not measured. */
const MAX_OPEN_TURNS = 50_000;
/** Messages that wait for their turn; one that was taken back stays until newer ones push it out. */
const MAX_WAITING = 50_000;
/** A chat may be given any model name. */
const MAX_MODELS = 100;
const TOP_CHATS = 10;
const OTHER_MODELS = "other models";

export interface LogStats {
  readonly events: number;
  readonly firstSeq?: number;
  readonly lastSeq?: number;
  /** RFC 3339, when the broker stored the first and the last. */
  readonly from?: string;
  readonly to?: string;
  /** Bytes of the events' data as JSON, without their headers. */
  readonly dataBytes: number;
  readonly unreadable: number;
  readonly deadLetters: number;
  readonly types: readonly { readonly type: string; readonly count: number; readonly dataBytes: number }[];
  readonly chats: {
    /** Not exact when `countsTooLowBy` is above 0: then there are more. */
    readonly count: number;
    readonly countsTooLowBy: number;
    readonly top: readonly { readonly name: string; readonly count: number }[];
  };
  readonly turns: {
    readonly requested: number;
    readonly completed: number;
    readonly failed: number;
    readonly cancelled: number;
    /** Requested in this stretch and not ended in it. */
    readonly open: number;
    readonly takeovers: number;
    /** From the first message to the end, milliseconds; percentiles within 1 %. */
    readonly timeToEndMs: {
      readonly count: number;
      readonly p50?: number;
      readonly p95?: number;
      readonly max?: number;
    };
  };
  readonly failedModelCalls: number;
  readonly toolCalls: number;
  readonly spent: Spent;
  readonly models: readonly (Spent & { readonly model: string })[];
}

export interface StatsFold {
  add(entry: LogEntry): void;
  result(): LogStats;
}

/** Counts entries that are given in log order. */
export function newStats(prices: Prices): StatsFold {
  const types = new Map<string, { count: number; dataBytes: number }>();
  const chats = new TopNames(MAX_CHATS);
  const times = new TimeSketch();
  const models = new Map<string, Spent>();
  const all = nothingSpent();
  /** Sequence of a message that no turn names yet, and when it was stored. */
  const waiting = new Map<number, number>();
  /** Open turns: when the first thing they answer was stored, and whether they are parked. */
  const open = new Map<string, { startMs: number; parked: boolean }>();
  const counts = { events: 0, requested: 0, completed: 0, failed: 0, cancelled: 0, takeovers: 0, failedCalls: 0 };
  let pushedOut = 0;
  let first: LogEntry | undefined;
  let last: LogEntry | undefined;

  function book(model: string, usage: Parameters<typeof spend>[2]): void {
    const name = models.has(model) || models.size < MAX_MODELS ? model : OTHER_MODELS;
    const spent = models.get(name) ?? nothingSpent();
    models.set(name, spent);
    spend(spent, model, usage, prices);
    spend(all, model, usage, prices);
  }

  function request({ data, storedAtMs }: StoredEvent<"TurnRequested">): void {
    counts.requested++;
    let startMs = storedAtMs;
    for (const { seq } of [data.trigger, ...data.messages]) {
      startMs = Math.min(startMs, waiting.get(seq) ?? startMs);
      waiting.delete(seq);
    }
    open.set(data.turn, { startMs, parked: false });
    if (open.size > MAX_OPEN_TURNS && pushOut(open)) pushedOut++;
  }

  function setParked(turn: string, parked: boolean): void {
    const known = open.get(turn);
    if (known !== undefined) known.parked = parked;
  }

  function end(outcome: "completed" | "failed" | "cancelled", turn: string, storedAtMs: number): void {
    counts[outcome]++;
    const known = open.get(turn);
    if (known !== undefined) times.add(storedAtMs - known.startMs);
    open.delete(turn);
  }

  function addEvent(entry: StoredEvent): void {
    const { storedAtMs } = entry;
    switch (entry.type) {
      case "MessageReceived":
      case "TaskFired":
        waiting.set(entry.seq, storedAtMs);
        if (waiting.size > MAX_WAITING) pushOut(waiting);
        return;
      case "TurnRequested":
        return request(entry);
      case "Steered":
        waiting.delete(entry.data.message.seq);
        return;
      case "TurnParked":
        return setParked(entry.data.turn, true);
      case "TurnClaimed":
        // Whoever goes on with a turn that rested takes it from nobody.
        if (entry.data.reason === "takeover" && open.get(entry.data.turn)?.parked !== true) counts.takeovers++;
        return setParked(entry.data.turn, false);
      case "ModelStepCompleted":
        return book(entry.data.model, entry.data.usage);
      case "ModelStepFailed":
        counts.failedCalls++;
        return;
      case "TurnCompleted":
        book(entry.data.lastStep.model, entry.data.lastStep.usage);
        return end("completed", entry.data.turn, storedAtMs);
      case "TurnFailed":
        return end("failed", entry.data.turn, storedAtMs);
      case "TurnCancelled":
        return end("cancelled", entry.data.turn, storedAtMs);
      default:
    }
  }

  return {
    add(entry) {
      first ??= entry;
      last = entry;
      counts.events++;
      const one = types.get(entry.type) ?? { count: 0, dataBytes: 0 };
      types.set(entry.type, one);
      one.count++;
      const chat = chatOf(entry);
      if (chat !== undefined) chats.add(chat);
      if (entry.type === "unreadable") return;
      one.dataBytes += Buffer.byteLength(JSON.stringify(entry.data));
      addEvent(entry);
    },
    result() {
      const rows = [...types].map(([type, one]) => ({ type, ...one }));
      const countOf = (type: LogEntry["type"]): number => types.get(type)?.count ?? 0;
      const [p50, p95] = [times.percentile(0.5), times.percentile(0.95)];
      return {
        events: counts.events,
        ...(first === undefined ? {} : { firstSeq: first.seq, from: new Date(first.storedAtMs).toISOString() }),
        ...(last === undefined ? {} : { lastSeq: last.seq, to: new Date(last.storedAtMs).toISOString() }),
        dataBytes: rows.reduce((sum, { dataBytes }) => sum + dataBytes, 0),
        unreadable: countOf("unreadable"),
        deadLetters: countOf("DeadLettered"),
        types: rows.toSorted((a, b) => b.count - a.count || (a.type < b.type ? -1 : 1)),
        chats: { count: chats.size, countsTooLowBy: chats.missing, top: chats.top(TOP_CHATS) },
        turns: {
          requested: counts.requested,
          completed: counts.completed,
          failed: counts.failed,
          cancelled: counts.cancelled,
          open: open.size + pushedOut,
          takeovers: counts.takeovers,
          timeToEndMs: {
            count: times.count,
            ...(p50 === undefined || p95 === undefined
              ? {}
              : { p50: Math.round(p50), p95: Math.round(p95), max: times.maxMs }),
          },
        },
        failedModelCalls: counts.failedCalls,
        toolCalls: countOf("ToolCompleted"),
        spent: { ...all },
        models: [...models]
          .map(([model, spent]) => ({ model, ...spent }))
          .toSorted((a, b) => b.steps - a.steps || (a.model < b.model ? -1 : 1)),
      };
    },
  };
}

/** Drops the oldest. */
function pushOut(map: Map<unknown, unknown>): boolean {
  const [oldest] = map.keys();
  return map.delete(oldest);
}

/** `web/<chat>`; an event that cannot be read is counted where its subject stands, if that says the chat's own name. */
function chatOf(entry: LogEntry): string | undefined {
  const data: Readonly<Record<string, unknown>> = entry.type === "unreadable" ? {} : { ...entry.data };
  const { channel, chat } = data;
  if (typeof channel === "string" && typeof chat === "string") return `${channel}/${chat}`;
  const place = entry.type === "unreadable" ? parseSubject(entry.subject) : undefined;
  return place?.type === "in" ? `${place.channel}/${place.chatToken}` : undefined;
}
