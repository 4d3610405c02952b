/**
 * Builds the read model anew from the log, beside the live one, compares both at the same sequence and puts the new one in
 * place. Whatever kills it, the live file is whole: the old one or the new one; what was built is gone on with.
 */
import { existsSync } from "node:fs";
import { link, rename, rm, stat } from "node:fs/promises";
import { checkpointFits, type Checkpoint } from "../../bus/checkpoint.ts";
import { TaffrailError } from "../../bus/errors.ts";
import { readTo, type RebuildDifference, type RebuildOptions, type RebuildOutcome } from "../../bus/rebuild.ts";
import { LOG_ROOT } from "../../bus/subjects.ts";
import { openBuildFile, removeModel, syncFile, type BuildFile } from "./build-file.ts";
import { digestOf, firstDifference, type Difference } from "./digest.ts";
import { foldBatch } from "./fold.ts";
import { isBusy, isDamage, openConnection, type Connection } from "./sqlite.ts";
import { SELECT_CHECKPOINT, SHAPE, type StoredCheckpoint } from "./tables.ts";

/** Events of one transaction: a turn's rows are written once or twice; with larger ones the collector works more than the fold. */
const BATCH = 200;
/** Batches on their way to the file, some hundred kB each. */
const MAX_WRITES = 3;
/** Some ten times a second. */
const TELL_EVERY = 2_000;

export async function rebuildViews(options: RebuildOptions): Promise<RebuildOutcome> {
  const { log, file } = options;
  const path = `${file}.rebuild`;
  const identity = await log.identity();
  let begunAnew: string | undefined;
  let build = await openBuild(path, (why) => (begunAnew = why));
  let outcome: Compared & { seq: number; events: number; start: number; rebuiltHash: string };
  try {
    if (build.checkpoint !== undefined && !(await checkpointFits(log, build.checkpoint))) {
      begunAnew = "it is of another log";
      await build.close();
      await removeModel(path);
      build = await openBuild(path, () => undefined);
    }
    const start = build.checkpoint?.seq ?? 0;
    let seq = start;
    let events = 0;
    const extend = async (toSeq: number): Promise<void> => {
      if (toSeq <= seq) return;
      events += await extendBuild(build, options, { created: identity.created, fromSeq: seq + 1, toSeq });
      seq = toSeq;
    };

    // The live file is read in one transaction from here on, and dumped while the new one is built.
    const live = await openLive(options);
    try {
      await extend(live.checkpoint?.seq ?? identity.lastSeq);
      await build.finish();
      const rebuiltHash = await digestOf(build.connection);
      const compared = await compare(live, build, { seq, hash: rebuiltHash });
      await build.closeDurably();
      outcome = { seq, events, start, rebuiltHash, ...compared };
    } finally {
      await live.close();
    }

    const { difference, liveHash, notCompared } = outcome;
    if (options.check) await removeModel(path);
    else await options.whileStopped(() => swapIn(file, difference !== undefined));
    return {
      seq: outcome.seq,
      events: outcome.events,
      ...(outcome.start > 0 ? { wentOnAt: outcome.start } : {}),
      ...(begunAnew === undefined ? {} : { begunAnew }),
      rebuiltHash: outcome.rebuiltHash,
      ...(liveHash === undefined ? {} : { liveHash }),
      ...(notCompared === undefined ? {} : { notCompared }),
      ...(difference === undefined ? {} : { difference: inWords(difference) }),
      swapped: !options.check,
      ...(difference !== undefined && !options.check ? { before: `${file}.before` } : {}),
    };
  } catch (error) {
    await build.close().catch(() => undefined);
    throw error;
  }
}

async function openBuild(path: string, begunAnew: (why: string) => void): Promise<BuildFile> {
  try {
    return await openBuildFile(path, begunAnew);
  } catch (error) {
    if (!isBusy(error)) throw error;
    throw new TaffrailError("REBUILD_RUNNING", "another rebuild of the views is at work", { path }, error);
  }
}

/** Folds a stretch into the file; returns how many events. */
async function extendBuild(
  build: BuildFile,
  { log, onProgress }: RebuildOptions,
  { created, fromSeq, toSeq }: { created: string; fromSeq: number; toSeq: number },
): Promise<number> {
  let events = 0;
  let told = 0;
  const writes: Promise<void>[] = [];
  for await (const entries of readTo(log, { filters: [LOG_ROOT], fromSeq, toSeq, size: BATCH })) {
    // The dead letters of the live projection stand in the log; a rebuild appends nothing.
    const folded = await foldBatch(
      (keys) => build.rows(keys),
      entries,
      created,
      () => Promise.resolve(),
    );
    // Some batches are written while the next are read and decoded: the file's own pauses hold nobody up.
    if (writes.length >= MAX_WRITES) await writes.shift();
    const write = build.write(folded);
    // Met by the await of a later round, or the one below.
    write.catch(() => undefined);
    writes.push(write);
    events += entries.length;
    if (folded.checkpoint.seq >= toSeq || events - told >= TELL_EVERY) {
      told = events;
      onProgress?.(folded.checkpoint.seq, toSeq);
    }
  }
  await Promise.all(writes);
  return events;
}

