/** Changes planted into the code that decides, each with the recorded event at which a replay must find it. */
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

const isEnd = (entry: LogEntry): entry is End =>
  entry.type === "TurnCompleted" || entry.type === "TurnFailed" || entry.type === "TurnCancelled";
const isAsked = (entry: LogEntry): entry is Asked =>
  entry.type === "ModelStepCompleted" || entry.type === "ModelStepFailed" || entry.type === "TurnCompleted";

function first<T extends LogEntry["type"]>(
  type: T,
  test: (event: StoredEvent<Exclude<T, "unreadable">>, before: readonly StoredEvent[]) => boolean = () => true,
): Plant["at"] {
  return (entries) =>
    entries.find((entry, index) => entry.type === type && test(entry as never, entries.slice(0, index)));
}

function firstAsked(test: (event: Asked, before: readonly StoredEvent[]) => boolean = () => true): Plant["at"] {
  return (entries) => entries.find((entry, index) => isAsked(entry) && test(entry, entries.slice(0, index)));
}

function firstEnd(test: (event: End, before: readonly StoredEvent[]) => boolean = () => true): Plant["at"] {
  return (entries) => entries.find((entry, index) => isEnd(entry) && test(entry, entries.slice(0, index)));
}

const turnOf = (entry: StoredEvent): string | undefined => (entry.data as { turn?: string }).turn;
/** Earlier events of the same turn. */
const own = (event: StoredEvent, before: readonly StoredEvent[]): readonly StoredEvent[] =>
  before.filter((entry) => turnOf(entry) === turnOf(event));
const chatOf = (entry: StoredEvent): string => (entry.data as { chat?: string }).chat ?? "";
const through = (event: Asked): number =>
  event.type === "TurnCompleted" ? event.data.lastStep.signalsThrough : (event.data.signalsThrough ?? 0);
const requestOf = (event: StoredEvent, before: readonly StoredEvent[]): StoredEvent<"TurnRequested"> | undefined =>
  before.find(
    (entry): entry is StoredEvent<"TurnRequested"> =>
      entry.type === "TurnRequested" && entry.data.turn === turnOf(event),
  );

const quietOf = (entry: StoredEvent): number =>
  entry.source === "router" ? ((entry.data as { seen?: { quiet?: number } }).seen?.quiet ?? 0) : 0;

