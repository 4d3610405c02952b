/** The broker as one of the supervised processes, and the watch that ends it when it no longer does its work. */
import { Agent } from "node:http";
import { createConnection } from "node:net";
import type { Output } from "./output.ts";
import { parseBrokerLine } from "./log-lines.ts";
import { askMonitor } from "./monitor.ts";
import { childEnvironment, type ChildCommand } from "./spawn-child.ts";
import type { ProcessSpec } from "./supervised.ts";

export interface BrokerPlace {
  /** Path of nats-server. */
  readonly path: string;
  readonly config: string;
  readonly port: number;
  readonly monitorPort: number;
}

const READY_POLL_MS = 10;
/** A log of many gigabytes is read at start; a broker that needs longer than this is stuck. */
const READY_LIMIT_MS = 120_000;
/** Its answer takes a millisecond; twice silent for this long is frozen or starved beyond use. */
const HEALTH_TIMEOUT_MS = 2_000;
/** Cheap enough for an idle machine; a failed disk is noticed earlier, by the broker's error line and by who cannot write. */
const HEALTH_EVERY_MS = 5_000;
const MISSES_ALLOWED = 2;
/** Children that could not write, within ten seconds, after which an answer of "ok" is no longer believed. */
const STORE_FAILURES_ALLOWED = 3;

export type Health = { type: "ok" } | { type: "sick"; reason: string } | { type: "silent" };

/** Asks `/healthz`: 503 with the reason after a write error, no answer when it is frozen. Never rejects. */
export async function askHealth(monitorPort: number, agent?: Agent): Promise<Health> {
  const answer = await askMonitor(monitorPort, "/healthz", HEALTH_TIMEOUT_MS, agent);
  if (answer === undefined) return { type: "silent" };
  return answer.status === 200 ? { type: "ok" } : { type: "sick", reason: errorIn(answer.body) };
}

function errorIn(body: string): string {
  try {
    return (JSON.parse(body) as { error?: string }).error ?? body;
  } catch {
    return body;
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Resolves when the broker takes connections and has read its store, or the signal aborts. */
export async function untilReady(place: Pick<BrokerPlace, "port" | "monitorPort">, signal: AbortSignal): Promise<void> {
  const untilMs = Date.now() + READY_LIMIT_MS;
  while (!signal.aborted) {
    if ((await accepts(place.port)) && (await askHealth(place.monitorPort)).type === "ok") return;
    if (Date.now() > untilMs) throw new Error("it did not get ready");
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
}

/** How the broker is started. */
export function brokerCommand(place: Pick<BrokerPlace, "path" | "config">, env: NodeJS.ProcessEnv): ChildCommand {
  return {
    command: place.path,
    args: ["-c", place.config],
    // Go's collector: less garbage kept for a little more work; the log's cache is most of it.
    env: childEnvironment(env, { GOGC: "50" }),
    ipc: false,
  };
}

/** `onError` is called at each error line, so that a failed disk is noticed at once. */
export function brokerSpec(
  place: BrokerPlace,
  env: NodeJS.ProcessEnv,
  output: Output,
  onError: () => void,
): ProcessSpec {
  return {
    name: "broker",
    core: true,
    command: () => brokerCommand(place, env),
    probe: (signal) => untilReady(place, signal),
    onLine: (text) => {
      const line = parseBrokerLine("broker", text, Date.now());
      output.line(line);
      if (line.level === "error") onError();
    },
  };
}

/** At full periods of the wall clock, when heartbeats wake the machine anyway. */
function untilNextLookMs(): number {
  return HEALTH_EVERY_MS - (Date.now() % HEALTH_EVERY_MS);
}

export interface BrokerWatch {
  /** Looks now rather than at the next turn. */
  check(): void;
  /** A process says that the broker could not store its append. */
  storeFailed(): void;
  stop(): void;
}

/** Calls `restart` when a ready broker cannot write or does not answer. */
export function watchBroker(options: {
  monitorPort: number;
  isReady(): boolean;
  restart(reason: string): void;
}): BrokerWatch {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let misses = 0;
  let failures: number[] = [];
  let busy = false;
  let timer: NodeJS.Timeout;

  const restart = (reason: string): void => {
    misses = 0;
    failures = [];
    options.restart(reason);
  };
  const look = async (): Promise<void> => {
    if (busy || !options.isReady()) return;
    busy = true;
    const askedAtMs = performance.now();
    const health = await askHealth(options.monitorPort, agent);
    busy = false;
    if (!options.isReady()) return;
    if (health.type === "ok") misses = 0;
    // Twice the limit means that this process itself was stopped or starved: that says nothing of the broker.
    else if (health.type === "silent" && performance.now() - askedAtMs > 2 * HEALTH_TIMEOUT_MS) return;
    else if (health.type === "sick" && health.reason.includes("write error")) {
      restart(`it cannot write: ${health.reason}`.slice(0, 256));
      return;
    } else misses++;
    if (misses >= MISSES_ALLOWED) restart(health.type === "sick" ? health.reason.slice(0, 256) : "it does not answer");
    else if (misses > 0) schedule(HEALTH_TIMEOUT_MS / 4);
  };
  const schedule = (delayMs: number): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      schedule(untilNextLookMs());
      void look();
    }, delayMs);
  };
  schedule(untilNextLookMs());
  return {
    check: () => void look(),
    storeFailed: () => {
      const nowMs = Date.now();
      failures = [...failures.filter((atMs) => nowMs - atMs < 10_000), nowMs];
      if (failures.length >= STORE_FAILURES_ALLOWED) restart("processes cannot write");
      else void look();
    },
    stop: () => {
      clearTimeout(timer);
      agent.destroy();
    },
  };
}
