/**
 * A home that does not run, opened for reading: its own broker alone on its store, for the time of one command. Comes in:
 * keys and store as they are. Goes out: a connection that may read and nothing else. Owns: the state folder's lock.
 * Never: makes or renews a key, starts a service, leaves a broker behind.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CoreAccess } from "../../bus/accounts/access.ts";
import { readKept } from "../../bus/accounts/kept.ts";
import { CORE_ACCOUNT } from "../../bus/accounts/minting.ts";
import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import { TaffrailError } from "../../bus/errors.ts";
import { STREAM } from "../../bus/subjects.ts";
import { access as cliAccess } from "../cli/access.ts";
import { brokerFiles, writeBrokerConfig } from "../nats/config.ts";
import { loadConfig } from "../config/load.ts";
import { brokerCommand, untilReady, type BrokerPlace } from "../supervisor/broker.ts";
import { checkBrokerProgram, checkHome, freePorts } from "../supervisor/checks.ts";
import { listenControl } from "../supervisor/control.ts";
import { killLeftovers, rememberChildren } from "../supervisor/run-files.ts";
import { canDieWithParent, spawnChild } from "../supervisor/spawn-child.ts";

/** The CLI's user without its commands: nobody would answer them. */
const readerAccess: CoreAccess = { type: "core", user: cliAccess.user, publish: [], subscribe: [], reads: true };
/** More than any disk: the log's own limit may be above what is free now, and nothing is appended. */
const STORE_LIMIT_BYTES = 2 ** 52;
/** It has written nothing; what is not gone by then hangs. */
const GRACE_MS = 5_000;
const KEPT_OUTPUT_CHARS = 4_000;

/**
 * Starts the broker, connects, runs `use` and ends the broker. A stop asked by `taffrail down` or a signal ends all.
 * @throws NOT_RUNNING when there is no log, HOME_IN_USE, HOME_NOT_WRITABLE, the BROKER_ codes, BUS_UNAVAILABLE.
 */
export async function withOwnBroker<T>(home: string, use: (nc: NatsConnection) => Promise<T>): Promise<T> {
  const nothing = (what: string): TaffrailError =>
    new TaffrailError("NOT_RUNNING", `Taffrail does not run on ${home}, and ${what}: there is no log to read`, {
      home,
    });
  const store = brokerFiles(home).store;
  if (!existsSync(store)) throw nothing("it holds no log");
  const kept = await readKept(home, readerAccess, Date.now());
  if (kept === undefined) throw nothing("its keys are not there");
  if (!existsSync(streamFolder(store, kept.accounts))) throw nothing("it holds no log");
  checkHome(home);
  const program = await checkBrokerProgram(brokerPath(home), process.env);
  const reading: Reading = { ended: false, release: () => undefined };
  const control = await listenControl(home, (request) => {
    if (request.type === "status") return { type: "status", processes: [], reader: process.pid };
    if (request.type === "hold") return { type: "refused", why: "no process runs here" };
    end(reading, `the reading of ${home} was stopped by another command`);
    return { type: "stopping" };
  });
  const forgetSignals = endOnSignals(reading);
  try {
    killLeftovers(home);
    const [port = 0, monitorPort = 0] = await freePorts(2);
    const config = { home, port, monitorPort, minted: kept, maxStoreBytes: STORE_LIMIT_BYTES };
    const { config: path } = await writeBrokerConfig(config);
    const broker = { path: program.path, config: path, port, monitorPort };
    return await withChild(reading, home, broker, kept.readerCreds, use);
  } finally {
    forgetSignals();
    control.closeAll();
  }
}

function streamFolder(store: string, accounts: readonly { name: string; publicKey: string }[]): string {
  const core = accounts.find(({ name }) => name === CORE_ACCOUNT);
  return join(store, "jetstream", core?.publicKey ?? "", "streams", STREAM);
}

/** The configured program; a configuration with faults must not keep a person from the log. */
function brokerPath(home: string): string | undefined {
  try {
    return loadConfig(process.env, { home }).broker.path;
  } catch {
    return undefined;
  }
}

interface Reading {
  ended: boolean;
  child?: ChildProcess;
  /** Lets go of `use`. */
  release(error: Error): void;
}

function end(reading: Reading, why: string): void {
  reading.ended = true;
  reading.child?.kill("SIGTERM");
  reading.release(new TaffrailError("NOT_RUNNING", why));
}

/** Ctrl-C and the like end the broker first, then this process. */
function endOnSignals(reading: Reading): () => void {
  const numbers = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
  const stop = (signal: NodeJS.Signals, number: number): void => {
    const leave = (): void => process.exit(128 + number);
    const { child } = reading;
    if (reading.ended || child === undefined || isGone(child)) leave();
    reading.ended = true;
    child?.once("exit", leave);
    child?.kill("SIGTERM");
  };
  const listeners = Object.entries(numbers).map(([name, number]) => {
    const listener = (): void => stop(name as NodeJS.Signals, number);
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  const kill = (): void => void reading.child?.kill("SIGKILL");
  process.on("exit", kill);
  return () => {
    for (const forget of listeners) forget();
    process.off("exit", kill);
  };
}

function isGone(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function withChild<T>(
  reading: Reading,
  home: string,
  place: BrokerPlace,
  creds: Uint8Array,
  use: (nc: NatsConnection) => Promise<T>,
): Promise<T> {
  const dieWithParent = await canDieWithParent();
  const abort = new AbortController();
  const failed = new Promise<never>((_, reject) => (reading.release = reject));
  failed.catch(() => undefined);
  if (reading.ended) throw new TaffrailError("NOT_RUNNING", "the reading was stopped");
  const child = spawnChild(brokerCommand(place, process.env), dieWithParent);
  reading.child = child;
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(-KEPT_OUTPUT_CHARS)));
  let ready = false;
  const gone = new Promise<void>((resolve) => {
    const leave = (error?: Error): void => {
      const last = error?.message ?? output.trim().split("\n").at(-1) ?? "";
      if (ready) reading.release(new TaffrailError("BUS_UNAVAILABLE", "the broker ended while the log was read"));
      else reading.release(new TaffrailError("BROKER_START_FAILED", `nats-server does not start: ${last}`));
      resolve();
    };
    child.once("error", leave);
    child.once("exit", () => leave());
  });
  // Where it cannot die with this process, the next start ends it by this.
  if (!dieWithParent && child.pid !== undefined) rememberChildren(home, [child.pid]);
  let nc: NatsConnection | undefined;
  try {
    await Promise.race([untilReady(place, abort.signal), failed]);
    ready = true;
    const server = `127.0.0.1:${place.port}`;
    nc = await Promise.race([connectBus({ server, creds, name: readerAccess.user }), failed]);
    return await Promise.race([use(nc), failed]);
  } finally {
    abort.abort();
    reading.ended = true;
    await nc?.close().catch(() => undefined);
    if (!isGone(child)) child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    await gone;
    clearTimeout(timer);
  }
}
