/** The events of one turn as a story: who said what, which step, which tool, how long, at what cost. Pure. */
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import type { DataOf } from "../../schemas/index.ts";
import type { Prices, Spent } from "./cost.ts";
import { newTelling, tell, type Outcome, type StoryRow } from "./story-rows.ts";

export interface Story {
  readonly turn: string;
  readonly channel: string;
  readonly chat: string;
  readonly group?: string;
  readonly attempt?: number;
  readonly retryOf?: string;
  /** Where the answer goes, when that is another chat. */
  readonly replyTo?: { readonly channel: string; readonly chat: string };
  readonly outcome: Outcome;
  /** The first message, or whatever else asked for the turn. */
  readonly startMs: number;
  readonly endMs?: number;
  readonly rows: readonly StoryRow[];
  readonly sum: StorySum;
}

export interface StorySum {
  /** From the first message to the end; absent while it is open. */
  readonly tookMs?: number;
  readonly modelMs: number;
  readonly toolMs: number;
  readonly spent: Spent;
  readonly toolCalls: number;
  readonly claims: number;
  readonly takeovers: number;
  /** Model calls that failed or whose runner was gone: the log has no figures of them, a provider may count them. */
  readonly brokenOffCalls: number;
  /** Events of the turn itself, without the messages it answers. */
  readonly events: number;
}

/**
 * Tells the turn `turn`.
 * @param entries the turn's events with the messages, commands and timers behind it, in log order.
 */
export function tellTurn(turn: string, entries: readonly LogEntry[], prices: Prices): Story {
  const telling = newTelling(prices);
  let events = 0;
  let request: StoredEvent<"TurnRequested"> | undefined;
  for (const entry of entries) {
    if (isOfTurn(entry, turn)) events++;
    if (entry.type === "TurnRequested") request ??= entry;
    tell(telling, entry);
  }
  const { end } = telling;
  const first = request === undefined ? entries[0] : startOf(entries, request);
  const startMs = first?.storedAtMs ?? 0;
  const data: Partial<DataOf["TurnRequested"]> = request?.data ?? {};
  const elsewhere =
    request !== undefined && (data.replyTo?.channel !== data.channel || data.replyTo?.chat !== data.chat);
  return {
    turn,
    channel: data.channel ?? "?",
    chat: data.chat ?? "?",
    ...(data.group === undefined ? {} : { group: data.group }),
    ...(data.attempt === undefined ? {} : { attempt: data.attempt }),
    ...(data.retryOf === undefined ? {} : { retryOf: data.retryOf }),
    ...(elsewhere && data.replyTo !== undefined ? { replyTo: data.replyTo } : {}),
    outcome: telling.outcome,
    startMs,
    ...(end === undefined ? {} : { endMs: end.storedAtMs }),
    rows: telling.rows,
    sum: {
      ...(end === undefined ? {} : { tookMs: end.storedAtMs - startMs }),
      modelMs: telling.modelMs,
      toolMs: telling.toolMs,
      spent: telling.spent,
      toolCalls: telling.toolCalls,
      claims: telling.claims,
      takeovers: telling.takeovers,
      brokenOffCalls: telling.brokenOffCalls,
      events,
    },
  };
}

function isOfTurn(entry: LogEntry, turn: string): boolean {
  return entry.subject.startsWith("log.turn.") && entry.subject.split(".")[4] === turn;
}

/** What set the clock of the turn going: its first message or fire; of another attempt the command to try again. */
function startOf(entries: readonly LogEntry[], request: StoredEvent<"TurnRequested">): LogEntry {
  const { attempt, messages, trigger } = request.data;
  const causes = attempt > 1 ? [] : [trigger.seq, ...messages.map(({ seq }) => seq)];
  const isCause = (entry: LogEntry): boolean =>
    causes.includes(entry.seq) || (entry.type !== "unreadable" && entry.id === request.causationId);
  return entries.find(isCause) ?? request;
}
