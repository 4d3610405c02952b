/** `--from` and `--to` as sequences of a log. */
import type { LogReader } from "../source/source.ts";
import { LOG_ROOT } from "../../bus/subjects.ts";
import { parsePlace, type Place } from "./moment.ts";
import { textOption } from "./options.ts";
import type { CommandLine } from "./usage.ts";

/** A place given as `--<name>`. @throws UsageError */
export function placeOption(line: CommandLine, name: "from" | "to"): Place | undefined {
  const text = textOption(line, name);
  return text === undefined ? undefined : parsePlace(text, `${line.verb}: --${name}`, Date.now());
}

/** The stretch of the log between two places; what is not given is the log's beginning and end. */
export async function stretchOf(
  log: LogReader,
  from: Place | undefined,
  to: Place | undefined,
): Promise<{ fromSeq: number; toSeq: number }> {
  const { lastSeq } = await log.identity();
  const toSeq = Math.min(lastSeq, (await endOf(log, to, lastSeq)) ?? lastSeq);
  return { fromSeq: await startOf(log, from, 1, lastSeq), toSeq };
}

export async function startOf(
  log: LogReader,
  place: Place | undefined,
  otherwise: number,
  lastSeq: number,
): Promise<number> {
  if (place === undefined) return otherwise;
  return place.type === "seq" ? place.seq : firstSince(log, place.atMs, lastSeq);
}

export async function endOf(log: LogReader, place: Place | undefined, lastSeq: number): Promise<number | undefined> {
  if (place === undefined) return undefined;
  if (place.type === "seq") return place.seq;
  // A time to come has no sequence yet.
  return place.atMs > Date.now() ? undefined : (await firstSince(log, place.atMs + 1, lastSeq)) - 1;
}

/** First sequence stored at `atMs` or later: stored times rise with the sequence, so halving finds it. */
async function firstSince(log: LogReader, atMs: number, lastSeq: number): Promise<number> {
  let low = 1;
  let high = lastSeq + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [entry] = await log.fetch({ filter: LOG_ROOT, fromSeq: middle, limit: 1 });
    if (entry === undefined || entry.storedAtMs >= atMs) high = middle;
    else low = entry.seq + 1;
  }
  return low;
}
