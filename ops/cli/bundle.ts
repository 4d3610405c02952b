/** `taffrail log export` and `log import`: a log, or a part of it, from one machine to another. */
import { resolve } from "node:path";
import { TaffrailError } from "../../bus/errors.ts";
import { exportToFile, exportToStream, type ExportOptions } from "../bundle/export.ts";
import type { BundleManifest, BundleSettings } from "../bundle/format.ts";
import { importBundle } from "../bundle/import.ts";
import { knownSecrets } from "../bundle/known-secrets.ts";
import { createRedactor } from "../bundle/redact.ts";
import { createEntryRedactor } from "../bundle/redact-entry.ts";
import type { WantedScope } from "../bundle/select.ts";
import type { Config } from "../config/config.ts";
import { codeVersion } from "../config/code-version.ts";
import { resolveHome } from "../config/home.ts";
import { loadConfig } from "../config/load.ts";
import { replay } from "../replay/replay.ts";
import { createRerecord } from "../replay/rerecord.ts";
import { replaySettings } from "../replay/settings.ts";
import { readStretch, withSource, type LogSource } from "../source/source.ts";
import { findTurn, parseTurnName } from "../source/turn-events.ts";
import { deciderSettings } from "../supervisor/process-list.ts";
import { calledAs } from "./called.ts";
import { logFilter } from "./log-filter.ts";
import { homeOf, textOption } from "./options.ts";
import { UsageError, type CommandLine } from "./usage.ts";

const CHANNEL = "web";
/** Often enough to see that it works, seldom enough to cost nothing. */
const PROGRESS_EVERY_MS = 200;

export async function exportLog(line: CommandLine): Promise<number> {
  const named = scopeOf(line);
  const home = homeOf(line);
  const out = textOption(line, "out");
  return withSource(home, async (source) => {
    // Named as everywhere: by the beginning of its id, or a sequence in it.
    const wanted: WantedScope =
      named.type === "turn" ? { type: "turn", turn: await findTurn(source.log, parseTurnName(named.turn)) } : named;
    const now = new Date();
    const config = loadConfig(process.env, { home });
    const redactor = createRedactor(knownSecrets(home, config, process.env));
    const redact = line.options["redact"];
    const progress = createProgress();
    const options: ExportOptions = {
      scope: wanted,
      settings: settingsOf(source, config),
      exportedAt: now.toISOString(),
      onProgress: (pass, events) => progress.show(`${pass} ${events} events`),
      ...(redact === undefined
        ? {}
        : {
            redactor: createEntryRedactor(redactor, { blank: redact === "text" }),
            rerecord: createRerecord({
              differing: await differingIn(source, wanted, config),
              settingsOf: ({ settings }) => replaySettings(settings, codeVersion()),
              promptVersion: replaySettings(settingsOf(source, config), codeVersion()).versions.prompt,
            }),
          }),
    };
    if (out === "-") {
      await exportToStream(source, options, process.stdout).finally(() => progress.end());
      return 0;
    }
    const file = out ?? `${fileName(wanted, now)}.jsonl`;
    const manifest = await exportToFile(source, options, resolve(file)).finally(() => progress.end());
    const covered =
      redact === undefined ? "" : `, ${redactor.count} different secret${redactor.count === 1 ? "" : "s"} covered`;
    console.log(`${file}: ${countsText(manifest)}${covered}`);
    if (!manifest.redacted) console.error("It holds what was said as it was said; --redact covers secrets.");
    return 0;
  });
}

/** Where the log itself, as it is, no longer comes out the same: a redacted bundle must still show it. */
async function differingIn(source: LogSource, wanted: WantedScope, config: Config): Promise<ReadonlySet<number>> {
  const { log, mint } = source;
  const { lastSeq } = await log.identity();
  const { differences } = await replay(readStretch(log, 1, lastSeq), {
    settings: replaySettings(settingsOf(source, config), codeVersion()),
    mint,
    log,
    startSeq: 1,
    endMs: 0,
    all: true,
    ...(wanted.type === "all" ? {} : { compares: logFilter(filterOf(wanted)) }),
  });
  return new Set(differences.map(({ seq }) => seq));
}

/** A scope's `type` is no type of an event. */
function filterOf(wanted: Exclude<WantedScope, { type: "all" }>): { chat: string } | { turn: string } {
  return wanted.type === "chat" ? { chat: wanted.chat } : { turn: wanted.turn };
}

export function importLog(line: CommandLine): Promise<number> {
  const file = line.operands[0] ?? "";
  const home = importHome(line, file);
  const progress = createProgress();
  const manifest = importBundle(resolve(file), home, (bytes) => progress.show(`${Math.round(bytes / 1e6)} MB checked`));
  progress.end();
  console.log(`${countsText(manifest)} of release ${manifest.release} in ${home}`);
  console.error(`Read it with --home, such as: ${calledAs} log show --home ${quoted(home)}`);
  return Promise.resolve(0);
}

function scopeOf(line: CommandLine): WantedScope {
  const [chat, turn] = [textOption(line, "chat"), textOption(line, "turn")];
  const all = line.options["all"] === true;
  if ([chat !== undefined, turn !== undefined, all].filter(Boolean).length !== 1)
    throw new UsageError("log export: say which: --chat ID, --turn ID or --all");
  if (chat !== undefined) return { type: "chat", channel: textOption(line, "channel") ?? CHANNEL, chat };
  return turn === undefined ? { type: "all" } : { type: "turn", turn };
}

/** Those of an imported log are what it was exported with, unless its configuration was changed. */
function settingsOf(source: LogSource, config: Config): BundleSettings {
  return source.manifest?.settings ?? deciderSettings(config);
}

/** `taffrail-chat-20310131-183000`: no id of a person in the name of a file. */
function fileName(wanted: WantedScope, now: Date): string {
  const stamp = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
  return `taffrail-${wanted.type}-${stamp}`;
}

/** Never the folder of a running or stopped Taffrail: named by --home alone, else a new one beside this command. */
function importHome(line: CommandLine, file: string): string {
  const named = textOption(line, "home");
  const home = named === undefined ? resolve(defaultFolder(file)) : resolveHome(process.env, named);
  if (home === resolveHome(process.env))
    throw new TaffrailError("HOME_NOT_EMPTY", `${home} is the state folder of this machine's own Taffrail`, { home });
  return home;
}

function defaultFolder(file: string): string {
  const name = file.split("/").at(-1) ?? "bundle";
  return `${name.replace(/\.jsonl$/, "")}-imported`;
}

function countsText({ counts, scope }: BundleManifest): string {
  const unreadable = counts.unreadable === 0 ? "" : ` (${counts.unreadable} unreadable)`;
  const what = { all: "a whole log", chat: "one conversation", turn: "one turn" }[scope.type];
  return `${counts.events} events${unreadable} of ${what}`;
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

/** One line on a terminal's stderr, written over again; nothing elsewhere. */
function createProgress(): { show(text: string): void; end(): void } {
  let shownAtMs = 0;
  let shown = false;
  return {
    show(text) {
      if (!process.stderr.isTTY || performance.now() - shownAtMs < PROGRESS_EVERY_MS) return;
      shownAtMs = performance.now();
      shown = true;
      process.stderr.write(`\r\u001b[K${text}`);
    },
    end() {
      if (shown) process.stderr.write("\r\u001b[K");
    },
  };
}
