// Starts the real supervisor in a process of its own for a test, and ends it with the test.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ChildProcess } from "node:child_process";
import type { LogEntry } from "../../bus/event.ts";
import { LOG_ROOT } from "../../bus/subjects.ts";
import { withLog } from "../../ops/cli/bus.ts";
import { askStatus, type StatusAnswer } from "../../ops/supervisor/control.ts";
import { followLines } from "../../ops/supervisor/output.ts";
import type { ProcessRow } from "../../ops/supervisor/supervised.ts";
import { canDieWithParent, spawnChild } from "../../ops/supervisor/spawn-child.ts";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
/** Far more than anything here takes on a slow machine; only a hang reaches it. */
const DEADLINE_MS = 60_000;

export interface StandIn {
  readonly name: string;
  readonly stage?: "service" | "edge";
  readonly mode?: "failing" | "stubborn";
  readonly delayMs?: number;
}

interface Note {
  readonly name: string;
  readonly what: string;
  readonly pid: number;
}

export interface Running {
  readonly home: string;
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly journal: string;
  /** Resolves to the exit code (signal: 128). */
  readonly exited: Promise<number>;
  notes(): Note[];
  status(): Promise<StatusAnswer>;
  row(name: string): Promise<ProcessRow | undefined>;
  events(): Promise<LogEntry[]>;
}

/** Polls until `ask` gives something; a rejection counts as "not yet". */
export async function until<T>(what: string, ask: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const endMs = performance.now() + DEADLINE_MS;
  let last: unknown;
  while (performance.now() < endMs) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never came: ${what}`, { cause: last });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie waits for its parent only.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const folders: string[] = [];

/** A folder that endAll removes. */
export function temporaryHome(): string {
  const folder = mkdtempSync(join(tmpdir(), "taffrail-home-"));
  folders.push(folder);
  return folder;
}

export interface StartOptions {
  readonly home?: string;
  readonly standIns?: readonly StandIn[];
  /** Arguments of the command instead of the stand-ins' host. */
  readonly cli?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** Programs started by the tests of one file; call `endAll` in after(). */
export function starter(): { start(options: StartOptions): Promise<Running>; endAll(): Promise<void> } {
  const running: Running[] = [];
  async function start(options: StartOptions): Promise<Running> {
    const home = options.home ?? temporaryHome();
    const journal = join(home, "..", `journal-${process.pid}-${running.length}-${Date.now()}`);
    const processes = (options.standIns ?? []).map(({ name, stage = "service", mode, delayMs }) => ({
      name,
      stage,
      settings: { journal, mode, delayMs },
    }));
    const script = options.cli === undefined ? join(here, "supervisor-host.ts") : join(root, "ops", "cli", "main.ts");
    const child = spawnChild(
      {
        command: process.execPath,
        args: ["--import", "tsx", script, ...(options.cli ?? [])],
        env: {
          ...process.env,
          TAFFRAIL_HOME: home,
          TAFFRAIL_PORT: "0",
          TEST_PROCESSES: JSON.stringify(processes),
          ...options.env,
        },
        ipc: false,
      },
      await canDieWithParent(),
    );
    const lines: string[] = [];
    followLines(child.stdout, (line) => lines.push(line));
    followLines(child.stderr, (line) => lines.push(line));
    const one: Running = {
      home,
      child,
      lines,
      journal,
      exited: new Promise((resolve) => {
        child.once("close", (code) => resolve(code ?? 128));
        child.once("error", (error) => {
          lines.push(error.message);
          resolve(127);
        });
      }),
      notes: () => {
        try {
          return readFileSync(journal, "utf8")
            .trim()
            .split("\n")
            .map((line) => JSON.parse(line) as Note);
        } catch {
          return [];
        }
      },
      status: () => askStatus(home),
      row: async (name) => (await askStatus(home)).processes.find((row) => row.name === name),
      events: () => withLog(home, async (log) => log.fetch({ filter: LOG_ROOT, fromSeq: 1, limit: 10_000 })),
    };
    running.push(one);
    return one;
  }
  return {
    start,
    async endAll() {
      for (const { child, exited, home, journal } of running) {
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
        await exited;
        clearTimeout(timer);
        rmSync(home, { recursive: true, force: true });
        rmSync(journal, { force: true });
      }
      for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves when all is ready; throws with the output when it ended before. */
export async function whenReady(one: Running): Promise<StatusAnswer> {
  let ended = false;
  void one.exited.then(() => (ended = true));
  return until(`ready:\n${one.lines.join("\n")}`, async () => {
    if (ended) throw new Error(one.lines.join("\n"));
    if (!one.lines.some((line) => line.startsWith("READY ") || line.includes('"Taffrail is ready"'))) return undefined;
    return one.status();
  });
}
