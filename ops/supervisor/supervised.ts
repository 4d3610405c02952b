/** One process kept running: start, readiness, restart with back-off, stop within a grace period. */
import type { ChildProcess } from "node:child_process";
import { TaffrailError, errorCatalogue, type ErrorCode } from "../../bus/errors.ts";
import { followLines } from "./output.ts";
import { failuresAfter, restartDelayMs } from "./restart-policy.ts";
import { spawnChild, type ChildCommand } from "./spawn-child.ts";

/** What the supervisor tells the stats service of a process. */
export interface ProcessRow {
  readonly name: string;
  readonly pid: number;
  readonly ready: boolean;
  readonly restarts: number;
  readonly startedAtMs: number;
  /** Taffrail is ready when all core processes are. */
  readonly core: boolean;
  /** Why it is not ready. */
  readonly reason?: string;
  /** Resident memory, for a process that does not tell it by itself. */
  readonly rssBytes?: number;
}

export interface ProcessSpec {
  readonly name: string;
  readonly core: boolean;
  /** Made anew at each start. */
  command(): ChildCommand;
  /** Resolves when it is ready, for a program that does not tell by itself; must end when the signal aborts. */
  probe?(signal: AbortSignal): Promise<void>;
  onLine(line: string, fromStderr: boolean): void;
}

export interface SupervisedHooks {
  readonly dieWithParent: boolean;
  started(row: ProcessRow): void;
  exited(row: ProcessRow, how: { exitCode?: number; signal?: string; reason: string }): void;
  /** Readiness, pid or reason changed. */
  changed(): void;
  /** A message of the child other than ready and failed. */
  message(name: string, message: Readonly<Record<string, unknown>>): void;
}

/** Ends before the first readiness after which a start is given up: a fault that three tries do not cure needs a person. */
const START_ATTEMPTS = 3;

interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
}

export class Supervised {
  readonly spec: ProcessSpec;
  readonly #hooks: SupervisedHooks;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #probe = new AbortController();
  #state: "idle" | "starting" | "ready" | "waiting" | "stopping" | "stopped" = "idle";
  #pid = 0;
  #restarts = 0;
  #failures = 0;
  #startedAtMs = 0;
  #readyAtMs: number | undefined;
  /** When it last told that its loop turns; undefined for a program that does not tell. */
  #beatAtMs: number | undefined;
  #reason: string | undefined;
  #failure: Failure | undefined;
  #everReady = false;
  #waiters: { resolve(): void; reject(error: TaffrailError): void }[] = [];
  #ended: (() => void)[] = [];

  constructor(spec: ProcessSpec, hooks: SupervisedHooks) {
    this.spec = spec;
    this.#hooks = hooks;
  }

  get row(): ProcessRow {
    const reason = this.#state === "ready" ? undefined : (this.#reason ?? this.#state);
    return {
      name: this.spec.name,
      pid: this.#pid,
      ready: this.#state === "ready",
      restarts: this.#restarts,
      startedAtMs: this.#startedAtMs,
      core: this.spec.core,
      ...(reason === undefined ? {} : { reason }),
    };
  }

