/** The rows of a story: each event of a turn in words, and what the sum needs. Pure. */
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import type { DataOf } from "../../schemas/index.ts";
import { lineOf } from "../../services/ui-projection/lines.ts";
import { dollarsOf, dollarsText, nothingSpent, spend, type Prices, type Spent, type Usage } from "./cost.ts";
import { counted, span } from "./text.ts";

/** One thing that happened. `text` may have line ends. */
export interface StoryRow {
  readonly seq: number;
  /** When the broker stored it, milliseconds since the epoch. */
  readonly atMs: number;
  readonly type: LogEntry["type"];
  /** 0 for the turn, 1 for model steps, 2 for tools. */
  readonly depth: number;
  readonly text: string;
  /** Figures of it, for a line below. */
  readonly figures?: string;
}

export type Outcome = "completed" | "failed" | "cancelled" | "parked" | "open";

type End = StoredEvent<"TurnCompleted"> | StoredEvent<"TurnFailed"> | StoredEvent<"TurnCancelled">;
type Step = DataOf["TurnCompleted"]["lastStep"];
type Person = DataOf["MessageReceived"]["from"];

const OUTCOMES = { TurnCompleted: "completed", TurnFailed: "failed", TurnCancelled: "cancelled" } as const;

/** What the telling knows so far. */
export interface Telling {
  readonly prices: Prices;
  readonly messageSeqs: Map<string, number>;
  /** Messages no step has read yet, by the sequence of their Steered. */
  readonly unread: Map<number, number>;
  readonly rows: StoryRow[];
  readonly spent: Spent;
  outcome: Outcome;
  end?: End;
  runner?: string;
  /** Tool calls that were ordered and have no result. */
  openCalls: number;
  /** Parked, and nobody has claimed it since. */
  rested: boolean;
  modelMs: number;
  toolMs: number;
  toolCalls: number;
  claims: number;
  takeovers: number;
  brokenOffCalls: number;
}

export function newTelling(prices: Prices): Telling {
  return {
    prices,
    messageSeqs: new Map(),
    unread: new Map(),
    rows: [],
    spent: nothingSpent(),
    outcome: "open",
    openCalls: 0,
    rested: false,
    modelMs: 0,
    toolMs: 0,
    toolCalls: 0,
    claims: 0,
    takeovers: 0,
    brokenOffCalls: 0,
  };
}

function nameOf(person: Person): string {
  return person.name ?? person.id;
}

/** Tells one entry. They come in log order. */
export function tell(telling: Telling, entry: LogEntry): void {
  const add = (depth: number, text: string, figures?: string): void => {
    const { seq, storedAtMs: atMs, type } = entry;
    telling.rows.push({ seq, atMs, type, depth, text, ...(figures === undefined ? {} : { figures }) });
  };
  switch (entry.type) {
    case "MessageReceived":
      telling.messageSeqs.set(entry.data.message, entry.seq);
      return add(0, `${nameOf(entry.data.from)}: ${entry.data.text}`);
    case "MessageEdited":
      return add(0, `${nameOf(entry.data.from)} changes ${aMessage(telling, entry.data.message)}: ${entry.data.text}`);
    case "MessageDeleted":
      return add(0, `${nameOf(entry.data.from)} takes ${aMessage(telling, entry.data.message)} back`);
    case "TaskFired":
      return add(0, `task ${entry.data.task} fires${late(entry.data.lateMs)}: ${entry.data.text}`);
    case "TurnRequested":
      return add(0, requestText(entry.data));
    case "Steered":
      telling.unread.set(entry.seq, entry.data.message.seq);
      return add(0, `message ${entry.data.message.seq} joins the running turn`);
    case "TurnClaimed":
      return tellClaim(telling, entry, add);
    case "ModelStepCompleted": {
      const calls = entry.data.toolCalls.map((call) => call.name).join(", ");
      const says = entry.data.text === "" ? "" : `: ${entry.data.text}`;
      const what = calls === "" ? `step ${entry.data.step}${says}` : `step ${entry.data.step} calls ${calls}${says}`;
      telling.openCalls = entry.data.toolCalls.length;
      return add(1, what, tellStep(telling, entry.data));
    }
    case "ModelStepFailed": {
      const { step, attempt, code, message, partialChars = 0, durationMs, retryable } = entry.data;
      telling.brokenOffCalls++;
      telling.modelMs += durationMs;
      const came = partialChars === 0 ? "" : `, ${counted(partialChars, "character")} had come`;
      const again = retryable ? "retryable" : "not retryable";
      return add(
        1,
        `step ${step} fails: ${code}: ${message}`,
        `${span(durationMs)}, attempt ${attempt}${came}, ${again}`,
      );
    }
    case "ToolCalled": {
      const effect = entry.data.effect === "pure" ? "" : ` (${entry.data.effect})`;
      return add(2, `${entry.data.name} ${JSON.stringify(entry.data.arguments)}${effect}`);
    }
    case "ToolCompleted": {
      const { name, outcome, durationMs, result } = entry.data;
      telling.toolCalls++;
      telling.openCalls--;
      telling.toolMs += durationMs;
      return add(2, `${name} -> ${outcome}, ${span(durationMs)}: ${result}`);
    }
    case "TurnParked":
      telling.outcome = "parked";
      telling.rested = true;
      return add(
        0,
        `parked, ${entry.data.resumeAt === undefined ? "waits for an approval" : `waits until ${entry.data.resumeAt}`}`,
      );
    case "TurnResumed":
      telling.outcome = "open";
      return add(0, `resumed by ${entry.data.reason === "timer" ? "its timer" : "a signal"}`);
    case "CancelRequested": {
      const by = entry.data.by === undefined ? "" : ` by ${entry.data.by.id}`;
      return add(0, entry.data.reason === "user" ? `stop asked for${by}` : "interrupted by a new message");
    }
    case "TurnCompleted":
      add(1, `step ${entry.data.lastStep.step} answers`, tellStep(telling, entry.data.lastStep));
      return tellEnd(telling, entry, add, `completed: ${entry.data.text}`);
    case "TurnFailed":
      return tellEnd(telling, entry, add, `failed: ${entry.data.code}: ${entry.data.text}`);
    case "TurnCancelled": {
      if (telling.claims > 0) breakOff(telling);
      const had = entry.data.partialText === "" ? "" : `; so far: ${entry.data.partialText}`;
      return tellEnd(
        telling,
        entry,
        add,
        `cancelled, ${entry.data.reason === "user" ? "stopped" : "interrupted"}${had}`,
      );
    }
    case "SendRequested":
      return add(1, `says: ${entry.data.text}`);
    case "CancelTurn":
    case "RetryTurn":
      return add(0, `${entry.data.by.id} asks to ${entry.type === "CancelTurn" ? "stop" : "answer again"}`);
    case "ScheduleTask":
      return add(0, `${entry.data.by.id} asks for a task at ${entry.data.due}`);
    case "TaskScheduled":
      return add(0, `task ${entry.data.task} is set for ${entry.data.due}: ${entry.data.text}`);
    case "TimerFired":
      return add(0, "its timer fires");
    default:
      return add(0, lineOf(entry));
  }
}

