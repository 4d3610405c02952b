/**
 * The supervisor. In: the configuration, signals, the control socket, readiness of children. Out: a running broker and
 * processes, one log, their table on `stats.<host>.supervisor`, ProcessStarted and ProcessExited.
 * Owns: the state folder (by the control socket), keys, the broker's configuration, who runs. Never: handles a message.
 */
import { access } from "./access.ts";
import { everyAligned } from "../../bus/aligned-timer.ts";
import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import { describeError, TaffrailError } from "../../bus/errors.ts";
import { createJetStreamLog } from "../../bus/jetstream-log.ts";
import { ensureLog } from "../../bus/jetstream-setup.ts";
import { createNatsLive } from "../../bus/nats-live.ts";
import { liveSubjects } from "../../bus/subjects.ts";
import type { Config } from "../config/config.ts";
import { checkBroker } from "../nats/checks.ts";
import { brokerSpec, watchBroker, type BrokerWatch } from "./broker.ts";
import { checkHome, checkNotImported } from "./checks.ts";
import { listenControl, type ControlAnswer, type ControlServer, type StatusAnswer } from "./control.ts";
import { startGuards, type Guards } from "./guards.ts";
import { makeLink } from "./link.ts";
import { childLines, type Output } from "./output.ts";
import { channelNames, mintKeys, prepare, type Prepared } from "./prepare.ts";
import { NODE_FLAGS, processEnvironment, type OwnProcess } from "./process-list.ts";
import { createProcessLog, type ProcessLog } from "./process-log.ts";
import { startRenewal } from "./renew.ts";
import { killLeftovers, rememberChildren, residentBytes, writeRunFile, type RunFile } from "./run-files.ts";
import { Supervised, type ProcessSpec, type SupervisedHooks } from "./supervised.ts";

/** A drain that takes longer hangs; children give themselves four seconds. */
const GRACE_MS = 5_000;
/** Changes are told at once; this is for a stats process that missed one. */
const STATS_MS = 5_000;
/** Processes tell every 5 s that their loop turns; four lost ones are no coincidence. */
const SILENT_MS = 20_000;
const FLUSH_MS = 1_000;
/** Says what it waits for, so that a long catch-up is not taken for a hang. */
const WAITING_NOTE_MS = 5_000;

export interface SupervisorOptions {
  readonly config: Config;
  readonly env: NodeJS.ProcessEnv;
  readonly output: Output;
  readonly version: string;
  /** The processes beside the broker; the page's port is known by now. */
  processes(port: number): readonly OwnProcess[];
}

