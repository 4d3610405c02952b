/**
 * The frame every process stands in: settings from the environment, connection, heartbeat, readiness, drain.
 * The supervisor (or systemd) restarts a process that fails; no process repairs another.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { pino, type Logger } from "pino";
import { everyAligned } from "./aligned-timer.ts";
import { connectBus, type NatsConnection } from "./connect.ts";
import { describeError, hasCode, TaffrailError } from "./errors.ts";
import { createJetStreamLog } from "./jetstream-log.ts";
import { createNatsLive } from "./nats-live.ts";
import type { Live } from "./live.ts";
import type { Log } from "./log.ts";
import { liveSubjects } from "./subjects.ts";
import { systemClock, systemRandom, type Clock, type Random } from "./ports.ts";

export type { Logger } from "pino";

/** What a process is built from; a test or the simulation gives its own. */
export interface Ports {
  readonly log: Log;
  readonly live: Live;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A running process as its frame sees it. */
export interface RunningApp {
  /** Events of the log that wait for it, as the broker last said; absent for one that follows none. */
  lag?(): number;
  /** Ends intake and work in hand; bounded by the frame's grace period. */
  close(): Promise<void>;
  /** Rejects when the process is broken and must be restarted. */
  readonly failed: Promise<never>;
}

export interface ProcessEnvironment {
  readonly name: string;
  readonly server: string;
  readonly credsFile: string;
  readonly home: string;
  readonly host: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** For a person who looks; what must be known at once is told by the supervisor. Each wake-up costs 0.3 ms here and there. */
const HEARTBEAT_MS = 5_000;
/** A stall shorter than this may be missed; looking ten times a second costs an idle process more than all else it does. */
const DELAY_RESOLUTION_MS = 500;
/** Below the supervisor's 5 s, so that a drain that hangs still ends by itself. */
const DRAIN_LIMIT_MS = 4_000;

/** Reads the environment the supervisor gives. @throws CONFIG_INVALID naming what is missing. */
export function readEnvironment(env: NodeJS.ProcessEnv): ProcessEnvironment {
  const want = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === "")
      throw new TaffrailError("CONFIG_INVALID", `${name} is not set; processes are started by taffrail up`);
    return value;
  };
  return {
    name: want("TAFFRAIL_PROCESS"),
    server: want("TAFFRAIL_BUS"),
    credsFile: want("TAFFRAIL_CREDS"),
    home: want("TAFFRAIL_HOME"),
    host: want("TAFFRAIL_HOST"),
    settings: JSON.parse(env["TAFFRAIL_SETTINGS"] ?? "{}") as Record<string, unknown>,
  };
}

interface RunOptions {
  /** Bus user, when several processes share one (agent-runner-1, -2 …). */
  readonly user: string;
  start(ports: Ports, environment: ProcessEnvironment, nc: NatsConnection): Promise<RunningApp>;
}

function tellSupervisor(message: Record<string, unknown>): void {
  if (process.connected) process.send?.(message);
}

function startHeartbeat(live: Live, environment: ProcessEnvironment, app: RunningApp): () => void {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  const beat = (): void => {
    // From the process's own loop: a process that hangs falls silent, and the supervisor ends it.
    tellSupervisor({ type: "beat" });
    live.publish(liveSubjects.stats(environment.host, environment.name), {
      process: environment.name,
      pid: process.pid,
      atMs: Date.now(),
      rssBytes: process.memoryUsage.rss(),
      eventLoopDelayMs: Math.max(0, Math.round(delay.percentile(99) / 1e6) - DELAY_RESOLUTION_MS),
      ...(app.lag === undefined ? {} : { lag: app.lag() }),
    });
    delay.reset();
  };
  beat();
  return everyAligned(HEARTBEAT_MS, beat);
}

/** The broker may refuse writes while its health check passes: who meets that says so, and the supervisor restarts it. */
function tellingOfFailedWrites(log: Log): Log {
  return {
    ...log,
    append: (lane, expectedLastSeq, event) =>
      log.append(lane, expectedLastSeq, event).catch((error: unknown) => {
        if (hasCode(error, "BUS_STORE_FAILED")) tellSupervisor({ type: "store-failed" });
        throw error;
      }),
  };
}

/** Runs one process until it is told to stop; ends the Node process. */
export async function runProcess(options: RunOptions): Promise<void> {
  const logger = pino({
    base: { process: process.env["TAFFRAIL_PROCESS"] ?? options.user },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
  let app: RunningApp | undefined;
  let stopping = false;
  const stop = async (code: number, why: string): Promise<void> => {
    if (stopping) return;
    stopping = true;
    logger.debug({ why }, "stopping");
    setTimeout(() => process.exit(code === 0 ? 1 : code), DRAIN_LIMIT_MS).unref();
    await app?.close().catch((error: unknown) => logger.warn({ error: describeError(error) }, "the drain failed"));
    process.exit(code);
  };
  process.on("SIGTERM", () => void stop(0, "SIGTERM"));
  process.on("SIGINT", () => undefined); // Ctrl-C reaches the whole group; the supervisor decides the order.
  // The supervisor is gone: nobody would restart or stop us.
  process.on("disconnect", () => void stop(1, "the supervisor is gone"));
  const fail = (error: unknown): void => {
    logger.error(
      { code: error instanceof TaffrailError ? error.code : undefined, error: describeError(error) },
      "failed",
    );
    const { code = "HANDLER_FAILED", action = "" } = error instanceof TaffrailError ? error : {};
    tellSupervisor({ type: "failed", code, message: describeError(error), action });
    void stop(1, "failed");
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  try {
    const environment = readEnvironment(process.env);
    const nc = await connectBus({ server: environment.server, credsFile: environment.credsFile, name: options.user });
    const live = createNatsLive(nc);
    const report = (what: string): void => logger.debug(what);
    const log = tellingOfFailedWrites(await createJetStreamLog(nc, { name: options.user, report }));
    const ports: Ports = { log, live, clock: systemClock, random: systemRandom, logger };
    app = await options.start(ports, environment, nc);
    app.failed.catch(fail);
    const endHeartbeat = startHeartbeat(live, environment, app);
    const inner = app;
    app = {
      ...app,
      close: async () => {
        endHeartbeat();
        await inner.close();
        await nc.drain();
      },
    };
    tellSupervisor({ type: "ready" });
    logger.info("ready");
  } catch (error) {
    fail(error);
  }
}
