/**
 * Thread of `taffrail rebuild`. In: a RebuildOrder. Out: progress and outcomes. Owns: the files that grow beside the live ones.
 * A thread because its heap can be given a bound: a fold of a million events makes garbage faster than it is collected.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { TaffrailError } from "../../bus/errors.ts";
import type { RebuildOptions, RebuildOutcome } from "../../bus/rebuild.ts";
import { rebuildRouter } from "../../services/router/rebuild.ts";
import { rebuildScheduler } from "../../services/scheduler/rebuild.ts";
import { rebuildViews } from "../../services/ui-projection/rebuild.ts";
import { withSource, type LogSource } from "../source/source.ts";
import { watchEnd, whileHeld } from "../supervisor/control.ts";
import type { RebuildMessage, RebuildOrder, ViewName } from "./messages.ts";

const FILES: Readonly<Record<ViewName, { file: string; process: string }>> = {
  views: { file: "views.sqlite", process: "ui-projection" },
  router: { file: "router.json", process: "router" },
  scheduler: { file: "scheduler.json", process: "scheduler" },
};

function tell(message: RebuildMessage): void {
  parentPort?.postMessage(message);
}

async function rebuild(view: ViewName, source: LogSource, check: boolean): Promise<RebuildOutcome> {
  const { home, log, type } = source;
  const { file, process } = FILES[view];
  // A home that was never started, or was imported, has none yet.
  await mkdir(join(home, "state"), { recursive: true, mode: 0o700 });
  const options: RebuildOptions = {
    log,
    file: join(home, "state", file),
    check,
    // A stopped home is ours as long as its log is open.
    whileStopped: (use) => (type === "running" ? whileHeld(home, process, use) : use()),
    onProgress: (seq, toSeq) => tell({ type: "progress", view, seq, toSeq }),
  };
  if (view === "views") return rebuildViews(options);
  return view === "router" ? rebuildRouter(options, source.mint) : rebuildScheduler(options);
}

/** A reader would wait for a broker that is gone: the next start has another port. */
async function tellOfItsEnd(home: string): Promise<() => void> {
  const watch = await watchEnd(home);
  let wanted = true;
  const message = "Taffrail has stopped; what is built so far is kept, and the next rebuild goes on from there";
  void watch.ended.then(() => wanted && tell({ type: "failed", code: "NOT_RUNNING", message }));
  return () => {
    wanted = false;
    watch.forget();
  };
}

try {
  const { home, views, check } = workerData as RebuildOrder;
  await withSource(home, async (source) => {
    const forgetEnd = source.type === "running" ? await tellOfItsEnd(home) : undefined;
    try {
      for (const view of views) {
        const startedMs = performance.now();
        const outcome = await rebuild(view, source, check);
        tell({ type: "outcome", view, ms: performance.now() - startedMs, outcome });
      }
    } finally {
      forgetEnd?.();
    }
  });
} catch (error) {
  if (error instanceof TaffrailError) tell({ type: "failed", code: error.code, message: error.message });
  else tell({ type: "failed", message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