export interface RunningSupervisor {
  readonly run: RunFile;
  /** The one-time link to the page. */
  readonly link: string;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #processLog: ProcessLog;
  readonly #edges: Supervised[] = [];
  readonly #services: Supervised[] = [];
  #broker: Supervised | undefined;
  #control: ControlServer | undefined;
  #watch: BrokerWatch | undefined;
  #guards: Guards | undefined;
  #nc: NatsConnection | undefined;
  #run: RunFile | undefined;
  #publish: () => void = () => undefined;
  #timers: (() => void)[] = [];
  readonly #held = new Set<Supervised>();
  #stopping: Promise<void> | undefined;
  #refuseStart: (error: Error) => void = () => undefined;
  #markStopped: () => void = () => undefined;
  /** Resolves when everything has ended. */
  readonly stopped: Promise<void>;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#processLog = createProcessLog(Date.now, (what) => options.output.say("warn", what));
    this.stopped = new Promise((resolve) => (this.#markStopped = resolve));
  }

  /**
   * Starts everything; when it cannot, what runs by then is stopped.
   * @throws HOME_IMPORTED, HOME_NOT_WRITABLE, HOME_IN_USE, DISK_FULL, PORT_TAKEN, the BROKER_ codes, or a process's own code.
   */
  async start(): Promise<RunningSupervisor> {
    const interrupted = new Promise<never>((_, reject) => (this.#refuseStart = reject));
    try {
      return await Promise.race([this.#start(), interrupted]);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #start(): Promise<RunningSupervisor> {
    const { config, env, output, version } = this.#options;
    const { home } = config;
    checkNotImported(home);
    checkHome(home);
    this.#control = await listenControl(home, (request, closed) => {
      if (request.type === "status") return this.#status();
      if (request.type === "hold") return this.#hold(request.process, closed);
      void this.stop();
      return { type: "stopping" };
    });
    const leftovers = killLeftovers(home);
    if (leftovers > 0)
      output.say("warn", `${leftovers} processes of an earlier start were still running and were ended`);
    const prepared = await prepare(config, env);
    const { broker, minted, host, port } = prepared;
    const server = `127.0.0.1:${broker.port}`;
    const startedAtMs = Date.now();
    this.#run = { pid: process.pid, version, host, bus: server, monitorPort: broker.monitorPort, port, startedAtMs };
    writeRunFile(home, this.#run);

    await this.#startBroker(prepared);
    const [nc] = await Promise.all([
      connectBus({ server, credsFile: minted.credsFile(access.user), name: access.user }),
      checkBroker(`http://127.0.0.1:${broker.monitorPort}`),
    ]);
    this.#nc = nc;
    await ensureLog(nc, { replicas: config.log.replicas, maxBytes: prepared.maxBytes });
    const live = createNatsLive(nc);
    const log = await createJetStreamLog(nc, { name: access.user, report: (what) => output.say("debug", what) });
    this.#publish = () => live.publish(liveSubjects.stats(host, "supervisor"), this.#table());
    this.#processLog.attach(log);

    const own = this.#options.processes(port);
    const bus = { server, home, host };
    await this.#startStage(
      own.filter(({ stage }) => stage === "service"),
      this.#services,
      prepared,
      bus,
    );
    await this.#startStage(
      own.filter(({ stage }) => stage === "edge"),
      this.#edges,
      prepared,
      bus,
    );

    this.#guards = await startGuards({
      home,
      nc,
      live,
      server,
      minted,
      output,
      channels: channelNames,
      processLog: this.#processLog,
      monitorPort: broker.monitorPort,
      brokerReady: () => this.#broker?.row.ready === true,
      brokerSilent: (reason) => this.#broker?.killAndRestart(reason),
      changed: () => this.#publish(),
    });
    this.#timers.push(startRenewal(server, () => mintKeys(home), output));
    let lookedAtMs = performance.now();
    const look = (): void => {
      const sinceMs = performance.now() - lookedAtMs;
      lookedAtMs = performance.now();
      // After a suspend, or when we were starved ourselves, silence says nothing of the others.
      for (const one of this.#all()) one.endIfSilent(SILENT_MS, sinceMs > 2 * STATS_MS);
      this.#publish();
    };
    this.#timers.push(everyAligned(STATS_MS, look));
    this.#publish();
    return { run: this.#run, link: makeLink(home, port, Date.now()) };
  }

  async #startBroker(prepared: Prepared): Promise<void> {
    const { env, output } = this.#options;
    this.#stillWanted();
    const place = prepared.broker;
    const spec = brokerSpec(place, env, output, () => this.#watch?.check());
    const broker = this.#supervise(spec, prepared);
    this.#broker = broker;
    broker.start();
    await broker.whenReady().catch((error: unknown) => {
      throw new TaffrailError("BROKER_START_FAILED", `nats-server does not start: ${lastWords(error)}`, {}, error);
    });
    this.#watch = watchBroker({
      monitorPort: place.monitorPort,
      isReady: () => broker.row.ready,
      restart: (reason) => {
        output.say("error", `the broker is restarted: ${reason}`);
        broker.killAndRestart(reason);
      },
    });
  }

  async #startStage(
    own: readonly OwnProcess[],
    into: Supervised[],
    prepared: Prepared,
    bus: { server: string; home: string; host: string },
  ): Promise<void> {
    const { env, output } = this.#options;
    this.#stillWanted();
    for (const one of own) {
      const credsFile = prepared.minted.credsFile(one.user);
      into.push(
        this.#supervise(
          {
            name: one.name,
            core: true,
            command: () => ({
              command: process.execPath,
              args: [...NODE_FLAGS, one.script],
              env: processEnvironment(one, { ...bus, credsFile }, env),
              ipc: true,
            }),
            onLine: (line, fromStderr) => childLines(output, one.name, fromStderr)(line),
          },
          prepared,
        ),
      );
    }
    for (const supervised of into) supervised.start();
    const note = setInterval(() => {
      const missing = into.filter(({ row }) => !row.ready).map(({ row }) => `${row.name} (${row.reason ?? ""})`);
      output.say("info", `still waiting for ${missing.join(", ")}`);
    }, WAITING_NOTE_MS);
    try {
      await Promise.all(into.map((supervised) => supervised.whenReady()));
    } finally {
      clearInterval(note);
    }
  }

  #supervise(spec: ProcessSpec, { dieWithParent }: Prepared): Supervised {
    const { output, config, version } = this.#options;
    const hooks: SupervisedHooks = {
      dieWithParent,
      started: ({ name, pid, restarts, startedAtMs }) => {
        rememberChildren(
          config.home,
          this.#all().map(({ row }) => row.pid),
        );
        this.#processLog.record("ProcessStarted", `${pid}@${startedAtMs}`, { process: name, pid, version, restarts });
      },
      exited: ({ name, pid, restarts, startedAtMs }, how) => {
        const planned = this.#stopping !== undefined || [...this.#held].some(({ row }) => row.name === name);
        output.say(planned ? "debug" : "warn", `${name} ended: ${how.reason}`, planned ? {} : { restarts });
        this.#processLog.record("ProcessExited", `${pid}@${startedAtMs}`, { process: name, pid, restarts, ...how });
      },
      changed: () => this.#publish(),
      message: (name, message) => {
        if (message["type"] !== "store-failed") return;
        output.say("warn", `${name} could not write to the log`);
        this.#watch?.storeFailed();
      },
    };
    return new Supervised(spec, hooks);
  }

  /** A stop may come between any two steps of the start; nothing is started behind it. */
  #stillWanted(): void {
    if (this.#stopping !== undefined) throw new TaffrailError("NOT_RUNNING", "the start was interrupted");
  }

  /** Web, services, broker, each within its grace period. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#refuseStart(new TaffrailError("NOT_RUNNING", "the start was interrupted"));
    this.#guards?.stop();
    this.#watch?.stop();
    for (const end of this.#timers) end();
    await Promise.all(this.#edges.map((one) => one.stop(GRACE_MS)));
    await Promise.all(this.#services.map((one) => one.stop(GRACE_MS)));
    await this.#processLog.flush(FLUSH_MS);
    this.#publish = () => undefined;
    await this.#nc?.close().catch((error: unknown) => this.#options.output.say("debug", describeError(error)));
    await this.#broker?.stop(GRACE_MS);
    this.#control?.close();
    this.#markStopped();
  }

  /** Keeps a service stopped until `released`: what it owns is being replaced. */
  async #hold(name: string, released: Promise<void>): Promise<ControlAnswer> {
    const one = this.#services.find(({ row }) => row.name === name);
    if (one === undefined) return { type: "refused", why: `there is no process ${name}` };
    if (this.#held.has(one) || this.#stopping !== undefined)
      return { type: "refused", why: `${name} is being replaced or stopped already` };
    this.#held.add(one);
    this.#options.output.say("info", `${name} is held while what it owns is replaced`);
    const stopped = one.hold(GRACE_MS);
    void Promise.all([released, stopped]).then(() => {
      this.#held.delete(one);
      if (this.#stopping === undefined) one.start();
    });
    await stopped;
    return { type: "held" };
  }

  /** SIGKILL to everything, at once. */
  kill(): void {
    for (const one of this.#all()) one.kill();
  }

  #all(): Supervised[] {
    return [...(this.#broker === undefined ? [] : [this.#broker]), ...this.#services, ...this.#edges];
  }

  #table(): Omit<StatusAnswer, "type" | "run"> {
    const paused = this.#guards?.paused;
    // The broker sends no heartbeat with its memory.
    const processes = this.#all().map(({ row }) =>
      row.name === "broker" ? { ...row, rssBytes: residentBytes(row.pid) } : row,
    );
    return { processes, ...(paused === undefined ? {} : { intakePaused: paused }) };
  }

  #status(): StatusAnswer {
    return { type: "status", ...(this.#run === undefined ? {} : { run: this.#run }), ...this.#table() };
  }
}

function lastWords(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^broker does not start: /, "");
}
