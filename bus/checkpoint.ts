/** A place in one certain log. On a mismatch a view is built again rather than continued on foreign ground. */
import type { LogEntry } from "./event.ts";
import { hashJson } from "./ids.ts";
import type { Log } from "./log.ts";

/** What a checkpoint is compared with. */
export type Held = Pick<Log, "get" | "identity">;

export interface Checkpoint {
  readonly seq: number;
  /** Creation time of the stream. */
  readonly created: string;
  /** Hash of the event at `seq`; "" at 0. */
  readonly hash: string;
}

/** What a checkpoint remembers of the event it stands at. */
export function entryHash(entry: LogEntry): string {
  return entry.type === "unreadable"
    ? hashJson([entry.seq, entry.subject])
    : hashJson([entry.seq, entry.id, entry.data]);
}

async function hashAt(log: Pick<Log, "get">, seq: number): Promise<string | undefined> {
  if (seq === 0) return "";
  const entry = await log.get(seq);
  return entry === undefined ? undefined : entryHash(entry);
}

export async function checkpointAt(log: Held, seq: number): Promise<Checkpoint> {
  const { created } = await log.identity();
  return { seq, created, hash: (await hashAt(log, seq)) ?? "" };
}

/** True when `checkpoint` was taken on this very log. @throws BUS_UNAVAILABLE when the log cannot be asked. */
export async function checkpointFits(log: Held, checkpoint: Checkpoint): Promise<boolean> {
  const { created, lastSeq } = await log.identity();
  if (created !== checkpoint.created || lastSeq < checkpoint.seq) return false;
  return (await hashAt(log, checkpoint.seq)) === checkpoint.hash;
}
