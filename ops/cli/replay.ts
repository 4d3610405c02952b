/** `taffrail replay`: recorded turns once more through the deciders of this release, offline. */
import { TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import { filters } from "../../bus/subjects.ts";
import { codeVersion } from "../config/code-version.ts";
import { loadConfig } from "../config/load.ts";
import { describeReplay } from "../replay/describe.ts";
import { replay, type ReplayReport } from "../replay/replay.ts";
import { mintOf, replaySettings } from "../replay/settings.ts";
import { readStretch, withSource, type LogSource } from "../source/source.ts";
import { printable } from "../supervisor/log-lines.ts";
import { logFilter } from "./log-filter.ts";
import { endOf, startOf } from "./log-range.ts";
import { parsePlace, type Place } from "./moment.ts";
import { homeOf, textOption } from "./options.ts";
import { UsageError, type CommandLine } from "./usage.ts";

interface Wish {
  readonly what?: string;
  readonly from?: Place;
  readonly to?: Place;
  readonly json: boolean;
  readonly requests: boolean;
}

function readWish(line: CommandLine): Wish {
  const place = (name: string): Place | undefined => {
    const text = textOption(line, name);
    return text === undefined ? undefined : parsePlace(text, name, Date.now());
  };
  const [what] = line.operands;
  const [from, to] = [place("from"), place("to")];
  const all = line.options["all"] === true;
  const said = [what !== undefined, from !== undefined || to !== undefined, all].filter(Boolean).length;
  if (said === 0) throw new UsageError("replay: say what: a turn, a chat, --from and --to, or --all");
  if (said > 1) throw new UsageError("replay: a turn or chat, --from and --to, or --all: one of them");
  return {
    ...(what === undefined ? {} : { what }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    json: line.options["json"] === true,
    requests: line.options["requests"] === true,
  };
}

/** Exit code 0 when every decision comes out the same, else 1. */
export async function replayLog(line: CommandLine): Promise<number> {
  const wish = readWish(line);
  const home = homeOf(line);
  const startedMs = performance.now();
  const report = await withSource(home, (source) => replaySource(source, wish));
  const seconds = (performance.now() - startedMs) / 1000;
  if (wish.json) console.log(JSON.stringify({ equal: report.differences.length === 0, ...report }));
  else {
    for (const text of describeReplay(report)) console.log(printable(text));
    if (report.differences.length === 0) console.log(`       in ${seconds.toFixed(1)} s, offline`);
  }
  return report.differences.length === 0 ? 0 : 1;
}

async function replaySource(source: LogSource, wish: Wish): Promise<ReplayReport> {
  const { log, home } = source;
  const { lastSeq } = await log.identity();
  const compares = await comparing(source, wish, lastSeq);
  const last = await log.get(lastSeq);
  return replay(readStretch(log, 1, lastSeq), {
    settings: replaySettings(loadConfig(process.env, { home }), codeVersion()),
    mint: await mintOf(home),
    log,
    startSeq: 1,
    compares,
    endMs: source.type === "running" ? Date.now() : (last?.storedAtMs ?? 0),
    ...(wish.requests ? { onRequest: (turn, request) => console.log(JSON.stringify({ turn, request })) } : {}),
  });
}

/** Which entries are compared; those before them are only folded. @throws REPLAY_UNKNOWN */
async function comparing(source: LogSource, wish: Wish, lastSeq: number): Promise<(entry: LogEntry) => boolean> {
  const { log } = source;
  if (wish.what === undefined) {
    const fromSeq = await startOf(log, wish.from, 1, lastSeq);
    const toSeq = (await endOf(log, wish.to, lastSeq)) ?? lastSeq;
    return ({ seq }) => seq >= fromSeq && seq <= toSeq;
  }
  const { what } = wish;
  const turn = /^[A-Za-z0-9_-]{1,64}$/.test(what)
    ? await log.fetch({ filter: filters.turnAnywhere(what), fromSeq: 1, limit: 1 })
    : [];
  if (turn.length > 0) return logFilter({ turn: what });
  const passes = logFilter({ chat: what });
  for await (const batch of readStretch(log, 1, lastSeq)) if (batch.some(passes)) return logFilter({ chat: what });
  throw new TaffrailError("REPLAY_UNKNOWN", `the log has no turn or chat "${what}"`);
}
