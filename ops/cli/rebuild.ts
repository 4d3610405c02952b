/** `taffrail rebuild`: the views built anew from the log, compared with the live ones, and put in their place. */
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { TaffrailError } from "../../bus/errors.ts";
import { describeOutcome, grouped, progressLine } from "../rebuild/describe.ts";
import { VIEWS, type RebuildMessage, type RebuildOrder, type ViewName } from "../rebuild/messages.ts";
import { distFolder } from "../config/code-version.ts";
import { suggestion } from "../config/nearest.ts";
import { printable } from "../supervisor/log-lines.ts";
import { calledAs } from "./called.ts";
import { homeOf } from "./options.ts";
import { UsageError, type CommandLine } from "./usage.ts";

/** A fold keeps 25 MB; with a larger heap V8 only lets more garbage lie about, with a smaller one it collects all the time. */
const LIMITS = { maxOldGenerationSizeMb: 56, maxYoungGenerationSizeMb: 16 };
/** Progress is for a person's eye. */
const REDRAW_MS = 200;

function viewsOf(line: CommandLine): readonly ViewName[] {
  const [name] = line.operands;
  if (name === undefined) return VIEWS;
  const view = VIEWS.find((one) => one === name);
  if (view === undefined) throw new UsageError(`rebuild: "${name}" is not a view${suggestion(name, VIEWS)}`);
  return [view];
}

/** Exit code 0 when every view is equal, or was not there and is now; 1 when one differed, or could not be checked. */
export async function rebuild(line: CommandLine): Promise<number> {
  const order: RebuildOrder = { home: homeOf(line), views: viewsOf(line), check: line.options["check"] === true };
  const json = line.options["json"] === true;
  const progress = showProgress();
  let different = false;
  await runWorker(order, (message) => {
    if (message.type === "progress") progress.at(message.view, message.seq, message.toSeq);
    else if (message.type === "outcome") {
      const { view, ms, outcome } = message;
      progress.clear();
      // Who only checks wants to hear "equal": a view that is not there, or cannot be read, is not.
      different ||= outcome.difference !== undefined || (order.check && outcome.notCompared !== undefined);
      if (json)
        console.log(
          JSON.stringify({ view, equal: outcome.liveHash === outcome.rebuiltHash, ms: Math.round(ms), ...outcome }),
        );
      else for (const text of describeOutcome(view, outcome, ms)) console.log(printable(text));
    } else {
      progress.clear();
      throw message.code === undefined ? new Error(message.message) : new TaffrailError(message.code, message.message);
    }
  });
  return different ? 1 : 0;
}

function runWorker(order: RebuildOrder, take: (message: RebuildMessage) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(join(distFolder(), "rebuild-worker.js"), { workerData: order, resourceLimits: LIMITS });
    worker.on("message", (message: RebuildMessage) => {
      try {
        take(message);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
}

interface Progress {
  at(view: ViewName, seq: number, toSeq: number): void;
  clear(): void;
}

/** One line that is drawn again, on a terminal; and what Ctrl-C says. */
function showProgress(): Progress {
  const { stderr } = process;
  let last: { view: ViewName; seq: number } | undefined;
  let begun = { view: "" as string, seq: 0, atMs: 0 };
  let drawnMs = 0;
  let drawn = false;
  const clear = (): void => {
    if (drawn) stderr.write("\r\u001B[K");
    drawn = false;
  };
  process.once("SIGINT", () => {
    clear();
    const where = last === undefined ? "" : ` at event ${grouped(last.seq)} of ${last.view}`;
    stderr.write(`stopped${where}; \`${calledAs} rebuild\` goes on from what is written\n`);
    process.exit(130);
  });
  return {
    at(view, seq, toSeq) {
      last = { view, seq };
      const nowMs = performance.now();
      if (begun.view !== view) begun = { view, seq, atMs: nowMs };
      if (!stderr.isTTY || nowMs - drawnMs < REDRAW_MS) return;
      drawnMs = nowMs;
      const perSecond = ((seq - begun.seq) / Math.max(1, nowMs - begun.atMs)) * 1000;
      stderr.write(`\r${progressLine(view, seq, toSeq, perSecond)}\u001B[K`);
      drawn = true;
    },
    clear,
  };
}