/** Whether at `seq` a turn ran in the chat of `decision`, and the first message that waited was to wait for its end. */
function letsWait(entries: readonly StoredEvent[], decision: StoredEvent, seq: number): boolean {
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

const ROUTER = "services/router/decide.ts";
const STATE = "services/router/state.ts";
const TURN = "services/agent-runner/turn.ts";
const REQUEST = "services/agent-runner/request.ts";
const NEXT = "services/agent-runner/decide.ts";
const TOOL = "services/agent-runner/run-tool.ts";
const HASH = /requestHash$/;

export const plants: readonly Plant[] = [
  // --- queue modes and the router's decider
  {
    name: "a message that should steer waits instead",
    file: ROUTER,
    find: 'modeOf(first) === "steer"',
    replace: 'modeOf(first) === "collect"',
    at: first("Steered"),
    kind: "missing",
  },
  {
    name: "a message that should interrupt does not",
    file: ROUTER,
    find: 'modeOf(waiting) === "interrupt")',
    replace: 'modeOf(waiting) === "collect")',
    at: first("CancelRequested", ({ data }) => data.reason === "interrupted"),
  },
  {
    name: "a message that should wait steers instead",
    file: ROUTER,
    find: 'modeOf(first) === "steer"',
    replace: 'modeOf(first) !== "interrupt"',
    at: (entries) => {
      // A router says where it looked at its chat and let the waiting messages wait.
      const quiet = entries.map(quietOf).find((seq, index) => seq > 0 && letsWait(entries, entries[index]!, seq));
      return entries.find(({ seq }) => seq === quiet);
    },
    kind: "extra",
  },
  {
    name: "an interruption is told as the user's stop",
    file: ROUTER,
    find: 'reason: "interrupted" as const',
    replace: 'reason: "user" as const',
    at: first("CancelRequested", ({ data }) => data.reason === "interrupted"),
    path: /^data\.reason$/,
  },
  {
    name: "a turn answers only the first of the messages that wait",
    file: ROUTER,
    find: "row.map((waiting) => waiting.ref) : []",
    replace: "row.slice(0, 1).map((waiting) => waiting.ref) : []",
    at: first("TurnRequested", ({ data }) => data.messages.length > 1 && data.retryOf === undefined),
    path: /^data\.messages/,
  },
  {
    name: "a turn that is asked again keeps its attempt",
    file: ROUTER,
    find: "attempt: last.attempt + 1",
    replace: "attempt: last.attempt",
    at: first("TurnRequested", ({ data }) => data.retryOf !== undefined),
    path: /^id$/,
  },
  {
    name: "a chat's chosen model is forgotten",
    file: ROUTER,
    find: "const model = record.model ?? state.model;",
    replace: "const model = record.model;",
    at: first(
      "TurnRequested",
      ({ data }, before) =>
        data.model !== undefined &&
        before.findLast((entry) => entry.type === "ChatModelSelected" && entry.data.chat === data.chat)?.data !==
          undefined &&
        !data.messages
          .slice(0, 1)
          .some(({ seq }) =>
            before.some(
              (entry) => entry.type === "MessageReceived" && entry.seq === seq && entry.data.model !== undefined,
            ),
          ),
    ),
    path: /^data\.model$/,
  },
  {
    name: "a refusal has another code",
    file: ROUTER,
    find: '"TURN_NOT_RUNNING", "There',
    replace: '"TURN_UNKNOWN", "There',
    at: first("CommandRefused", ({ data }) => data.code === "TURN_NOT_RUNNING"),
    path: /^data\.code$/,
  },
  {
    name: "the conversation goes back two turns only",
    file: STATE,
    find: "export const HISTORY_TURNS = 20;",
    replace: "export const HISTORY_TURNS = 2;",
    at: first("TurnRequested", (event, before) => {
      const ends = before.filter((entry) => isEnd(entry) && chatOf(entry) === chatOf(event));
      return ends.length > 2 && event.data.channel !== "sys";
    }),
    path: /^data\.historyFrom$/,
  },
  // --- ids
  {
    name: "parts of an id are joined without their lengths",
    file: "bus/ids.ts",
    find: "`${String(part).length}:${part}`",
    replace: "`${part}`",
    at: first("TurnRequested"),
    path: /^id$/,
  },
  {
    name: "the runner derives its ids in another order",
    file: TURN,
    find: "deriveId(request.id, type, callKey)",
    replace: "deriveId(request.id, callKey, type)",
    at: first("TurnClaimed"),
    path: /^id$/,
  },
  {
    name: "a reply has another id",
    file: TURN,
    find: 'deriveId(request.data.turn, "end")',
    replace: 'deriveId(request.data.turn, "reply")',
    at: firstEnd(),
    path: /^data\.reply$/,
  },
  {
    name: "tool calls are numbered otherwise",
    file: TURN,
    find: "`s${next.step}c${index}`",
    replace: "`step${next.step}call${index}`",
    at: first("ModelStepCompleted", ({ data }) => data.toolCalls.length > 0),
    path: /callId$/,
  },
  {
    name: "a fire's id no longer tells its task",
    file: "services/scheduler/appends.ts",
    find: "deriveId(task, decision.data.due)",
    replace: "deriveId(decision.data.due)",
    at: first("TaskFired"),
    path: /^id$/,
  },
  // --- prompt and request
  {
    name: "the prompt says the time in other words",
    file: REQUEST,
    find: "The time is ${claim.data.clock}.",
    replace: "It is ${claim.data.clock}.",
    at: firstAsked(),
    path: HASH,
  },
  {
    name: "a tool's failure is shown to the model as a result",
    file: REQUEST,
    find: 'isError: result !== undefined && result.outcome !== "ok"',
    replace: "isError: false",
    at: firstAsked((event, before) =>
      own(event, before).some((entry) => entry.type === "ToolCompleted" && entry.data.outcome !== "ok"),
    ),
    path: HASH,
  },
  {
    name: "a steered message is not shown to the model",
    file: REQUEST,
    find: 'text !== undefined) messages.push({ role: "user", text });',
    replace: "text !== undefined) continue;",
    at: firstAsked((event, before) =>
      own(event, before).some((entry) => entry.type === "Steered" && entry.seq <= through(event)),
    ),
    path: HASH,
  },
  {
    name: "a stopped answer is marked otherwise",
    file: REQUEST,
    find: "[stopped by the user]",
    replace: "[stopped]",
    at: firstAsked((event, before) => {
      const request = requestOf(event, before);
      if (request === undefined || request.data.channel === "sys") return false;
      const answered = new Set(request.data.messages.map(({ message }) => message));
      return before.some(
        (entry) =>
          entry.type === "TurnCancelled" &&
          entry.data.partialText !== "" &&
          entry.seq < request.seq &&
          entry.seq >= request.data.historyFrom &&
          chatOf(entry) === chatOf(event) &&
          entry.data.answers.length > 0 &&
          !answered.has(entry.data.answers[0] ?? ""),
      );
    }),
    path: HASH,
  },
  {
    name: "earlier turns are left out of the conversation",
    file: REQUEST,
    find: "if (chars > MAX_HISTORY_CHARS) break;",
    replace: "if (chars > 0) break;",
    at: firstAsked((event, before) => {
      const request = requestOf(event, before);
      if (request === undefined || request.data.channel === "sys") return false;
      const answered = new Set(request.data.messages.map(({ message }) => message));
      return before.some(
        (entry) =>
          isEnd(entry) &&
          entry.data.answers.length > 0 &&
          entry.seq < request.seq &&
          entry.seq >= request.data.historyFrom &&
          chatOf(entry) === chatOf(event) &&
          !answered.has(entry.data.answers[0] ?? ""),
      );
    }),
    path: HASH,
  },
  // --- tools
  {
    name: "an unknown tool is refused in other words",
    file: TOOL,
    find: 'There is no tool "${call.name}".',
    replace: 'No tool "${call.name}".',
    at: first("ToolCompleted", ({ data }) => data.result.startsWith("There is no tool")),
    path: /^data\.result$/,
  },
  {
    name: "long results are cut much shorter",
    file: TOOL,
    find: "const MAX_RESULT_CHARS = 32_768;",
    replace: "const MAX_RESULT_CHARS = 4;",
    at: first("ToolCompleted", ({ data }) => data.outcome === "ok"),
    path: /^data\.result$/,
  },
  {
    name: "a tool that was stopped counts as failed",
    file: TOOL,
    find: 'context.signal.aborted ? "interrupted" : "error"',
    replace: '"error"',
    at: first(
      "ToolCompleted",
      (event, before) =>
        event.data.outcome === "interrupted" &&
        !event.data.result.startsWith("The tool was interrupted") &&
        own(event, before).some(({ type }) => type === "CancelRequested"),
    ),
    path: /^data\.outcome$/,
  },
  {
    name: "a tool that may have had its effect is run again",
    file: NEXT,
    find: 'state.effect === "at-most-once" ? "settle-tool"',
    replace: 'state.effect === "never" ? "settle-tool"',
    at: first("ToolCompleted", ({ data }) => data.result.startsWith("The tool was interrupted")),
    path: /^data\./,
  },
  {
    name: "a tool has another effect",
    file: TURN,
    find: 'const effect = tool?.effect ?? "pure";',
    replace: 'const effect = "pure" as const;',
    at: first("ToolCalled", ({ data }) => data.effect !== "pure"),
    path: /^data\.effect$/,
  },
  // --- waits, failures, ends
  {
    name: "the provider's own wait is not heard",
    file: NEXT,
    find: "retryAfterMs ?? FIRST_RETRY_MS",
    replace: "FIRST_RETRY_MS",
    at: first("TurnParked"),
  },
  {
    name: "a parked turn waits a millisecond longer",
    file: TURN,
    find: "Date.parse(failure.time) + delayMs",
    replace: "Date.parse(failure.time) + delayMs + 1",
    at: first("TurnParked"),
    path: /^data\.resumeAt$/,
  },
  {
    name: "a failure that cannot be mended is tried again",
    file: NEXT,
    find: "(!failure.data.retryable || ",
    replace: "(",
    at: first("TurnFailed", (event, before) => {
      const failure = own(event, before).findLast(({ subject }) => subject.includes(".run."));
      return failure?.type === "ModelStepFailed" && !failure.data.retryable;
    }),
  },
  {
    name: "an end does not name the steered messages",
    file: TURN,
    find: "[...request.data.messages, ...journal.steered.map((one) => one.message)]",
    replace: "[...request.data.messages]",
    at: firstEnd((event, before) => own(event, before).some(({ type }) => type === "Steered")),
    path: /^data\.answers/,
  },
  {
    name: "a stopped turn loses the text of its finished steps",
    file: TURN,
    find: 'const said = journal.steps.map((one) => one.text).filter((text) => text !== "");',
    replace: "const said: string[] = [];",
    at: first("TurnCancelled", (event, before) =>
      own(event, before).some((entry) => entry.type === "ModelStepCompleted" && entry.data.text !== ""),
    ),
    path: /^data\.partialText$/,
  },
  // --- codec, fences, scheduler
  {
    name: "the codec loses the cause of an event",
    file: "bus/codec.ts",
    find: 'causationId: causationId === "" ? undefined : causationId,',
    replace: "causationId: undefined,",
    at: first("TurnRequested"),
    path: /^causationId$/,
  },
  {
    name: "canonical JSON no longer sorts its keys",
    file: "bus/ids.ts",
    find: ".toSorted(([a], [b]) => (a < b ? -1 : 1))",
    replace: "",
    at: firstAsked(),
    path: HASH,
  },
  {
    name: "a claim is fenced by the run alone",
    file: "bus/subjects.ts",
    find: "claim: (key: TurnKey): Lane => ({ subject: `${turnRoot(key)}.run.step`, fence: `${turnRoot(key)}.>` })",
    replace:
      "claim: (key: TurnKey): Lane => ({ subject: `${turnRoot(key)}.run.step`, fence: `${turnRoot(key)}.run.>` })",
    at: first("TurnClaimed"),
    path: /^fence$/,
  },
  {
    name: "a task fires before it is due",
    file: "services/scheduler/decide.ts",
    find: "task.dueMs <= nowMs",
    replace: "task.dueMs - 60_000 <= nowMs",
    at: first("TaskFired", (event, before) => {
      const { seen, task } = event.data;
      const scheduled = before.find((entry) => entry.type === "TaskScheduled" && entry.data.task === task);
      return seen?.quietAt !== undefined && (scheduled?.seq ?? Infinity) <= (seen.quiet ?? 0);
    }),
    kind: "extra",
  },
];

/** Computations taken out whole: a replay that compared the log with itself would not notice. */
export const stubs: readonly Plant[] = [
  {
    name: "the router's decider",
    file: ROUTER,
    find: "return decideCommand(state, mint) ?? decideResume(state) ?? decideWaiting(state, settings, mint);",
    replace: "return undefined;",
    at: first("TurnRequested"),
    kind: "missing",
  },
  {
    name: "the router's fold",
    file: STATE,
    find: "export function applyEvent(state: ChatState, event: StoredEvent): void {",
    replace: "export function applyEvent(state: ChatState, event: StoredEvent): void { return;",
    at: first("TurnRequested"),
    kind: "missing",
  },
  {
    name: "the agent loop's decider",
    file: NEXT,
    find: "export function nextStep(journal: Journal, limits: TurnLimits): NextStep {",
    replace: 'export function nextStep(): NextStep { return { type: "ended" };',
    at: (entries) => entries[entries.findIndex(({ type }) => type === "TurnClaimed") + 1],
    kind: "missing",
  },
  {
    name: "the request to the model",
    file: REQUEST,
    find: "messages: [...withinBudget(earlierTurns(parts, messages)), ...asked, ...ownSteps(parts)],",
    replace: "messages: [],",
    at: firstAsked(),
    path: HASH,
  },
  {
    name: "the scheduler's decider",
    file: "services/scheduler/decide.ts",
    find: "return [...tasks, ...timers];",
    replace: "return [];",
    at: (entries) => entries.find(({ type }) => type === "TaskFired" || type === "TimerFired"),
    kind: "missing",
  },
];
