/** `taffrail replay`: recorded turns once more through the deciders of this release, offline. */
import { hasCode, TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import { codeVersion } from "../config/code-version.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { describeReplay } from "../replay/describe.ts";
import { replay, type ReplayReport } from "../replay/replay.ts";
import { both, changedSettings, checkTurnInScope, scopeFilter } from "../replay/scope.ts";
import { replaySettings } from "../replay/settings.ts";
import { readStretch, withSource, type LogReader, type LogSource } from "../source/source.ts";
import { findTurn, lastTurns, parseTurnName } from "../source/turn-events.ts";
import { deciderSettings } from "../supervisor/process-list.ts";
import { printable } from "../supervisor/log-lines.ts";
import { calledAs } from "./called.ts";
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
    either,
    turn,
    chat,
    from,
    to,
    json: line.options["json"] === true,
    requests: line.options["requests"] === true,
  };
}

/** Exit code 0 when every decision comes out the same, else 1. */
export async function replayLog(line: CommandLine): Promise<number> {
  const wish = readWish(line);
  const home = homeOf(line);
  const startedMs = performance.now();
  const config = loadConfig(process.env, { home });
  const { report, settings } = await withSource(home, async (source) => ({
    report: await replaySource(source, wish, config),
    settings: changedSettings(source.manifest?.settings, deciderSettings(config)),
  }));
  const equal = report.differences.length === 0;
  if (wish.json) console.log(JSON.stringify({ equal, ...report, settings: equal ? [] : settings }));
  else {
    const seconds = (performance.now() - startedMs) / 1000;
    const named = textOption(line, "home");
    const command = (words: string): string =>
      `${calledAs} ${words}${named === undefined ? "" : ` --home ${quoted(named)}`}`;
    const columns = process.stdout.isTTY ? process.stdout.columns : undefined;
    // Requests are for a program: what a person reads stands beside them.
    const say = wish.requests ? console.error : console.log;
    const turn = report.turns === 1 && !wish.requests ? (wish.turn ?? wish.either) : undefined;
    for (const text of describeReplay(report, { command, seconds, settings, columns, turn })) say(printable(text));
  }
  return equal ? 0 : 1;
}

async function replaySource(source: LogSource, wish: Wish, config: Config): Promise<ReplayReport> {
  const { log } = source;
  const { lastSeq } = await log.identity();
  const compares = both(scopeFilter(source.manifest), await comparing(source, wish));
  const last = await log.get(lastSeq);
  return replay(readStretch(log, 1, lastSeq), {
    settings: replaySettings(deciderSettings(config), codeVersion()),
    mint: source.mint,
    log,
    startSeq: 1,
    compares,
    endMs: source.type === "running" ? Date.now() : (last?.storedAtMs ?? 0),
    ...(wish.requests ? { onRequest: (turn, request) => console.log(JSON.stringify({ turn, request })) } : {}),
  });
}

/** Which entries are compared; those before them are only folded. @throws TURN_UNKNOWN, NOT_FOUND */
async function comparing({ log, manifest }: LogSource, wish: Wish): Promise<(entry: LogEntry) => boolean> {
  if (wish.chat !== undefined) return ofChat(log, wish.chat);
  const named = wish.turn ?? wish.either;
  if (named !== undefined) {
    const turn = await findTurn(log, parseTurnName(named)).catch((error: unknown) => {
      if (wish.either === undefined || !hasCode(error, "TURN_UNKNOWN")) throw error;
      return error;
    });
    if (typeof turn !== "string") return ofChat(log, named, `${turn.message}, and `);
    checkTurnInScope(manifest, turn);
    return logFilter({ turn });
  }
  const { fromSeq, toSeq } = await stretchOf(log, wish.from, wish.to);
  if (wish.from !== undefined && wish.to !== undefined && fromSeq > toSeq)
    throw new UsageError("replay: --from lies behind --to");
  return ({ seq }) => seq >= fromSeq && seq <= toSeq;
}

async function ofChat(log: LogReader, chat: string, noTurn = ""): Promise<(entry: LogEntry) => boolean> {
  const [last] = await lastTurns(log, { chat, count: 1 });
  if (last === undefined) throw new TaffrailError("NOT_FOUND", `${noTurn}no chat "${chat}" has a turn in this log`);
  return logFilter({ chat });
}

function quoted(path: string): string {
  return /^[\w./~-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