type Add = (depth: number, text: string, figures?: string) => void;

function aMessage(telling: Telling, message: string): string {
  const seq = telling.messageSeqs.get(message);
  return seq === undefined ? "a message" : `message ${seq}`;
}

function late(ms: number): string {
  return ms > 1_000 ? `, ${span(ms)} late` : "";
}

function requestText(data: DataOf["TurnRequested"]): string {
  const what =
    data.messages.length === 0
      ? "for a task"
      : `for ${data.messages.length === 1 ? "message" : "messages"} ${data.messages.map(({ seq }) => seq).join(", ")}`;
  const attempt = data.attempt === 1 ? "" : `, attempt ${data.attempt}`;
  return `turn requested ${what}${attempt}${data.model === undefined ? "" : `, model ${data.model}`}`;
}

function tellClaim(telling: Telling, { data }: StoredEvent<"TurnClaimed">, add: Add): void {
  const before = telling.runner;
  const takeover = data.reason === "takeover" && !telling.rested;
  telling.claims++;
  if (takeover) telling.takeovers++;
  if (before !== undefined) breakOff(telling);
  telling.rested = false;
  telling.outcome = "open";
  telling.runner = data.runner;
  const verb = takeover ? "taken over" : data.reason === "new" ? "claimed" : "claimed again";
  const from = takeover && before !== undefined ? [`from ${before}`] : [];
  const figures = data.epoch === 1 ? undefined : [`epoch ${data.epoch}`, ...from].join(", ");
  add(0, `${verb} by ${data.runner}, model ${data.model}`, figures);
}

/** Whoever stops between two events of a turn that asks a model next may have been asking it. */
function breakOff(telling: Telling): void {
  if (!telling.rested && telling.openCalls <= 0) telling.brokenOffCalls++;
}

/** Books the step and gives its figures. */
function tellStep(telling: Telling, step: Step): string {
  const { model, usage, durationMs, firstTokenMs, attempt, signalsThrough } = step;
  spend(telling.spent, model, usage, telling.prices);
  telling.modelMs += durationMs;
  const readFirst = [...telling.unread].filter(([seq]) => seq <= signalsThrough);
  for (const [seq] of readFirst) telling.unread.delete(seq);
  return [
    span(durationMs),
    `first token ${span(firstTokenMs)}`,
    tokensText(usage),
    ...priceText(dollarsOf(model, usage, telling.prices)),
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(readFirst.length > 0 ? [`first to read ${readFirst.map(([, message]) => message).join(", ")}`] : []),
  ].join(", ");
}

function priceText(dollars: number | undefined): string[] {
  return dollars === undefined || dollars === 0 ? [] : [dollarsText(dollars)];
}

function tokensText(usage: Usage): string {
  const cached = usage.cachedInputTokens === 0 ? "" : ` (${usage.cachedInputTokens} cached)`;
  const thought = usage.reasoningTokens === 0 ? "" : ` (${usage.reasoningTokens} reasoning)`;
  return `${usage.inputTokens}${cached} in, ${usage.outputTokens}${thought} out`;
}

function tellEnd(telling: Telling, end: End, add: Add, text: string): void {
  telling.end = end;
  telling.outcome = OUTCOMES[end.type];
  // Joined too late, or the turn ended without another step: its next turn, or nobody, reads them.
  const never = [...telling.unread.values()];
  const unread = never.length === 0 ? "" : `no finished step read message ${never.join(", ")}`;
  add(0, text, unread === "" ? undefined : unread);
}