  start(): void {
    this.#timer = undefined;
    this.#state = "starting";
    this.#startedAtMs = Date.now();
    this.#readyAtMs = undefined;
    this.#beatAtMs = undefined;
    this.#failure = undefined;
    const child = spawnChild(this.spec.command(), this.#hooks.dieWithParent);
    this.#child = child;
    this.#pid = child.pid ?? 0;
    followLines(child.stdout, (line) => this.spec.onLine(line, false));
    followLines(child.stderr, (line) => this.spec.onLine(line, true));
    child.on("message", (message) => this.#receive(child, message));
    // A program that cannot be started has no exit.
    child.once("error", (error) => {
      if (child.pid === undefined) this.#exit(child, null, null, error.message);
    });
    child.once("exit", (code, signal) => this.#exit(child, code, signal));
    if (child.pid !== undefined) this.#hooks.started(this.row);
    this.#hooks.changed();
    if (this.spec.probe !== undefined) void this.#probeUntilReady(child, this.spec.probe.bind(this.spec));
  }

  /** Resolves at readiness; rejects with the process's own code when it ended three times before it was ever ready. */
  whenReady(): Promise<void> {
    if (this.#state === "ready") return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Ends a ready process that has been silent for `limitMs`. `forgive`: we were not running ourselves, count anew. */
  endIfSilent(limitMs: number, forgive: boolean): void {
    if (this.#state !== "ready" || this.#beatAtMs === undefined) return;
    if (forgive) this.#beatAtMs = performance.now();
    else if (performance.now() - this.#beatAtMs > limitMs) this.killAndRestart("it does not answer");
  }

  /** Kills it at once; the restart follows by the policy. */
  killAndRestart(reason: string): void {
    this.#reason = reason;
    this.#child?.kill("SIGKILL");
  }

  /** SIGTERM, after `graceMs` SIGKILL; resolves when it is gone. It is not started again. */
  async stop(graceMs: number): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const child = this.#child;
    this.#state = child === undefined ? "stopped" : "stopping";
    if (child === undefined) return;
    const ended = new Promise<void>((resolve) => this.#ended.push(resolve));
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await ended;
    clearTimeout(timer);
  }

  /** As `stop`, to be started again by `start`. */
  async hold(graceMs: number): Promise<void> {
    this.#reason = "held while what it owns is replaced";
    await this.stop(graceMs);
  }

  /** SIGKILL and no restart; for the last moment of the supervisor. */
  kill(): void {
    clearTimeout(this.#timer);
    this.#state = this.#child === undefined ? "stopped" : "stopping";
    this.#child?.kill("SIGKILL");
  }

  async #probeUntilReady(child: ChildProcess, probe: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#probe = new AbortController();
    const { signal } = this.#probe;
    try {
      await probe(signal);
      if (!signal.aborted) this.#becomeReady(child);
    } catch (error) {
      if (!signal.aborted && child === this.#child)
        this.killAndRestart(error instanceof Error ? error.message : String(error));
    }
  }

  #becomeReady(child: ChildProcess): void {
    if (child !== this.#child || this.#state !== "starting") return;
    this.#state = "ready";
    this.#readyAtMs = Date.now();
    this.#everReady = true;
    this.#reason = undefined;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
    this.#hooks.changed();
  }

  #receive(child: ChildProcess, message: unknown): void {
    if (child !== this.#child || message === null || typeof message !== "object") return;
    const fields = message as Readonly<Record<string, unknown>>;
    if (fields["type"] === "ready") this.#becomeReady(child);
    else if (fields["type"] === "beat") this.#beatAtMs = performance.now();
    else if (fields["type"] === "failed") {
      const code = String(fields["code"]);
      const known = Object.hasOwn(errorCatalogue, code) ? (code as ErrorCode) : "HANDLER_FAILED";
      this.#failure = { code: known, message: String(fields["message"]).slice(0, 500) };
    } else this.#hooks.message(this.spec.name, fields);
  }

  #exit(child: ChildProcess, exitCode: number | null, signal: string | null, spawnError?: string): void {
    if (child !== this.#child) return;
    this.#probe.abort();
    const { row } = this;
    this.#child = undefined;
    const how = spawnError ?? (signal === null ? `exit code ${exitCode ?? 0}` : `signal ${signal}`);
    const planned = this.#state === "stopping" ? "stopped" : this.#reason;
    const reason = (this.#failure?.message ?? planned ?? how).slice(0, 256);
    if (child.pid !== undefined) {
      this.#hooks.exited(row, {
        ...(exitCode === null ? {} : { exitCode }),
        ...(signal === null ? {} : { signal }),
        reason,
      });
    }
    if (this.#state === "stopping") {
      this.#state = "stopped";
      for (const done of this.#ended.splice(0)) done();
      this.#hooks.changed();
      return;
    }
    this.#reason = reason;
    this.#scheduleRestart();
    this.#hooks.changed();
  }

  #scheduleRestart(): void {
    this.#state = "waiting";
    const readyMs = this.#readyAtMs === undefined ? undefined : Date.now() - this.#readyAtMs;
    this.#failures = failuresAfter(this.#failures, readyMs);
    if (!this.#everReady && this.#failures + 1 >= START_ATTEMPTS && this.#waiters.length > 0) {
      const { code, message } = this.#failure ?? { code: "HANDLER_FAILED", message: this.#reason ?? "" };
      const told = new TaffrailError(code, `${this.spec.name} does not start: ${withoutCode(message, code)}`);
      for (const waiter of this.#waiters.splice(0)) waiter.reject(told);
    }
    const delayMs = restartDelayMs(this.#failures++);
    this.#restarts++;
    // Also for no delay: a process that cannot be spawned at all must not recurse.
    this.#timer = setTimeout(() => this.start(), delayMs);
  }
}

function withoutCode(message: string, code: string): string {
  return message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
}
