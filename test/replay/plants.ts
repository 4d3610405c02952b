/** Changes planted into the code that decides, each with the recorded event at which a replay must find it. */
import {
  isEnd,
  first,
  firstAsked,
  firstEnd,
  own,
  chatOf,
  through,
  requestOf,
  quietOf,
  letsWait,
  wasRun,
  inOwnTime,
  type Plant,
} from "./plant-events.ts";

const ROUTER = "services/router/decide.ts";
const STATE = "services/router/state.ts";
const TURN = "services/agent-runner/turn.ts";
const MODEL_STEP = "services/agent-runner/model-step.ts";
const TOOL_STEP = "services/agent-runner/tool-step.ts";
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
    file: MODEL_STEP,
    find: "`s${asked.step}c${index}`",
    replace: "`step${asked.step}call${index}`",
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
  {
    name: "a chat's model is passed over when its turn is claimed",
    file: TURN,
    find: "model: request.data.model ?? settings.configuredModel",
    replace: "model: settings.configuredModel",
    at: first("TurnClaimed", (event, before) => requestOf(event, before)?.data.model !== undefined),
    path: /^data\.model$/,
  },
  {
    name: "the model is sent something else than its hash says",
    file: MODEL_STEP,
    find: "await context.model.run(built,",
    replace: "await context.model.run({ ...built, maxOutputTokens: 1 },",
    at: firstAsked(),
    path: HASH,
  },
  // --- tools
  {
    name: "a tool gets no arguments",
    file: TOOL,
    find: "tool.run(call.arguments, given)",
    replace: "tool.run({}, given)",
    at: first("ToolCompleted", wasRun),
    path: /^tool\.arguments$/,
  },
  {
    name: "a tool works for another group",
    file: TOOL_STEP,
    find: "group: request.data.group,",
    replace: 'group: "other",',
    at: first("ToolCompleted", wasRun),
    path: /^tool\.group$/,
  },
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
    file: TOOL_STEP,
    find: 'const effect = tool?.effect ?? "pure";',
    replace: 'const effect = "pure" as const;',
    at: first("ToolCalled", ({ data }) => data.effect !== "pure"),
    path: /^data\.effect$/,
  },
  // --- waits, failures, ends
  {
    name: "a model that failed is asked again sooner",
    file: NEXT,
    find: "const FIRST_RETRY_MS = 500;",
    replace: "const FIRST_RETRY_MS = 400;",
    at: first("ModelStepFailed", inOwnTime),
    path: /^data\.retryInMs$/,
  },
  {
    name: "waits between attempts no longer double",
    file: NEXT,
    find: "FIRST_RETRY_MS * 2 ** (failures - 1)",
    replace: "FIRST_RETRY_MS",
    at: first("ModelStepFailed", (event) => inOwnTime(event) && event.data.attempt > 1),
    path: /^data\.retryInMs$/,
  },
  {
    name: "a step is asked once more than it may",
    file: NEXT,
    find: "journal.failures.length >= limits.maxAttempts",
    replace: "journal.failures.length > limits.maxAttempts",
    at: first(
      "TurnFailed",
      (event, before) =>
        event.data.code !== "HANDLER_FAILED" &&
        own(event, before).findLast((entry) => entry.type === "ModelStepFailed")?.data.retryable === true,
    ),
  },
  {
    name: "a turn takes one step more than it may",
    file: NEXT,
    find: "journal.steps.length >= limits.maxSteps",
    replace: "journal.steps.length > limits.maxSteps",
    at: first("TurnFailed", ({ data }) => data.code === "TURN_TOO_MANY_STEPS"),
  },
  {
    name: "the provider's own wait is not heard",
    file: NEXT,
    find: "retryAfterMs ?? FIRST_RETRY_MS",
    replace: "FIRST_RETRY_MS",
    at: (entries) =>
      entries.find(
        (entry) =>
          entry.type === "TurnParked" ||
          (entry.type === "ModelStepFailed" &&
            entry.data.retryInMs !== undefined &&
            entry.data.retryAfterMs !== undefined),
      ),
  },
  {
    name: "a parked turn waits a millisecond longer",
    file: MODEL_STEP,
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
    name: "an event is written without its cause",
    file: "bus/codec.ts",
    find: 'if (event.causationId !== undefined) headers["ce-causationid"] = escapeHeader(event.causationId);',
    replace: "",
    at: first("TurnRequested"),
    path: /^causationId$/,
  },
  {
    name: "a signal is fenced by its own lane alone",
    file: "bus/subjects.ts",
    find: "signal: (key: TurnKey): Lane => ({ subject: `${turnRoot(key)}.signal`, fence: `${turnRoot(key)}.>` })",
    replace: "signal: (key: TurnKey): Lane => own(`${turnRoot(key)}.signal`)",
    at: (entries) => entries.find(({ type }) => type === "Steered" || type === "CancelRequested"),
    path: /^fence$/,
  },
  {
    name: "a turn is asked for as if its chat had none before",
    file: ROUTER,
    find: "expected: state.turnsSeq,",
    replace: "expected: 0,",
    at: first("TurnRequested", (event, before) =>
      before.some((entry) => entry.type === "TurnRequested" && chatOf(entry) === chatOf(event)),
    ),
    path: /^fence$/,
  },
  {
    name: "a task is taken back as if nothing stood there",
    file: "services/scheduler/decide.ts",
    find: "expected: known.lastSeq",
    replace: "expected: 0",
    at: first("TaskCancelled"),
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
