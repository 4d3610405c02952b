/**
 * Appending until the outcome is certain. An append whose answer was lost may stand in the log: it is looked for by its
 * derived id before it is tried again, so that neither a lost nor a doubled event can come of it.
 */
import { hasCode, TaffrailError } from "./errors.ts";
import type { Append, LogEntry, StoredEvent } from "./event.ts";
import type { Log } from "./log.ts";
import type { Clock } from "./ports.ts";

export type AppendOutcome =
  /** `entry`: it stood there already, perhaps with other bytes than ours; go on from these. Absent: just acknowledged. */
  | { readonly type: "stored"; readonly seq: number; readonly entry?: StoredEvent | undefined }
  /** Another event stands behind the fence; `entry` is the first of them when it could be read. */
  | { readonly type: "conflict"; readonly entry?: LogEntry | undefined };

export interface AppendPatience {
  readonly clock: Clock;
  /** How long to go on while the broker does not answer. A broker restart takes well under a second. */
  readonly limitMs?: number;
  readonly signal?: AbortSignal;
}

/** A broker that is away longer needs a person; the caller's work is taken up again from the log. */
const DEFAULT_LIMIT_MS = 60_000;
const FIRST_DELAY_MS = 25;
const MAX_DELAY_MS = 1_000;

/** True when `entry` is the event `id` itself: a derived id, so a twin that did the same work counts as ours. */
function isSame(entry: LogEntry | undefined, id: string): entry is StoredEvent {
  return entry !== undefined && entry.type !== "unreadable" && entry.id === id;
}

/**
 * Appends once and makes sure of it.
 * @throws the terminal errors of Log.append, and the last retryable one after the limit.
 */
export async function appendSurely(log: Log, append: Append, patience: AppendPatience): Promise<AppendOutcome> {
  const { clock, limitMs = DEFAULT_LIMIT_MS, signal } = patience;
  const untilMs = clock.nowMs() + limitMs;
  let delayMs = FIRST_DELAY_MS;
  while (true) {
    try {
      return { type: "stored", seq: (await log.append(append.lane, append.expectedLastSeq, append.event)).seq };
    } catch (error) {
      const conflict = hasCode(error, "BUS_APPEND_CONFLICT");
      if (!conflict && !(error instanceof TaffrailError && error.retryable)) throw error;
      if (clock.nowMs() >= untilMs || signal?.aborted) throw error;
      const settled = await lookUp(log, append, conflict);
      if (settled !== undefined) return settled;
    }
    await clock.sleep(delayMs, signal);
    delayMs = Math.min(delayMs * 2, MAX_DELAY_MS);
  }
}

async function lookUp(log: Log, append: Append, conflict: boolean): Promise<AppendOutcome | undefined> {
  const first = await log
    .fetch({ filter: append.lane.fence, fromSeq: append.expectedLastSeq + 1, limit: 1 })
    .then(([entry]) => ({ entry }))
    .catch(() => undefined);
  // The log cannot be read now: only certain knowledge settles it.
  if (first === undefined) return undefined;
  if (isSame(first.entry, append.event.id)) return { type: "stored", seq: first.entry.seq, entry: first.entry };
  if (conflict || first.entry !== undefined) return { type: "conflict", entry: first.entry };
  return undefined;
}
