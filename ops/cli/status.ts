/** `taffrail status`: the processes of a running Taffrail. */
import { hasCode } from "../../bus/errors.ts";
import { createNatsLive } from "../../bus/nats-live.ts";
import { liveSubjects } from "../../bus/subjects.ts";
import type { HealthView, ProcessView } from "../../schemas/views.ts";
import { version } from "../config/version.ts";
import { askStatus, type StatusAnswer } from "../supervisor/control.ts";
import { residentBytes } from "../supervisor/run-files.ts";
import { withBus } from "./bus.ts";
import { homeOf } from "./options.ts";
import { table } from "./table.ts";
import type { CommandLine } from "./usage.ts";

/** The stats service answers in milliseconds; without it the supervisor's own table is shown. */
const STATS_LIMIT_MS = 1_000;

export async function status(line: CommandLine): Promise<number> {
  const json = line.options["json"] === true;
  const health = await readHealth(homeOf(line)).catch((error: unknown) => {
    if (json && hasCode(error, "NOT_RUNNING")) return { ready: false, reason: error.message, version, processes: [] };
    throw error;
  });
  console.log(json ? JSON.stringify(health) : statusText(health));
  return health.ready ? 0 : 1;
}

async function readHealth(home: string): Promise<HealthView> {
  const answer = await askStatus(home);
  const merged = await withBus(home, (nc) =>
    createNatsLive(nc).request(liveSubjects.query("stats", "health"), {}, STATS_LIMIT_MS),
  ).catch(() => undefined);
  const figures = isHealth(merged) ? merged.processes : [];
  return fromSupervisor(answer, figures);
}

function isHealth(value: unknown): value is HealthView {
  return value !== null && typeof value === "object" && "processes" in value && Array.isArray(value.processes);
}

/** The supervisor knows who runs; the stats service knows lag and delays. */
function fromSupervisor(answer: StatusAnswer, figures: readonly ProcessView[]): HealthView {
  const processes = answer.processes.map((row): ProcessView => {
    const own = figures.find(({ name }) => name === row.name);
    // 0 until its first heartbeat.
    const heard = own?.rssBytes ?? 0;
    return {
      name: row.name,
      pid: row.pid,
      // A process may hang and still run: the stats service hears it or not.
      ready: row.ready && own?.ready !== false,
      restarts: row.restarts,
      uptimeMs: row.ready ? Date.now() - row.startedAtMs : 0,
      ...(own?.lag === undefined ? {} : { lag: own.lag }),
      rssBytes: heard > 0 ? heard : residentBytes(row.pid),
      eventLoopDelayMs: own?.eventLoopDelayMs ?? 0,
      ...reasonOf(row.reason ?? own?.reason),
    };
  });
  const missing = processes.filter(({ ready }) => !ready).map(({ name }) => name);
  return {
    ready: answer.run !== undefined && processes.length > 0 && missing.length === 0,
    ...(missing.length === 0 ? {} : { reason: `not ready: ${missing.join(", ")}` }),
    version: answer.run?.version ?? version,
    processes,
    ...(answer.intakePaused === undefined ? {} : { intakePaused: answer.intakePaused }),
  };
}

function reasonOf(reason: string | undefined): { reason?: string } {
  return reason === undefined ? {} : { reason };
}

/** For 80 columns. */
function statusText(health: HealthView): string {
  const rows = health.processes.map((one) => [
    one.name,
    String(one.pid),
    one.ready ? "yes" : "no",
    String(one.restarts),
    one.ready ? duration(one.uptimeMs) : "-",
    one.lag === undefined ? "-" : String(one.lag),
    one.rssBytes === 0 ? "-" : `${Math.round(one.rssBytes / 1_048_576)} MiB`,
  ]);
  const text = table(["process", "pid", "ready", "restarts", "uptime", "lag", "memory"], rows, [1, 3, 4, 5, 6]);
  const reasons = health.processes.flatMap(({ name, reason }) => (reason === undefined ? [] : [`${name}: ${reason}`]));
  const paused = health.intakePaused === undefined ? [] : [`intake is paused: ${health.intakePaused}`];
  return [text, ...reasons, ...paused, health.ready ? "ready" : (health.reason ?? "not ready")].join("\n");
}

/** `12 s`, `3 min`, `2.5 h`, `4.0 d`. */
function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6_000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} d`;
}
