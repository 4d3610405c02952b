/** `taffrail log show` and `log tail`: the log itself, read as the core user `cli`. */
import { TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import type { Log } from "../../bus/log.ts";
import { LOG_ROOT } from "../../bus/subjects.ts";
import { catalogue, isKnownType } from "../../schemas/index.ts";
import { lineOf } from "../../services/ui-projection/lines.ts";
import { suggestion } from "../config/nearest.ts";
import { watchEnd } from "../supervisor/control.ts";
import { printable } from "../supervisor/log-lines.ts";
import { withLog } from "./bus.ts";
import { logFilter } from "./log-filter.ts";
import { parsePlace, type Place } from "./moment.ts";
import { homeOf, textOption } from "./options.ts";
import { UsageError, type CommandLine } from "./usage.ts";

/** Events asked for at once; the answer is a few hundred kB at the most. */
const PAGE = 500;

interface Request {
  passes(entry: LogEntry): boolean;
  readonly from?: Place;
  readonly to?: Place;
  print(entry: LogEntry): void;
}

function readRequest(line: CommandLine): Request {
  const type = textOption(line, "type");
  if (type !== undefined && !isKnownType(type) && type !== "unreadable")
    throw new UsageError(`log: "${type}" is not a type${suggestion(type, Object.keys(catalogue))}`);
  const place = (name: string): Place | undefined => {
    const text = textOption(line, name);
    return text === undefined ? undefined : parsePlace(text, name, Date.now());
  };
  const [from, to] = [place("from"), place("to")];
  const json = line.options["json"] === true;
  return {
    passes: logFilter({
      type,
      chat: textOption(line, "chat"),
      group: textOption(line, "group"),
      turn: textOption(line, "turn"),
    }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    print: (entry) => console.log(json ? JSON.stringify(entry) : eventLine(entry, process.stdout)),
  };
}

export async function showLog(line: CommandLine): Promise<number> {
  const request = readRequest(line);
  await withLog(homeOf(line), async (log) => {
    const { lastSeq } = await log.identity();
    const toSeq = Math.min(lastSeq, (await endOf(log, request.to, lastSeq)) ?? lastSeq);
    let fromSeq = await startOf(log, request.from, 1, lastSeq);
    while (fromSeq <= toSeq) {
      const page = await log.fetch({ filter: LOG_ROOT, fromSeq, toSeq, limit: PAGE });
      for (const entry of page) if (request.passes(entry)) request.print(entry);
      const last = page.at(-1);
      if (last === undefined) break;
      fromSeq = last.seq + 1;
    }
  });
  return 0;
}

export async function tailLog(line: CommandLine): Promise<number> {
  const request = readRequest(line);
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => abort.abort());
  const home = homeOf(line);
  const watch = await watchEnd(home);
  let gone = false;
  // The next start has another port: a reader would wait for ever.
  void watch.ended.then(() => {
    gone = !abort.signal.aborted;
    abort.abort();
  });
  await withLog(home, async (log) => {
    const { lastSeq } = await log.identity();
    const fromSeq = await startOf(log, request.from, lastSeq + 1, lastSeq);
    const toSeq = await endOf(log, request.to, lastSeq);
    for await (const { events } of log.read({ filters: [LOG_ROOT], fromSeq, signal: abort.signal })) {
      for (const entry of events) {
        if (toSeq !== undefined && entry.seq > toSeq) return;
        if (request.passes(entry)) request.print(entry);
      }
      if (toSeq !== undefined && (events.at(-1)?.seq ?? 0) >= toSeq) return;
    }
  });
  watch.forget();
  if (gone) throw new TaffrailError("NOT_RUNNING", "Taffrail has stopped", { home });
  return 0;
}

async function startOf(log: Log, place: Place | undefined, otherwise: number, lastSeq: number): Promise<number> {
  if (place === undefined) return otherwise;
  return place.type === "seq" ? place.seq : firstSince(log, place.atMs, lastSeq);
}

async function endOf(log: Log, place: Place | undefined, lastSeq: number): Promise<number | undefined> {
  if (place === undefined) return undefined;
  if (place.type === "seq") return place.seq;
  // A time to come has no sequence yet.
  return place.atMs > Date.now() ? undefined : (await firstSince(log, place.atMs + 1, lastSeq)) - 1;
}

/** First sequence stored at `atMs` or later: stored times rise with the sequence, so halving finds it. */
async function firstSince(log: Log, atMs: number, lastSeq: number): Promise<number> {
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

const SEQ_WIDTH = 6;
const TYPE_WIDTH = 18;

/** `    12 14:03:04 MessageReceived    local: hello`; one line of the terminal, whole when piped. */
function eventLine(entry: LogEntry, stream: NodeJS.WriteStream): string {
  const time = new Date(entry.storedAtMs);
  const today = time.toDateString() === new Date().toDateString();
  const at = today ? time.toTimeString().slice(0, 8) : `${entryDate(time)} ${time.toTimeString().slice(0, 5)}`;
  const text = `${String(entry.seq).padStart(SEQ_WIDTH)} ${at} ${entry.type.padEnd(TYPE_WIDTH)} ${printable(lineOf(entry))}`;
  return stream.isTTY && text.length > stream.columns ? `${text.slice(0, stream.columns - 1)}…` : text;
}

function entryDate(time: Date): string {
  return `${time.getFullYear()}-${String(time.getMonth() + 1).padStart(2, "0")}-${String(time.getDate()).padStart(2, "0")}`;
}
