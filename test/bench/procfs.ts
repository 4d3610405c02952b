/** What the kernel says of processes: memory as it is shared out (PSS) and time on the CPU. */
import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second of /proc/<pid>/stat; fixed by the kernel's interface to programs. */
const TICKS_PER_SECOND = 100;

/** Memory of a process in MB (10^6 bytes). */
export interface Memory {
  /** Proportional set size: pages shared by several processes count in parts. */
  readonly pss: number;
  /** Pages of this process only. */
  readonly own: number;
  /** Pages that it shares, in full. */
  readonly shared: number;
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const megabytes = (field: string): number =>
    (Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024) / 1e6;
  return {
    pss: megabytes("Pss"),
    own: megabytes("Private_Clean") + megabytes("Private_Dirty"),
    shared: megabytes("Shared_Clean") + megabytes("Shared_Dirty"),
  };
}

/** User and system time of a process with all its threads, in milliseconds. */
export function cpuMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in brackets may hold spaces; state is the first field behind it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** The same to the nanosecond, of the threads that live now: for idle processes, where a tick is too coarse. */
export function fineCpuMs(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce(
    (sum, task) => sum + Number(readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ")[0]) / 1e6,
    0,
  );
}

export function cpuMsOf(pids: Iterable<number>): number {
  let sum = 0;
  for (const pid of pids) sum += cpuMs(pid);
  return sum;
}

/** Busy time of all CPUs since boot, in milliseconds: what neighbours use is seen in its difference to ours. */
export function machineBusyMs(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = (
    readFileSync("/proc/stat", "utf8").split("\n")[0] ?? ""
  )
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return ((user + nice + system + irq + softIrq + steal) * 1000) / TICKS_PER_SECOND;
}
