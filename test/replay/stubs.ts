/** Computations taken out whole, each with the recorded event at which a replay must find it. */
import { first, firstAsked, type Plant } from "./plant-events.ts";

/** Computations taken out whole: a replay that compared the log with itself would not notice. */
export const stubs: readonly Plant[] = [
  {
    name: "the router's decider",
    file: "services/router/decide.ts",
    find: "return decideCommand(state, mint) ?? decideResume(state) ?? decideWaiting(state, settings, mint);",
    replace: "return undefined;",
    at: first("TurnRequested"),
    kind: "missing",
  },
  {
    name: "the router's fold",
    file: "services/router/state.ts",
    find: "export function applyEvent(state: ChatState, event: StoredEvent): void {",
    replace: "export function applyEvent(state: ChatState, event: StoredEvent): void { return;",
    at: first("TurnRequested"),
    kind: "missing",
  },
  {
    name: "the agent loop's decider",
    file: "services/agent-runner/decide.ts",
    find: "export function nextStep(journal: Journal, limits: TurnLimits): NextStep {",
    replace: 'export function nextStep(): NextStep { return { type: "ended" };',
    at: (entries) => entries[entries.findIndex(({ type }) => type === "TurnClaimed") + 1],
    kind: "missing",
  },
  {
    name: "the request to the model",
    file: "services/agent-runner/request.ts",
    find: "messages: [...withinBudget(earlierTurns(parts, messages)), ...asked, ...ownSteps(parts)],",
    replace: "messages: [],",
    at: firstAsked(),
    path: /requestHash$/,
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
