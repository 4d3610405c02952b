/** Which signals the runner of a recorded run knew, and when: as far as the events of the run say it. */
import type { LogEntry, StoredEvent } from "../../bus/event.ts";

export interface RecordedSignals {
  /** Signals up to here are known to the runner. */
  readonly visibleSeq: number;
  /** Who hears the signals. */
  onSignal(listener: (signal: StoredEvent) => void): void;
  /**
   * Before the loop makes `next`: the signals its runner knew by then, as far as the event says it. `before` is what the run
   * appended until then.
   */
  prepare(next: StoredEvent | undefined, before: readonly StoredEvent[]): void;
  /** Tells the runner of signals up to `seq`, at most: the first that is not `which` ends it. */
  tell(seq: number, which?: (signal: StoredEvent) => boolean): void;
  /** What was streamed of an answer when the turn was stopped: not among the finished steps. */
  streamed(end: StoredEvent<"TurnCancelled">): string;
}

export const isSignal = ({ type }: LogEntry): boolean => type === "Steered" || type === "CancelRequested";

/** `entries`: all of the turn; read again at each question. Signals up to `startSeq` are known from the start. */
export function createRecordedSignals(entries: readonly LogEntry[], startSeq: number): RecordedSignals {
  const signals = entries.filter((entry): entry is StoredEvent => entry.type !== "unreadable" && isSignal(entry));
  let visibleSeq = startSeq;
  let listener: (signal: StoredEvent) => void = () => undefined;

  function tell(seq: number, which: (signal: StoredEvent) => boolean = () => true): void {
    for (const signal of signals) {
      if (signal.seq <= visibleSeq || signal.seq > seq) continue;
      if (!which(signal)) return;
      visibleSeq = signal.seq;
      listener(signal);
    }
  }

  function prepare(next: StoredEvent | undefined, before: readonly StoredEvent[]): void {
    if (next === undefined) return;
    if (next.type === "ModelStepCompleted") tell(next.data.signalsThrough);
    else if (next.type === "ModelStepFailed")
      tell(next.data.signalsThrough ?? next.seq, ({ type }) => type === "Steered");
    else if (next.type === "TurnCompleted") tell(next.data.lastStep.signalsThrough);
    else if (next.type === "TurnFailed") tell(next.seq);
    else if (next.type === "TurnCancelled" && !streamsFirst(next, before)) tell(next.seq);
  }

  /** The turn was stopped in a model call that the log does not hold; what a failed call had said may be its only words. */
  function streamsFirst(end: StoredEvent<"TurnCancelled">, before: readonly StoredEvent[]): boolean {
    const words = streamed(end);
    // A run may have parked before it heard of the stop.
    const last = before.findLast(({ type }) => type !== "TurnParked");
    const failedWith = last?.type === "ModelStepFailed" ? (last.data.partialChars ?? 0) : 0;
    return words.length !== failedWith;
  }

  function streamed(end: StoredEvent<"TurnCancelled">): string {
    const said: string[] = [];
    for (const entry of entries) {
      if (entry.type === "ModelStepCompleted" && entry.seq < end.seq && entry.data.text !== "")
        said.push(entry.data.text);
    }
    const before = said.length === 0 ? "" : `${said.join("\n\n")}\n\n`;
    return end.data.partialText.startsWith(before) ? end.data.partialText.slice(before.length) : "";
  }

  return {
    get visibleSeq() {
      return visibleSeq;
    },
    onSignal: (heard) => (listener = heard),
    prepare,
    tell,
    streamed,
  };
}
