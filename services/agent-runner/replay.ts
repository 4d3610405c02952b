/**
 * Recorded turns on the runner's own loop. In: the events of a turn. Out: the first thing the loop does differently now. Fed
 * back: claims, clock, signals, results of model and tools. Never: a model, a tool, a word to a reader, an append.
 */
import { pino } from "pino";
import { placeOf, type Amend, type Difference } from "../../bus/compare.ts";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import type { Log } from "../../bus/log.ts";
import { parseSubject, type TurnKey } from "../../bus/subjects.ts";
import type { Settings } from "../../bus/settings.ts";
import { runnerConfig } from "./config.ts";
import { createHistory, type ChatHistory } from "./history.ts";
import type { ModelRequest } from "./model/port.ts";
import { createRecordedRun, type Closing, type RecordedRun } from "./recorded-run.ts";
import { builtInTools } from "./tools/built-in.ts";
import type { Tool } from "./tools/tool.ts";
import { startTurn, type TurnSettings } from "./turn.ts";

export interface TurnReplayOptions {
  /** What a turn is run with now; model and versions are those its claims recorded. */
  readonly settings: Pick<TurnSettings, "systemPrompt" | "maxOutputTokens" | "limits">;
  readonly tools: readonly Pick<Tool, "spec" | "effect">[];
  /** Reads the conversations before the turns. */
  readonly log: Pick<Log, "fetch">;
  /** Called with each full request that is computed. */
  readonly onRequest?: ((turn: string, request: ModelRequest) => void) | undefined;
  readonly amend?: Amend | undefined;
}

export interface TurnVerdict {
  readonly difference?: Difference | undefined;
  /** The claim under which it differs. */
  readonly claim?: StoredEvent<"TurnClaimed"> | undefined;
  /** Events compared. */
  readonly compared: number;
}

export interface TurnReplay {
  /** Plays the events of one turn, in log order from its TurnRequested on. */
  play(entries: readonly LogEntry[]): Promise<TurnVerdict>;
}

/** Configured model of a turn whose request names another. */
const UNASKED_MODEL = "demo:not-asked-for";
/** Turns of the event loop without a sign of life, after which the loop waits for something that never comes. */
const STALLED_TURNS = 500;

interface Run {
  readonly claim: StoredEvent<"TurnClaimed">;
  readonly rest: StoredEvent[];
  closing: Closing;
}

interface Runs {
  readonly runs: Run[];
  /** The first event of a runner that held no claim: before one, or when its run had ended or parked. */
  stray?: StoredEvent;
}

/** The runs of a turn, one per claim. */
function runsOf(entries: readonly LogEntry[]): Runs {
  const found: Runs = { runs: [] };
  const { runs } = found;
  for (const entry of entries) {
    if (entry.subject.split(".")[5] !== "run") continue;
    const current = runs.at(-1);
    if (entry.type === "TurnClaimed") {
      if (current?.closing === "open") current.closing = "taken";
      runs.push({ claim: entry, rest: [], closing: "open" });
    } else if (current === undefined) {
      if (entry.type !== "unreadable") found.stray ??= entry;
    }
    // Behind what cannot be read nothing is known of the run.
    else if (entry.type === "unreadable") current.closing = "taken";
    else if (current.closing === "open" || stopsParked(current, entry)) {
      current.rest.push(entry);
      if (entry.type === "TurnParked") current.closing = "parked";
      if (entry.type === "TurnCompleted" || entry.type === "TurnFailed" || entry.type === "TurnCancelled")
        current.closing = "ended";
    } else if (current.closing !== "taken") found.stray ??= entry;
  }
  return found;
}

/** The stop may have reached the runner just as it parked: the same run then ends its turn. */
function stopsParked({ closing, claim }: Run, entry: StoredEvent): boolean {
  return closing === "parked" && entry.type === "TurnCancelled" && entry.data.epoch === claim.data.epoch;
}

