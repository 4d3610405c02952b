/**
 * Scheduler process.
 * In: commands on tasks, parked turns. Out: TaskScheduled, TaskFired, TaskCancelled, TimerFired, CommandRefused. Owns: the due
 * list, a fold of the log. Never: runs a task; a fire is one event with a derived id, so two schedulers fire once.
 */
import schedule from "node-schedule";
import { appendSurely } from "../../bus/append.ts";
import { deadLetter } from "../../bus/dead-letter.ts";
import { describeError } from "../../bus/errors.ts";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import type { Ports, RunningApp } from "../../bus/runtime.ts";
import type { SnapshotStore } from "../../bus/snapshot.ts";
import { appendFor, SOURCE, taskOf, type Seen } from "./appends.ts";
import { decideCommand, decideDue, nextDueMs, type Decision } from "./decide.ts";
import { applyEvent, newDueList, type DueList } from "./due-list.ts";
import { READS } from "./reads.ts";

/** node-schedule misses clock jumps: the list is looked at this often whatever it says. */
const RECHECK_MS = 20_000;
const SNAPSHOT_EVERY_MS = 10_000;

export interface SchedulerOptions {
  readonly snapshots?: SnapshotStore<DueList>;
  /** Wakes at a time; the simulation gives one on its own clock. */
  readonly wakeAt: (atMs: number, wake: () => void) => () => void;
}

/** A wake-up by node-schedule; returns what cancels it. */
export function scheduleWake(atMs: number, wake: () => void): () => void {
  const job = schedule.scheduleJob(new Date(atMs), wake);
  // Null for a time that has passed while it was asked.
  if (job === null) {
    setImmediate(wake);
    return () => undefined;
  }
  return () => job.cancel();
}

export async function startScheduler(ports: Ports, options: SchedulerOptions): Promise<RunningApp> {
  const { log, clock, logger } = ports;
  const abort = new AbortController();
  const restored = await options.snapshots?.load(log);
  const list = restored?.state ?? newDueList();
  let position = restored?.seq ?? 0;
  let lag = 0;
  let caughtUp = false;
  let working = false;
  let again = false;
  /** When the list was last gone through: what was not due then was not fired. */
  let quiet: Seen["quiet"];
  let cancelWake: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, fail) => (reject = fail));
  failed.catch(() => undefined);

  async function append(decision: Decision): Promise<void> {
    const wanted = appendFor(decision, clock.nowMs(), { through: position, quiet });
    const outcome = await appendSurely(log, wanted, { clock, signal: abort.signal });
    // Folded at once; met again by the reader it changes nothing. After a conflict the reader brings what stands there.
    if (outcome.type !== "stored") return;
    const { event, lane } = wanted;
    const own = { ...event, seq: outcome.seq, subject: lane.subject, storedAtMs: clock.nowMs() } as StoredEvent;
    applyEvent(list, outcome.entry ?? own);
  }

  /** Answers commands and fires what is due, one after the other; called again while it runs, it goes round once more. */
  async function work(): Promise<void> {
    if (!caughtUp || abort.signal.aborted) return;
    if (working) {
      again = true;
      return;
    }
    working = true;
    try {
      do {
        again = false;
        for (const command of list.commands) await append(decideCommand(list, command, taskOf));
        const look = { through: position, atMs: clock.nowMs() };
        for (const due of decideDue(list, look.atMs)) await append(due);
        quiet = look;
      } while (again && !abort.signal.aborted);
      cancelWake();
      const next = nextDueMs(list);
      // A fire that lost its race stays until the reader brings the other's: the recheck must not spin on it.
      if (next !== undefined && next > clock.nowMs()) cancelWake = options.wakeAt(next, () => void work());
    } catch (error) {
      if (!abort.signal.aborted) reject(error);
    } finally {
      working = false;
    }
  }

  async function fold(entry: LogEntry): Promise<void> {
    if (entry.type === "unreadable") await deadLetter(ports, SOURCE, entry, entry.code, entry.message);
    else applyEvent(list, entry);
    position = entry.seq;
  }

  async function save(): Promise<void> {
    await options.snapshots
      ?.save(log, position, list)
      .catch((error: unknown) => logger.warn({ error: describeError(error) }, "the snapshot was not written"));
  }

  async function run(target: number): Promise<void> {
    let savedAtMs = clock.nowMs();
    for await (const { events, pending } of log.read({ filters: READS, fromSeq: position + 1, signal: abort.signal })) {
      lag = pending;
      for (const entry of events) await fold(entry);
      if (pending === 0 || position >= target) caughtUp = true;
      void work();
      if (caughtUp && clock.nowMs() - savedAtMs > SNAPSHOT_EVERY_MS) {
        savedAtMs = clock.nowMs();
        await save();
      }
    }
  }

  async function recheck(): Promise<void> {
    while (!abort.signal.aborted) {
      await clock.sleep(RECHECK_MS, abort.signal);
      void work();
    }
  }

  const { lastSeq } = await log.identity();
  const running = [run(lastSeq), recheck()];
  for (const one of running) one.catch(reject);
  return {
    lag: () => lag,
    failed,
    async close() {
      abort.abort();
      cancelWake();
      await Promise.allSettled(running);
      await save();
    },
  };
}
