/** The state of the socket, and the words for it. Pure. */
import type { HealthView } from "../../schemas/views.ts";

export type Connection =
  | { state: "connecting" }
  | { state: "live" }
  /** `retryAtMs`: when the next attempt starts, in the page's own clock. */
  | { state: "lost"; retryAtMs: number };

/** What the status line says of the connection. */
export function connectionWords(connection: Connection, nowMs: number): string {
  switch (connection.state) {
    case "connecting":
      return "Connecting";
    case "live":
      return "Live";
    case "lost": {
      const seconds = Math.ceil((connection.retryAtMs - nowMs) / 1000);
      return seconds > 0 ? `Lost, trying again in ${seconds} s` : "Lost, trying again";
    }
  }
}

/** What the status line says of the processes, and whether it needs attention. */
export function healthWords(health: HealthView | undefined): { text: string; attention: boolean } {
  if (health === undefined) return { text: "", attention: false };
  if (health.intakePaused !== undefined && health.intakePaused !== "")
    return { text: `Intake paused: ${health.intakePaused}`, attention: true };
  const missing = health.processes.filter((process) => !process.ready);
  const first = missing[0];
  if (first !== undefined) {
    const reason = first.reason === undefined ? "" : `: ${first.reason}`;
    const rest = missing.length > 1 ? ` and ${missing.length - 1} more` : "";
    return { text: `${first.name}${rest} not ready${reason}`, attention: true };
  }
  if (!health.ready) return { text: health.reason ?? "Not ready", attention: true };
  const lag = Math.max(0, ...health.processes.map((process) => process.lag ?? 0));
  const count = health.processes.length;
  return {
    text: `${count} ${count === 1 ? "process" : "processes"} ready${lag > 0 ? `, ${lag} behind` : ""}`,
    attention: false,
  };
}
