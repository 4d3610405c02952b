/** The supervisor's own events, appended in order whenever the broker is there. */
import { describeError, hasCode, TaffrailError } from "../../bus/errors.ts";
import { makeEvent, type NewEvent } from "../../bus/event.ts";
import { deriveId } from "../../bus/ids.ts";
import type { Log } from "../../bus/log.ts";
import { lanes, type Lane } from "../../bus/subjects.ts";
import type { DataOf } from "../../schemas/index.ts";

type ProcessEventType = "ProcessStarted" | "ProcessExited" | "IntakePaused" | "IntakeResumed" | "ChannelClosed";

/** Events kept while the broker is away; a crash loop for an hour makes about 700, of which the newest tell enough. */
const MAX_WAITING = 256;
const RETRY_MS = 500;

export interface ProcessLog {
  /** `key` makes the event's id together with its type and process. */
  record<T extends ProcessEventType>(type: T, key: string, data: DataOf[T]): void;
  /** Starts appending; called once the log is there. */
  attach(log: Log): void;
  /** Waits until all is appended, at most `limitMs`. */
  flush(limitMs: number): Promise<void>;
}

export function createProcessLog(nowMs: () => number, report: (what: string) => void): ProcessLog {
  const waiting: { lane: Lane; event: NewEvent }[] = [];
  // The last sequence of each lane; learnt from the refusal, because only this process writes here.
  const lastSeqs = new Map<string, number>();
  let log: Log | undefined;
  let running = false;
  let idle: (() => void)[] = [];

  async function appendFirst(target: Log): Promise<boolean> {
    const first = waiting[0];
    if (first === undefined) return false;
    const { subject } = first.lane;
    try {
      const { seq } = await target.append(first.lane, lastSeqs.get(subject) ?? 0, first.event);
      lastSeqs.set(subject, seq);
    } catch (error) {
      if (hasCode(error, "BUS_APPEND_CONFLICT")) {
        const lastSeq = Number(error.data["lastSeq"]);
        if (!Number.isFinite(lastSeq)) throw error;
        lastSeqs.set(subject, lastSeq);
        // An append whose answer was lost stands there already.
        const present = await target.get(lastSeq);
        if (present === undefined || present.type === "unreadable" || present.id !== first.event.id) return true;
      } else if (!(error instanceof TaffrailError) || error.retryable) throw error;
      else report(`an event of the supervisor was refused: ${describeError(error)}`);
    }
    if (waiting[0] === first) waiting.shift();
    return waiting.length > 0;
  }

  async function work(): Promise<void> {
    if (running || log === undefined) return;
    running = true;
    try {
      while (waiting.length > 0) await appendFirst(log);
    } catch {
      setTimeout(() => void work(), RETRY_MS).unref();
    } finally {
      running = false;
      if (waiting.length === 0) for (const done of idle.splice(0)) done();
    }
  }

  return {
    record(type, key, data) {
      const id = deriveId(type, data.process, key);
      waiting.push({
        lane: lanes.process(data.process),
        event: makeEvent(type, id, { source: "supervisor", nowMs: nowMs() }, data),
      });
      if (waiting.length > MAX_WAITING) waiting.shift();
      void work();
    },
    attach(target) {
      log = target;
      void work();
    },
    async flush(limitMs) {
      if (waiting.length === 0 || log === undefined) return;
      await new Promise<void>((resolve) => {
        idle.push(resolve);
        setTimeout(resolve, limitMs);
      });
      idle = [];
    },
  };
}
