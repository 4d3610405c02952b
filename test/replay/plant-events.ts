/** What a planted change is, and how the recorded event at which it must be found is looked for, without a replay. */
import type { Difference } from "../../bus/compare.ts";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";

export interface Plant {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** The event that must be named, found in the log without a replay; undefined when this log has none. */
  at(entries: readonly StoredEvent[]): StoredEvent | undefined;
  readonly kind?: Difference["kind"];
  /** What must be named as different. */
  readonly path?: RegExp;
}

type End = StoredEvent<"TurnCompleted"> | StoredEvent<"TurnFailed"> | StoredEvent<"TurnCancelled">;
type Asked = StoredEvent<"ModelStepCompleted"> | StoredEvent<"ModelStepFailed"> | StoredEvent<"TurnCompleted">;

export const isEnd = (entry: LogEntry): entry is End =>
  entry.type === "TurnCompleted" || entry.type === "TurnFailed" || entry.type === "TurnCancelled";
const isAsked = (entry: LogEntry): entry is Asked =>
  entry.type === "ModelStepCompleted" || entry.type === "ModelStepFailed" || entry.type === "TurnCompleted";

export function first<T extends LogEntry["type"]>(
  type: T,
  test: (event: StoredEvent<Exclude<T, "unreadable">>, before: readonly StoredEvent[]) => boolean = () => true,
): Plant["at"] {
  return (entries) =>
    entries.find((entry, index) => entry.type === type && test(entry as never, entries.slice(0, index)));
}

export function firstAsked(test: (event: Asked, before: readonly StoredEvent[]) => boolean = () => true): Plant["at"] {
  return (entries) => entries.find((entry, index) => isAsked(entry) && test(entry, entries.slice(0, index)));
}

export function firstEnd(test: (event: End, before: readonly StoredEvent[]) => boolean = () => true): Plant["at"] {
  return (entries) => entries.find((entry, index) => isEnd(entry) && test(entry, entries.slice(0, index)));
}

const turnOf = (entry: StoredEvent): string | undefined => (entry.data as { turn?: string }).turn;
/** Earlier events of the same turn. */
export const own = (event: StoredEvent, before: readonly StoredEvent[]): readonly StoredEvent[] =>
  before.filter((entry) => turnOf(entry) === turnOf(event));
export const chatOf = (entry: StoredEvent): string => (entry.data as { chat?: string }).chat ?? "";
export const through = (event: Asked): number =>
  event.type === "TurnCompleted" ? event.data.lastStep.signalsThrough : (event.data.signalsThrough ?? 0);
export const requestOf = (
  event: StoredEvent,
  before: readonly StoredEvent[],
): StoredEvent<"TurnRequested"> | undefined =>
  before.find(
    (entry): entry is StoredEvent<"TurnRequested"> =>
      entry.type === "TurnRequested" && entry.data.turn === turnOf(event),
  );

export const quietOf = (entry: StoredEvent): number =>
  entry.source === "router" ? ((entry.data as { seen?: { quiet?: number } }).seen?.quiet ?? 0) : 0;

/** Whether at `seq` a turn ran in the chat of `decision`, and the first message that waited was to wait for its end. */
export function letsWait(entries: readonly StoredEvent[], decision: StoredEvent, seq: number): boolean {
  const past = entries.filter((entry) => entry.seq <= seq && chatOf(entry) === chatOf(decision));
  const taken = new Set(
    past.flatMap((entry) => {
      if (entry.type === "TurnRequested") return entry.data.messages.map((ref) => ref.seq);
      return entry.type === "Steered" ? [entry.data.message.seq] : [];
    }),
  );
  const gone = new Set(past.flatMap((entry) => (entry.type === "MessageDeleted" ? [entry.data.message] : [])));
  const waiting = past.find(
    (entry) => entry.type === "MessageReceived" && !taken.has(entry.seq) && !gone.has(entry.data.message),
  );
  const turn = past.findLast((entry) => entry.type === "TurnRequested");
  if (waiting?.type !== "MessageReceived" || turn === undefined) return false;
  const stopping = past.some(
    (entry) => turnOf(entry) === turnOf(turn) && (isEnd(entry) || entry.type === "CancelRequested"),
  );
  return !stopping && waiting.data.mode === "queue" && waiting.data.model === undefined;
}

/** A tool that was really run: not one that is unknown, nor one that was only settled. */
export const wasRun = ({ data }: StoredEvent<"ToolCompleted">): boolean =>
  !data.result.startsWith("There is no tool") && !data.result.startsWith("The tool was interrupted");
/** A failure after which the model is asked again in its own time, not the provider's. */
export const inOwnTime = ({ data }: StoredEvent<"ModelStepFailed">): boolean =>
  data.retryInMs !== undefined && data.retryAfterMs === undefined;
