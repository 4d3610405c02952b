/** Where the offline verbs (log show, log stats, replay, rebuild, export) reach a log. It is only read. */
import type { LogEntry } from "../../bus/event.ts";
import type { Log } from "../../bus/log.ts";
import { LOG_ROOT } from "../../bus/subjects.ts";
import { withLog } from "../cli/bus.ts";

/** The reading side of a log. */
export type LogReader = Pick<Log, "read" | "fetch" | "get" | "identity">;

export interface LogSource {
  /** running: through its broker; stopped: its own store opened for reading; imported: a bundle in the state folder. */
  readonly type: "running" | "stopped" | "imported";
  readonly home: string;
  readonly log: LogReader;
}

/** Events asked for at once; the answer is a few hundred kB at the most. */
const PAGE = 500;

/** Opens the log of a state folder for reading. @throws NOT_RUNNING, BUS_UNAVAILABLE */
export function withSource<T>(home: string, use: (source: LogSource) => Promise<T>): Promise<T> {
  return withLog(home, (log) => use({ type: "running", home, log }));
}

/** All entries from `fromSeq` to `toSeq` in log order, in batches. */
export async function* readStretch(
  log: LogReader,
  fromSeq: number,
  toSeq: number,
): AsyncGenerator<readonly LogEntry[]> {
  for (let next = fromSeq; next <= toSeq;) {
    const page = await log.fetch({ filter: LOG_ROOT, fromSeq: next, toSeq, limit: PAGE });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    next = last.seq + 1;
  }
}
