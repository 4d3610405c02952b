/** `taffrail log show` and `log tail`: the events of the log, one a line. */
import { TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import { LOG_ROOT } from "../../bus/subjects.ts";
import { catalogue, isKnownType } from "../../schemas/index.ts";
import { lineOf } from "../../services/ui-projection/lines.ts";
import { suggestion } from "../config/nearest.ts";
import { readStretch, withSource } from "../source/source.ts";
import { watchEnd } from "../supervisor/control.ts";
import { printable } from "../supervisor/log-lines.ts";
import { withLog } from "./bus.ts";
import { logFilter } from "./log-filter.ts";
import { endOf, placeOption, startOf, stretchOf } from "./log-stretch.ts";
import { asksForTurn, showTurn } from "./log-turn.ts";
import type { Place } from "./moment.ts";
import { homeOf, textOption } from "./options.ts";
import { UsageError, type CommandLine } from "./usage.ts";

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
  const [from, to] = [placeOption(line, "from"), placeOption(line, "to")];
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
  if (asksForTurn(line)) return showTurn(line);
  const request = readRequest(line);
  await withSource(homeOf(line), async ({ log }) => {
    const { fromSeq, toSeq } = await stretchOf(log, request.from, request.to);
    for await (const page of readStretch(log, fromSeq, toSeq))
      for (const entry of page) if (request.passes(entry)) request.print(entry);
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
