/** Rebuilding a view that is a fold kept in a snapshot file: fold the log to the live snapshot's place, compare, replace. */
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import type { LogEntry } from "./event.ts";
import { canonicalJson } from "./ids.ts";
import { readTo, type RebuildDifference, type RebuildOptions, type RebuildOutcome } from "./rebuild.ts";
import { fileSnapshots } from "./snapshot.ts";

/** Events of one batch; they are only folded, so it bounds memory and nothing else. */
const BATCH = 200;
/** Events between two notes of how far it is: a second of work or so. */
const NOTE_EVERY = 50_000;
/** How far a process may be ahead of its reader with its own appends; it has one under way for each chat. */
const MAX_AHEAD = 1_000;

export interface Fold<State> {
  take(entry: LogEntry): void;
  /**
   * Takes an entry behind the live snapshot's place when its process, which appended it, had folded it before its reader
   * came by. Returns false when it had not.
   */
  takeAhead(entry: LogEntry, live: State): boolean;
  state(): State;
}

export interface FoldKind<State> {
  readonly shape: number;
  readonly reads: readonly string[];
  start(from: State | undefined): Fold<State>;
  /** What is compared, by name. */
  parts(state: State): ReadonlyMap<string, unknown>;
}

type Parts = ReadonlyMap<string, string>;

function canonicalParts<State>(kind: FoldKind<State>, state: State): Parts {
  const named = [...kind.parts(state)].map(([name, value]) => [name, canonicalJson(value)] as const);
  return new Map(named.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function hashOf(parts: Parts): string {
  const hash = createHash("sha256");
  for (const [name, text] of parts) hash.update(`${name} ${text}\n`);
  return hash.digest("hex");
}

function differenceOf(live: Parts, rebuilt: Parts): RebuildDifference | undefined {
  for (const name of [...new Set([...live.keys(), ...rebuilt.keys()])].toSorted()) {
    const [mine, theirs] = [live.get(name), rebuilt.get(name)];
    if (mine === theirs) continue;
    return {
      where: name,
      ...(mine === undefined ? {} : { live: mine }),
      ...(theirs === undefined ? {} : { rebuilt: theirs }),
    };
  }
  return undefined;
}

export async function rebuildFold<State>(options: RebuildOptions, kind: FoldKind<State>): Promise<RebuildOutcome> {
  const { log, file, check, onProgress } = options;
  const path = `${file}.rebuild`;
  const notes = fileSnapshots<State>(path, kind.shape);
  const { lastSeq } = await log.identity();
  const snapshots = fileSnapshots<State>(file, kind.shape);
  const live = await snapshots.load(log);
  const toSeq = live?.seq ?? lastSeq;
  const noted = await notes.load(log);
  // One that went further than the live snapshot cannot be brought back to its place.
  const start = noted !== undefined && noted.seq <= toSeq ? noted : undefined;
  const fold = kind.start(start?.state);
  let events = 0;
  let unnoted = 0;
  for await (const entries of readTo(log, {
    filters: kind.reads,
    fromSeq: (start?.seq ?? 0) + 1,
    toSeq,
    size: BATCH,
  })) {
    for (const entry of entries) fold.take(entry);
    events += entries.length;
    unnoted += entries.length;
    const seq = entries.at(-1)?.seq ?? 0;
    if (unnoted >= NOTE_EVERY) {
      unnoted = 0;
      await notes.save(log, seq, fold.state());
    }
    onProgress?.(seq, toSeq);
  }

  let rebuilt = canonicalParts(kind, fold.state());
  const liveParts = live === undefined ? undefined : canonicalParts(kind, live.state);
  const liveHash = liveParts === undefined ? undefined : hashOf(liveParts);
  if (live !== undefined && hashOf(rebuilt) !== liveHash)
    for await (const entries of readTo(log, {
      filters: kind.reads,
      fromSeq: toSeq + 1,
      toSeq: Math.min(lastSeq, toSeq + MAX_AHEAD),
      size: BATCH,
    }))
      for (const entry of entries) {
        if (hashOf(rebuilt) === liveHash || !fold.takeAhead(entry, live.state)) continue;
        rebuilt = canonicalParts(kind, fold.state());
      }

  const rebuiltHash = hashOf(rebuilt);
  const difference = liveParts === undefined || liveHash === rebuiltHash ? undefined : differenceOf(liveParts, rebuilt);
  const swapped = !check && liveHash !== rebuiltHash;
  if (swapped) await options.whileStopped(() => snapshots.save(log, toSeq, fold.state()));
  await rm(path, { force: true });
  return {
    seq: toSeq,
    events,
    ...(start === undefined ? {} : { wentOnAt: start.seq }),
    rebuiltHash,
    ...(liveHash === undefined ? { notCompared: "there is no snapshot of this log" } : { liveHash }),
    ...(difference === undefined ? {} : { difference }),
    swapped,
  };
}
