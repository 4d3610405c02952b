/**
 * Stats process.
 * In: heartbeats of all processes, the supervisor's table, ends of turns from the log. Out: answers to `query.stats.*`. Owns: the
 * figures of now, in memory. Never: appends anything but dead letters; nothing depends on it but what people look at.
 */
import { deadLetter } from "../../bus/dead-letter.ts";
import type { Ports, RunningApp } from "../../bus/runtime.ts";
import { filters, liveSubjects } from "../../bus/subjects.ts";
import type { HealthView, ProcessView } from "../../schemas/views.ts";
import { countEvent, newCounts, type Counts } from "./counts.ts";
import { healthOf, isHeartbeat, isSupervisorTable, type Heartbeat, type SupervisorTable } from "./health.ts";

const SOURCE = "stats";

export interface StatsOptions {
  readonly version: string;
  /** Host name as a subject token. */
  readonly host: string;
}

export async function startStats(ports: Ports, options: StatsOptions): Promise<RunningApp> {
  const { log, live, clock } = ports;
  const abort = new AbortController();
  const heartbeats = new Map<string, Heartbeat>();
  const counts: Counts = newCounts();
  let table: SupervisorTable | undefined;
  let lag = 0;

  const unsubscribe = live.subscribe("stats.>", (data, subject) => {
    const [, host, name] = subject.split(".");
    if (host !== options.host || name === undefined) return;
    // The subject proves who speaks; the name in the payload does not.
    if (name === "supervisor" && isSupervisorTable(data)) table = data;
    else if (isHeartbeat(data)) heartbeats.set(name, { ...data, heardMs: clock.nowMs() });
  });

  const health = (): HealthView => healthOf(table, heartbeats, options.version, clock.nowMs());
  const processes = (): ProcessView[] => health().processes;
  const unserve = [
    live.serve(liveSubjects.query(SOURCE, "health"), () => Promise.resolve(health())),
    live.serve(liveSubjects.query(SOURCE, "usage"), () =>
      Promise.resolve({ ...counts, processes: processes().length }),
    ),
  ];

  const { lastSeq } = await log.identity();
  async function run(): Promise<void> {
    // From now on only: totals over the whole log are the read model's business.
    const reads = log.read({ filters: [filters.inbound, filters.outs], fromSeq: lastSeq + 1, signal: abort.signal });
    for await (const { events, pending } of reads) {
      lag = pending;
      for (const entry of events) {
        if (entry.type === "unreadable") await deadLetter(ports, SOURCE, entry, entry.code, entry.message);
        else countEvent(counts, entry);
      }
    }
  }
  const running = run();
  const failed = running.then(() => new Promise<never>(() => undefined));
  failed.catch(() => undefined);
  return {
    lag: () => lag,
    failed,
    async close() {
      abort.abort();
      unsubscribe();
      for (const stop of unserve) stop();
      await running.catch(() => undefined);
    },
  };
}
