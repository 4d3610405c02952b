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

export async function rebuildViews(options: RebuildOptions): Promise<RebuildOutcome> {
  const { log, file } = options;
  const path = `${file}.rebuild`;
  const identity = await log.identity();
  let begunAnew: string | undefined;
  let build = await openBuild(path, (why) => (begunAnew = why));
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

    const target = await liveCheckpoint(options);
    await extend(typeof target === "string" ? identity.lastSeq : target.seq);
    await build.finish();
    const compared = await compare(options, build, () => seq, extend);
    const rebuiltHash = compared.rebuiltHash ?? (await digestOf(build.connection));
    await build.closeDurably();

    const { difference } = compared;
    if (options.check) await removeModel(path);
    else await options.whileStopped(() => swapIn(file, difference !== undefined));
    return {
      seq,
      events,
      ...(start > 0 ? { wentOnAt: start } : {}),
      ...(begunAnew === undefined ? {} : { begunAnew }),
      rebuiltHash,
      ...(compared.liveHash === undefined ? {} : { liveHash: compared.liveHash }),
      ...(compared.notCompared === undefined ? {} : { notCompared: compared.notCompared }),
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
  let written: Promise<void> = Promise.resolve();
  for await (const entries of readTo(log, { filters: [LOG_ROOT], fromSeq, toSeq, size: BATCH })) {
    // The dead letters of the live projection stand in the log; a rebuild appends nothing.
    const folded = await foldBatch(
      (keys) => build.rows(keys),
      entries,
      created,
      () => Promise.resolve(),
    );
    // One batch is written while the next is read and decoded.
    await written;
    written = build.write(folded);
    // Met by the await of the next round, or the one below.
    written.catch(() => undefined);
    events += entries.length;
    onProgress?.(folded.checkpoint.seq, toSeq);
  }
  await written;
  return events;
}

/** The live file's checkpoint, or why there is nothing to compare with. */
async function checkpointOf(connection: Connection, log: RebuildOptions["log"]): Promise<Checkpoint | string> {
  const [found] = await connection.all<StoredCheckpoint>(SELECT_CHECKPOINT);
  if (found === undefined) return "the live view is empty";
  if (found.shape !== SHAPE) return "the live view is of another release";
  return (await checkpointFits(log, found)) ? found : "the live view is of another log";
}

/** Reads the live file in one transaction, so that it stands still meanwhile. */
async function withLive<T>(file: string, use: (connection: Connection) => Promise<T | string>): Promise<T | string> {
  if (!existsSync(file)) return "there is no live view";
  try {
    const connection = await openConnection(file, "read");
    try {
      await connection.exec("BEGIN");
      return await use(connection);
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (isDamage(error)) return "the live view is damaged";
    throw error;
  }
}

function liveCheckpoint({ file, log }: RebuildOptions): Promise<Checkpoint | string> {
  return withLive(file, (connection) => checkpointOf(connection, log));
}

interface Compared {
  readonly liveHash?: string;
  readonly rebuiltHash?: string;
  readonly notCompared?: string;
  readonly difference?: Difference;
}

async function compare(
  { file, log }: RebuildOptions,
  build: BuildFile,
  position: () => number,
  extend: (toSeq: number) => Promise<void>,
): Promise<Compared> {
  const compared = await withLive(file, async (live): Promise<Compared | string> => {
    const checkpoint = await checkpointOf(live, log);
    if (typeof checkpoint === "string") return checkpoint;
    if (checkpoint.seq < position())
      return `the live view is behind, at event ${checkpoint.seq}; the rebuilt one stands at ${position()}`;
    await extend(checkpoint.seq);
    const [liveHash, rebuiltHash] = await Promise.all([digestOf(live), digestOf(build.connection)]);
    if (liveHash === rebuiltHash) return { liveHash, rebuiltHash };
    const difference = await firstDifference(live, build.connection);
    return { liveHash, rebuiltHash, ...(difference === undefined ? {} : { difference }) };
  });
  return typeof compared === "string" ? { notCompared: compared } : compared;
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
