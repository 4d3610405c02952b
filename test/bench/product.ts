/** The product under measurement: its processes by name, its stream's position. */
import { readRunFile } from "../../ops/supervisor/run-files.ts";
import { startSystem, type System, type SystemOptions } from "../support/system.ts";

export interface Product {
  readonly system: System;
  /** Pid by name; `supervisor` is among them. */
  readonly pids: ReadonlyMap<string, number>;
  /** Last sequence of the log, as the broker's monitoring port says. */
  lastSeq(): Promise<number>;
  stop(): Promise<void>;
}

interface StreamFigures {
  account_details?: { stream_detail?: { name: string; state: { last_seq: number } }[] }[];
}

/** Last sequence of the stream LOG at a monitoring port. */
export async function lastSeqAt(monitorPort: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${monitorPort}/jsz?accounts=true&streams=true`);
  const figures = (await response.json()) as StreamFigures;
  const streams = (figures.account_details ?? []).flatMap((account) => account.stream_detail ?? []);
  return streams.find(({ name }) => name === "LOG")?.state.last_seq ?? 0;
}

/** Starts it with the fast demo model; resolves when it is ready. */
export async function startProduct(options: SystemOptions = {}): Promise<Product> {
  const system = await startSystem({ model: "demo:fast", ...options });
  const health = await system.health();
  const monitorPort = readRunFile(system.home)?.monitorPort ?? 0;
  const pids = new Map((health?.processes ?? []).map(({ name, pid }) => [name, pid]));
  // setpriv replaces itself by the program, so this is the supervisor's own pid.
  pids.set("supervisor", system.supervisor.pid ?? 0);
  return { system, pids, lastSeq: () => lastSeqAt(monitorPort), stop: () => system.stop() };
}
