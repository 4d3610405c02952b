/** Where the offline verbs (log show, log stats, replay, rebuild, export) reach a log. It is only read. */
import { readFile } from "node:fs/promises";
import { keyPaths } from "../../bus/accounts/key-files.ts";
import type { NatsConnection } from "../../bus/connect.ts";
import { hasCode, TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import { tokenMint, type TokenMint } from "../../bus/ids.ts";
import { createRawReader } from "../../bus/jetstream-direct.ts";
import { createJetStreamLog } from "../../bus/jetstream-log.ts";
import type { Log } from "../../bus/log.ts";
import type { RawReader } from "../../bus/raw.ts";
import { LOG_ROOT } from "../../bus/subjects.ts";
import type { BundleManifest } from "../bundle/format.ts";
import { isImported } from "../bundle/place.ts";
import { openImported } from "../bundle/reader.ts";
import { access } from "../cli/access.ts";
import { withBus } from "../cli/bus.ts";
import { askStatus } from "../supervisor/control.ts";
import { withOwnBroker } from "./stopped.ts";

/** The reading side of a log. */
export type LogReader = Pick<Log, "read" | "fetch" | "get" | "identity">;

export interface LogSource {
  /** running: through its broker; stopped: its own store opened for reading; imported: a bundle in the state folder. */
  readonly type: "running" | "stopped" | "imported";
  readonly home: string;
  readonly log: LogReader;
  /** The stored bytes. */
  readonly raw: RawReader;
  /** Mints the tokens of this log; that of an imported one throws NOT_FOUND for what is not in its table. */
  readonly mint: TokenMint;
  /** Only of an imported one. */
  readonly manifest?: BundleManifest;
}

/** Events asked for at once; the answer is a few hundred kB at the most. */
const PAGE = 500;

/**
 * Opens the log of a state folder for reading, whether Taffrail runs there or not.
 * @throws NOT_RUNNING (no log in this home), HOME_IN_USE (it starts, or another command reads it), BUS_UNAVAILABLE,
 * BUNDLE_DAMAGED, the BROKER_ codes.
 */
export async function withSource<T>(home: string, use: (source: LogSource) => Promise<T>): Promise<T> {
  if (isImported(home)) {
    const imported = openImported(home);
    try {
      return await use({ type: "imported", home, ...imported });
    } finally {
      imported.close();
    }
  }
  if (await isRunning(home)) return withBus(home, async (nc) => use(await sourceOf("running", home, nc)));
  return withOwnBroker(home, async (nc) => use(await sourceOf("stopped", home, nc)));
}

async function isRunning(home: string): Promise<boolean> {
  try {
    await askStatus(home);
    return true;
  } catch (error) {
    // Also a reader's: taking the folder says who holds it.
    if (hasCode(error, "NOT_RUNNING")) return false;
    throw error;
  }
}

async function sourceOf(type: "running" | "stopped", home: string, nc: NatsConnection): Promise<LogSource> {
  const log = await createJetStreamLog(nc, { name: access.user });
  return { type, home, log, raw: createRawReader(nc, { name: access.user }), mint: await mintOf(home) };
}

async function mintOf(home: string): Promise<TokenMint> {
  try {
    return tokenMint(await readFile(keyPaths(home).installKey));
  } catch (error) {
    throw new TaffrailError("NOT_RUNNING", `the install key of ${home} cannot be read`, { home }, error);
  }
}

/** All entries from `fromSeq` to `toSeq` that match `filter`, in log order, in batches. */
export async function* readStretch(
  log: Pick<LogReader, "fetch">,
  fromSeq: number,
  toSeq: number,
  filter = LOG_ROOT,
): AsyncGenerator<readonly LogEntry[]> {
  for (let next = Math.max(1, fromSeq); next <= toSeq;) {
    const page = await log.fetch({ filter, fromSeq: next, toSeq, limit: PAGE });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    next = last.seq + 1;
  }
}

/** The same, one by one. */
export async function* matching(
  log: Pick<LogReader, "fetch">,
  filter: string,
  fromSeq: number,
  toSeq: number,
): AsyncGenerator<LogEntry> {
  for await (const page of readStretch(log, fromSeq, toSeq, filter)) yield* page;
}
