/** Killing and watching the processes of a running system, as its supervisor sees them. */
import { askStatus } from "../../ops/supervisor/control.ts";
import type { ProcessRow } from "../../ops/supervisor/supervised.ts";
import { until } from "../support/system.ts";

/** The supervisor's own row: neither the page nor the stats service has to be alive for it. */
export async function rowOf(home: string, name: string): Promise<ProcessRow> {
  const { processes } = await askStatus(home);
  const row = processes.find((process) => process.name === name);
  if (row === undefined) throw new Error(`there is no process ${name}`);
  return row;
}

/** SIGKILL to the process of this name, by its pid. Returns the pid. */
export async function kill(home: string, name: string): Promise<number> {
  const { pid } = await until(`${name} to run`, async () => {
    const row = await rowOf(home, name);
    return row.pid > 0 && row.ready ? row : undefined;
  });
  process.kill(pid, "SIGKILL");
  return pid;
}

/** Waits until another process than `pid` is ready under this name; `startMs` is how long it took from its own start. */
export async function back(home: string, name: string, pid: number): Promise<{ startMs: number; atMs: number }> {
  const row = await until(`${name} to be back`, async () => {
    const now = await rowOf(home, name);
    return now.ready && now.pid !== pid ? now : undefined;
  });
  return { startMs: Date.now() - row.startedAtMs, atMs: performance.now() };
}
