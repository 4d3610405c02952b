/** The files below `<home>/run`: how others find a running Taffrail, and what a killed one left behind. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** How to reach the running Taffrail of a state folder. */
export interface RunFile {
  readonly pid: number;
  readonly version: string;
  readonly host: string;
  /** `host:port` of the broker. */
  readonly bus: string;
  readonly monitorPort: number;
  /** Port of the page on 127.0.0.1. */
  readonly port: number;
  readonly startedAtMs: number;
}

interface KnownChild {
  readonly pid: number;
  /** Start time in clock ticks since boot: a pid alone may be somebody else's by now. */
  readonly startTicks: string;
}

function writeJson(path: string, value: unknown): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(value), { mode: 0o600 });
  renameSync(temporary, path);
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as unknown;
  } catch {
    return undefined;
  }
}

export function writeRunFile(home: string, file: RunFile): void {
  writeJson(join(home, "run", "taffrail.json"), file);
}

/** The file of the last start, undefined when there is none; it does not prove that the process still runs. */
export function readRunFile(home: string): RunFile | undefined {
  return readJson(join(home, "run", "taffrail.json")) as RunFile | undefined;
}

/** Field 22 of /proc/<pid>/stat; undefined where there is no such process or no /proc. */
function startTicks(pid: number): string | undefined {
  try {
    // The name in brackets may hold blanks and brackets itself.
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[19];
  } catch {
    return undefined;
  }
}

/** Remembers the children, for the case that this process is killed where children cannot die with it. */
export function rememberChildren(home: string, pids: readonly number[]): void {
  const children: KnownChild[] = pids.flatMap((pid) => {
    const ticks = pid > 0 ? startTicks(pid) : undefined;
    return ticks === undefined ? [] : [{ pid, startTicks: ticks }];
  });
  try {
    writeJson(join(home, "run", "children.json"), children);
  } catch {
    // A full disk: they still die with their parent where setpriv exists.
  }
}

/** Kills what an earlier supervisor left behind, by pid and start time; returns how many. Call with the lock held. */
export function killLeftovers(home: string): number {
  const known = (readJson(join(home, "run", "children.json")) as KnownChild[] | undefined) ?? [];
  let killed = 0;
  for (const { pid, startTicks: ticks } of known) {
    if (startTicks(pid) !== ticks) continue;
    try {
      process.kill(pid, "SIGKILL");
      killed++;
    } catch {
      // It ended in between.
    }
  }
  return killed;
}

/** Resident memory of a process; 0 when it is not there, or the system has no /proc. */
export function residentBytes(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
