/** Health from heartbeats and the supervisor's table. Pure. */
import type { HealthView, ProcessView } from "../../schemas/views.ts";

export interface Heartbeat {
  readonly process: string;
  readonly pid: number;
  readonly rssBytes: number;
  readonly eventLoopDelayMs: number;
  readonly lag?: number;
  /** When it arrived here. */
  readonly heardMs: number;
}

export interface SupervisorTable {
  readonly processes: readonly {
    readonly name: string;
    readonly pid: number;
    readonly ready: boolean;
    readonly restarts: number;
    readonly startedAtMs: number;
    /** Without it the product does not work; an unlinked channel is not. */
    readonly core: boolean;
    readonly reason?: string;
    /** Of the broker, which sends no heartbeat. */
    readonly rssBytes?: number;
  }[];
  readonly intakePaused?: string;
}

/** Heartbeats come every 5 s, at the latest after 7.5; two lost ones mean that the process hangs. */
const SILENT_MS = 13_000;

export function isHeartbeat(data: unknown): data is Omit<Heartbeat, "heardMs"> {
  const { process, pid, rssBytes, eventLoopDelayMs } = (data ?? {}) as Record<string, unknown>;
  return (
    typeof process === "string" &&
    typeof pid === "number" &&
    typeof rssBytes === "number" &&
    typeof eventLoopDelayMs === "number"
  );
}

export function isSupervisorTable(data: unknown): data is SupervisorTable {
  return Array.isArray((data as { processes?: unknown } | undefined)?.processes);
}

export function healthOf(
  table: SupervisorTable | undefined,
  heartbeats: ReadonlyMap<string, Heartbeat>,
  version: string,
  nowMs: number,
): HealthView {
  if (table === undefined) return { ready: false, reason: "the supervisor has not spoken yet", version, processes: [] };
  const processes = table.processes.map((one): ProcessView => {
    const heard = heartbeats.get(one.name);
    const beat = heard?.pid === one.pid ? heard : undefined;
    const silent = beat !== undefined && nowMs - beat.heardMs > SILENT_MS;
    const reason = one.reason ?? (silent ? "it does not answer" : undefined);
    return {
      name: one.name,
      pid: one.pid,
      ready: one.ready && !silent,
      restarts: one.restarts,
      uptimeMs: Math.max(0, nowMs - one.startedAtMs),
      ...(beat?.lag === undefined ? {} : { lag: beat.lag }),
      rssBytes: beat?.rssBytes ?? one.rssBytes ?? 0,
      eventLoopDelayMs: beat?.eventLoopDelayMs ?? 0,
      ...(reason === undefined ? {} : { reason }),
    };
  });
  const core = new Set(table.processes.filter((one) => one.core).map((one) => one.name));
  const missing = processes.find((one) => core.has(one.name) && !one.ready);
  return {
    ready: missing === undefined,
    ...(missing === undefined
      ? {}
      : { reason: `${missing.name} is not ready${missing.reason ? `: ${missing.reason}` : ""}` }),
    version,
    processes,
    ...(table.intakePaused === undefined ? {} : { intakePaused: table.intakePaused }),
  };
}
