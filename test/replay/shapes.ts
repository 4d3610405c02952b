/** The turns of a log by their shape. */
import type { LogEntry } from "../../bus/event.ts";

export type TurnShape =
  "plain" | "tools" | "steered" | "cancelled" | "failed" | "parked" | "takeover" | "retried" | "task" | "asked again";

/** How many turns of each shape a log holds; one turn may have several. */
export function shapesOf(entries: readonly LogEntry[]): Record<TurnShape, number> & { turns: number } {
  const byTurn = new Map<string, Set<TurnShape>>();
  for (const entry of entries) {
    if (entry.type === "unreadable") continue;
    const { turn } = entry.data as { turn?: string };
    if (turn === undefined) continue;
    if (entry.type === "TurnRequested") byTurn.set(turn, new Set());
    const shapes = byTurn.get(turn);
    const shape = shapeIn(entry);
    if (shape !== undefined) shapes?.add(shape);
  }
  const counts = {
    plain: 0,
    tools: 0,
    steered: 0,
    cancelled: 0,
    failed: 0,
    parked: 0,
    takeover: 0,
    retried: 0,
    task: 0,
  };
  const all = { ...counts, "asked again": 0, turns: byTurn.size };
  for (const shapes of byTurn.values()) {
    if (shapes.size === 0) all.plain++;
    for (const shape of shapes) all[shape]++;
  }
  return all;
}

function shapeIn(entry: LogEntry): TurnShape | undefined {
  switch (entry.type) {
    case "TurnRequested":
      if (entry.data.retryOf !== undefined) return "retried";
      return entry.data.prompt === undefined ? undefined : "task";
    case "TurnClaimed":
      return entry.data.reason === "takeover" ? "takeover" : undefined;
    case "ToolCompleted":
      return "tools";
    case "Steered":
      return "steered";
    case "ModelStepFailed":
      return "asked again";
    case "TurnParked":
      return "parked";
    case "TurnCancelled":
      return "cancelled";
    case "TurnFailed":
      return "failed";
    default:
      return undefined;
  }
}