export function createTurnReplay(options: TurnReplayOptions): TurnReplay {
  let reading = 0;
  /** Counts the reads under way: a loop that waits for the log is not stalled. */
  const log: Pick<Log, "fetch"> = {
    async fetch(wanted) {
      reading++;
      return options.log.fetch(wanted).finally(() => reading--);
    },
  };
  const history = createHistory(log);
  return {
    async play(entries) {
      const request = entries.find((entry) => entry.type === "TurnRequested");
      const place = request === undefined ? undefined : parseSubject(request.subject);
      if (request === undefined || place?.type !== "turn") return { compared: 0 };
      let compared = 0;
      const { runs, stray } = runsOf(entries);
      const playScript = async (
        run: Run,
        rest: readonly StoredEvent[],
        again: boolean,
      ): Promise<Difference | undefined> => {
        const { claim, closing } = run;
        const script = [claim, ...rest];
        const recorded = createRecordedRun({ ...options, entries, script, closing, again, request, log });
        const parts = { options, history, reading: () => reading, request, claim, key: place.key };
        const difference = await playRun(recorded, parts);
        compared += recorded.compared;
        return difference;
      };
      for (const run of runs) {
        const { claim, rest } = run;
        let difference = await playScript(run, rest, false);
        const stop = rest.at(-1);
        // Handed out to the same runner once more after it had parked, the turn was stopped by a run that had said nothing.
        if (difference?.seq === stop?.seq && rest.at(-2)?.type === "TurnParked" && stop?.type === "TurnCancelled")
          difference = await playScript(run, [stop], true);
        if (difference === undefined) continue;
        return stray !== undefined && stray.seq < difference.seq
          ? { difference: strayDifference(stray), compared }
          : { difference, claim, compared };
      }
      return stray === undefined ? { compared } : { difference: strayDifference(stray), compared };
    },
  };
}

/** An event of a runner that had no right to it: nothing computes it now. */
export function strayDifference(event: StoredEvent): Difference {
  return { ...placeOf(event), seq: event.seq, kind: "missing", path: "", recorded: event.data, computed: undefined };
}

interface RunParts {
  readonly options: TurnReplayOptions;
  readonly history: ChatHistory;
  /** Reads of the log under way. */
  readonly reading: () => number;
  readonly request: StoredEvent<"TurnRequested">;
  readonly claim: StoredEvent<"TurnClaimed">;
  readonly key: TurnKey;
}

const silent = pino({ level: "silent" });

async function playRun(recorded: RecordedRun, parts: RunParts): Promise<Difference | undefined> {
  const { options, claim } = parts;
  const { settings } = options;
  const tools = new Map(options.tools.map((tool) => [tool.spec.name, recorded.tool(tool)]));
  const turn = startTurn(
    {
      ports: { ...recorded.ports, logger: silent },
      model: recorded.model,
      tools,
      history: parts.history,
      settings: {
        ...settings,
        // Never that of a chat that has its own: a loop that passed it over would not be noticed.
        configuredModel: parts.request.data.model === undefined ? claim.data.model : UNASKED_MODEL,
        versions: claim.data.versions,
      },
      runner: claim.data.runner,
    },
    parts.key,
    parts.request,
    false,
  );
  recorded.onSignal((signal) => turn.signal(signal));
  const done = turn.done.then(
    (outcome) => recorded.ended(outcome),
    (error: unknown) => recorded.failed(error),
  );
  const difference = await Promise.race([done, recorded.verdict, stalled(recorded, parts.reading)]);
  recorded.close();
  turn.abandon();
  return difference;
}

/** Resolves when the loop gives no sign of life any more. */
async function stalled(recorded: RecordedRun, reading: () => number): Promise<Difference | undefined> {
  for (let seen = -1, turns = 0; turns < STALLED_TURNS && !recorded.closed; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (reading() === 0 && recorded.progress === seen) continue;
    [seen, turns] = [recorded.progress, 0];
  }
  return recorded.closed ? undefined : recorded.stalled();
}

/** What a runner of this release would run turns with, given its settings. @throws CONFIG_INVALID */
export function turnReplaySettings(settings: Settings): Pick<TurnReplayOptions, "settings" | "tools"> & {
  readonly versions: TurnSettings["versions"];
} {
  const unused = (): Promise<never> => Promise.reject(new Error("a replay keeps no notes"));
  const tools = builtInTools({ add: unused, list: unused });
  const { turn } = runnerConfig(settings, { apiKey: undefined }, tools);
  return { settings: turn, tools, versions: turn.versions };
}
