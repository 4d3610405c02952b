/** Counts since the start of the process. Pure. */
import type { StoredEvent } from "../../bus/event.ts";

export interface Counts {
  messages: number;
  completed: number;
  failed: number;
  cancelled: number;
  inputTokens: number;
  outputTokens: number;
}

export function newCounts(): Counts {
  return { messages: 0, completed: 0, failed: 0, cancelled: 0, inputTokens: 0, outputTokens: 0 };
}

export function countEvent(counts: Counts, event: StoredEvent): void {
  if (event.type === "MessageReceived") counts.messages++;
  if (event.type === "TurnFailed") counts.failed++;
  if (event.type === "TurnCancelled") counts.cancelled++;
  if (event.type === "TurnCompleted") {
    counts.completed++;
    counts.inputTokens += event.data.lastStep.usage.inputTokens;
    counts.outputTokens += event.data.lastStep.usage.outputTokens;
  }
}