/** The live file's checkpoint, or why there is nothing to compare with. */
async function checkpointOf(connection: Connection, log: RebuildOptions["log"]): Promise<Checkpoint | string> {
  const [found] = await connection.all<StoredCheckpoint>(SELECT_CHECKPOINT);
  if (found === undefined) return "the live view is empty";
  if (found.shape !== SHAPE) return "the live view is of another release";
  return (await checkpointFits(log, found)) ? found : "the live view is not of this log, or its checkpoint was changed";
}

interface Live {
  /** Where it stands; absent when there is nothing to compare with. */
  readonly checkpoint?: Checkpoint;
  readonly connection?: Connection;
  readonly why?: string;
  /** Its hash, computed since it was opened; undefined when the file turns out to be damaged. */
  readonly hash: Promise<string | undefined>;
  close(): Promise<void>;
}

const DAMAGED = "the live view is damaged";

/** Opens the live file for reading in one transaction, so that it stands still meanwhile. */
async function openLive({ file, log }: RebuildOptions): Promise<Live> {
  const nothing = (why: string): Live => ({ why, hash: Promise.resolve(undefined), close: () => Promise.resolve() });
  if (!existsSync(file)) return nothing("there is no live view");
  let connection: Connection | undefined;
  try {
    connection = await openConnection(file, "read");
    await connection.exec("BEGIN");
    const checkpoint = await checkpointOf(connection, log);
    if (typeof checkpoint !== "string") {
      const opened = connection;
      const hash = digestOf(opened).catch((error: unknown) => {
        if (isDamage(error)) return undefined;
        throw error;
      });
      // Met when both are compared.
      hash.catch(() => undefined);
      const close = async (): Promise<void> => {
        await hash.catch(() => undefined);
        await opened.close();
      };
      return { checkpoint, connection: opened, hash, close };
    }
    await connection.close();
    return nothing(checkpoint);
  } catch (error) {
    await connection?.close();
    if (isDamage(error)) return nothing(DAMAGED);
    throw error;
  }
}

interface Compared {
  readonly liveHash?: string;
  readonly notCompared?: string;
  readonly difference?: Difference;
}

async function compare(live: Live, build: BuildFile, rebuilt: { seq: number; hash: string }): Promise<Compared> {
  const { checkpoint, connection, why = "" } = live;
  if (checkpoint === undefined || connection === undefined) return { notCompared: why };
  if (checkpoint.seq < rebuilt.seq)
    return {
      notCompared: `the live view is behind, at event ${checkpoint.seq}; the rebuilt one stands at ${rebuilt.seq}`,
    };
  const liveHash = await live.hash;
  if (liveHash === undefined) return { notCompared: DAMAGED };
  if (liveHash === rebuilt.hash) return { liveHash };
  const difference = await firstDifference(connection, build.connection);
  return { liveHash, ...(difference === undefined ? {} : { difference }) };
}

function inWords({ table, key, live, rebuilt }: Difference): RebuildDifference {
  return {
    where: table === "events" ? `event ${key}` : `row ${key}`,
    ...(live === undefined ? {} : { live: JSON.stringify(live) }),
    ...(rebuilt === undefined ? {} : { rebuilt: JSON.stringify(rebuilt) }),
  };
}

/**
 * Puts the new file in place of the old one; nobody has the old one open. A write-ahead log would be taken for that of
 * whatever file has its name, so the old one's goes into the old file first, and is gone before the new file comes.
 */
async function swapIn(file: string, keepOld: boolean): Promise<void> {
  if (existsSync(file)) {
    await settle(file);
    if (keepOld) {
      await rm(`${file}.before.new`, { force: true });
      await link(file, `${file}.before.new`);
      await rename(`${file}.before.new`, `${file}.before`);
    }
  }
  for (const suffix of ["-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
  await rename(`${file}.rebuild`, file);
  await syncFile(file);
}

/** Brings what stands in the write-ahead log into the file. Of a damaged one nothing is lost that is not in the log. */
async function settle(file: string): Promise<void> {
  if (!existsSync(`${file}-wal`) || (await stat(`${file}-wal`)).size === 0) return;
  try {
    const connection = await openConnection(file, "write");
    try {
      await connection.exec("PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)");
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
}
