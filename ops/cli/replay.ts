/** `taffrail replay`: recorded turns once more through the deciders of this release, offline. */
import { hasCode, TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import { codeVersion } from "../config/code-version.ts";
import { loadConfig } from "../config/load.ts";
import { describeReplay } from "../replay/describe.ts";
import { replay, type ReplayReport } from "../replay/replay.ts";
import { replaySettings } from "../replay/settings.ts";
import { readStretch, withSource, type LogReader, type LogSource } from "../source/source.ts";
import { findTurn, lastTurns, parseTurnName } from "../source/turn-events.ts";
import { deciderSettings } from "../supervisor/process-list.ts";
import { printable } from "../supervisor/log-lines.ts";
import { logFilter } from "./log-filter.ts";
import { placeOption, stretchOf } from "./log-stretch.ts";
import type { Place } from "./moment.ts";
import { homeOf, textOption } from "./options.ts";
import { UsageError, type CommandLine } from "./usage.ts";

interface Wish {
  /** A turn, or else a chat. */
  readonly either?: string | undefined;
  readonly turn?: string | undefined;
  readonly chat?: string | undefined;
  readonly from?: Place | undefined;
  readonly to?: Place | undefined;
  readonly json: boolean;
  readonly requests: boolean;
}

function readWish(line: CommandLine): Wish {
  const [either] = line.operands;
  const [turn, chat] = [textOption(line, "turn"), textOption(line, "chat")];
  const [from, to] = [placeOption(line, "from"), placeOption(line, "to")];
  const ways = [either, turn, chat, from ?? to, line.options["all"]].filter((way) => way !== undefined).length;
  if (ways === 0) throw new UsageError("replay: say what: a turn, a chat, --from and --to, or --all");
  if (ways > 1) throw new UsageError("replay: a turn, a chat, --from and --to, or --all: one of them");
  return {
    ...{ either, turn, chat, from, to },
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
  const compares = await comparing(source, wish);
  const last = await log.get(lastSeq);
  return replay(readStretch(log, 1, lastSeq), {
    settings: replaySettings(deciderSettings(loadConfig(process.env, { home })), codeVersion()),
    mint: source.mint,
    log,
    startSeq: 1,
    compares,
    endMs: source.type === "running" ? Date.now() : (last?.storedAtMs ?? 0),
    ...(wish.requests ? { onRequest: (turn, request) => console.log(JSON.stringify({ turn, request })) } : {}),
  });
}

/** Which entries are compared; those before them are only folded. @throws TURN_UNKNOWN, NOT_FOUND */
async function comparing({ log }: LogSource, wish: Wish): Promise<(entry: LogEntry) => boolean> {
  if (wish.chat !== undefined) return ofChat(log, wish.chat);
  const named = wish.turn ?? wish.either;
  if (named !== undefined) {
    const turn = await findTurn(log, parseTurnName(named)).catch((error: unknown) => {
      if (wish.either === undefined || !hasCode(error, "TURN_UNKNOWN")) throw error;
      return undefined;
    });
    return turn === undefined ? ofChat(log, named) : logFilter({ turn });
  }
  const { fromSeq, toSeq } = await stretchOf(log, wish.from, wish.to);
  return ({ seq }) => seq >= fromSeq && seq <= toSeq;
}

async function ofChat(log: LogReader, chat: string): Promise<(entry: LogEntry) => boolean> {
  const [last] = await lastTurns(log, { chat, count: 1 });
  if (last === undefined) throw new TaffrailError("NOT_FOUND", `the log has no turn and no chat with turns "${chat}"`);
  return logFilter({ chat });
}
