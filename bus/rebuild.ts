/** What rebuilding a view means to those who hold one (services) and to who asks for it (ops): the words, and the reading. */
import type { LogEntry } from "./event.ts";
import type { Log } from "./log.ts";
import { LOG_ROOT, matchesFilter } from "./subjects.ts";

/** Events decoded ahead of their fold, some kB each: the broker is asked once for so many, and answers while they are folded. */
const MAX_BUFFERED = 1_000;

/** The reading side of a log, as far as a fold of it needs. */
export type FoldedLog = Pick<Log, "read" | "get" | "identity">;

export interface RebuildOptions {
  readonly log: FoldedLog;
  /** The live view's file; the new one grows beside it as `<file>.rebuild`. */
  readonly file: string;
  /** Compare only: the live view stays, the new one is thrown away. */
  readonly check: boolean;
  /** Runs `use` while nobody has the live view open. */
  readonly whileStopped: (use: () => Promise<void>) => Promise<void>;
  /** Position and target, both as sequences. */
  readonly onProgress?: (seq: number, toSeq: number) => void;
}

export interface RebuildDifference {
  /** What differs, in words. */
  readonly where: string;
  /** JSON of each side; absent where that side has nothing. */
  readonly live?: string;
  readonly rebuilt?: string;
}

export interface RebuildOutcome {
  /** Both sides are compared at this sequence. */
  readonly seq: number;
  /** Events folded by this call. */
  readonly events: number;
  /** Where an interrupted rebuild went on. */
  readonly wentOnAt?: number;
  /** Why what an earlier call had left could not be used. */
  readonly begunAnew?: string;
  /** SHA-256, hex. */
  readonly rebuiltHash: string;
  /** Absent: there was nothing to compare with, `notCompared` says why. */
  readonly liveHash?: string;
  readonly notCompared?: string;
  readonly difference?: RebuildDifference;
  readonly swapped: boolean;
  /** The replaced file, kept because it differed. */
  readonly before?: string;
}

/** Asks for the next value while the one before is worked on. */
async function* ahead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = source.next();
  try {
    for (let found = await next; found.done !== true; found = await next) {
      next = source.next();
      // Met by the next await; when the reader leaves before, nobody asks.
      next.catch(() => undefined);
      yield found.value;
    }
  } finally {
    await next.catch(() => undefined);
    await source.return(undefined);
  }
}

/** Entries of `filters` from `fromSeq` to `toSeq` in log order, in batches of about `size`. */
export function readTo(log: Pick<Log, "read">, stretch: Stretch): AsyncGenerator<LogEntry[]> {
  return ahead(batches(log, stretch));
}

interface Stretch {
  readonly filters: readonly string[];
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly size: number;
}

async function* batches(
  log: Pick<Log, "read">,
  { filters, fromSeq, toSeq, size }: Stretch,
): AsyncGenerator<LogEntry[]> {
  if (fromSeq > toSeq) return;
  const all = filters.includes(LOG_ROOT);
  const wanted = (subject: string): boolean => all || filters.some((filter) => matchesFilter(filter, subject));
  const abort = new AbortController();
  let batch: LogEntry[] = [];
  try {
    // One filter for all: a broker that has to match several for each message of a long log gives a thousand a second.
    const read = { filters: [LOG_ROOT], fromSeq, signal: abort.signal, maxBuffered: MAX_BUFFERED };
    for await (const { events, pending } of log.read(read)) {
      for (const entry of events) if (entry.seq <= toSeq && wanted(entry.subject)) batch.push(entry);
      const done = pending === 0 || (events.at(-1)?.seq ?? 0) >= toSeq;
      if (batch.length >= size || done) {
        if (batch.length > 0) yield batch;
        batch = [];
      }
      if (done) return;
    }
  } finally {
    abort.abort();
  }
}
