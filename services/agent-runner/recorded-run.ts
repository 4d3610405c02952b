/**
 * The world of one recorded run, as its runner saw it: each thing the loop asks for is answered from the log, each event it
 * would append is compared with the one that stands there. Positions are those of the calls, not of arrival.
 */
import { compareEvents, placeOf, type Amend, type Difference, type Fault } from "../../bus/compare.ts";
import { describeError, TaffrailError } from "../../bus/errors.ts";
import type { LogEntry, NewEvent, StoredEvent } from "../../bus/event.ts";
import { canonicalJson, hashJson } from "../../bus/ids.ts";
import type { Live } from "../../bus/live.ts";
import type { Log } from "../../bus/log.ts";
import type { Clock, Random } from "../../bus/ports.ts";
import { matchesFilter, type Lane } from "../../bus/subjects.ts";
import {
  cancelled,
  ModelError,
  type Model,
  type ModelErrorCode,
  type ModelRequest,
  type ModelResult,
} from "./model/port.ts";
import { createRecordedSignals, isSignal } from "./recorded-signals.ts";
import type { Tool, ToolContext } from "./tools/tool.ts";

/** How a run ended: its turn did, it parked, another claim took the turn, or the log ends. */
export type Closing = "ended" | "parked" | "taken" | "open";

export interface RecordedRunParts {
  /** All entries of the turn. */
  readonly entries: readonly LogEntry[];
  /** The run's claim and what it appended. */
  readonly script: readonly StoredEvent[];
  readonly closing: Closing;
  /** The runner had held the turn under this claim before, and let go of it: it found its claim and went on behind all. */
  readonly again?: boolean;
  readonly request: StoredEvent<"TurnRequested">;
  readonly log: Pick<Log, "fetch">;
  readonly onRequest?: ((turn: string, request: ModelRequest) => void) | undefined;
  readonly amend?: Amend | undefined;
}

export interface RecordedRun {
  readonly ports: { readonly log: Log; readonly live: Live; readonly clock: Clock; readonly random: Random };
  readonly model: Model;
  tool(tool: Pick<Tool, "spec" | "effect">): Tool;
  /** Who hears the signals. */
  onSignal(listener: (signal: StoredEvent) => void): void;
  /** Resolves when it is known how the loop and the log part, or that the run goes no further. */
  readonly verdict: Promise<Difference | undefined>;
  /** The loop came to its end by itself. */
  ended(outcome: string): Difference | undefined;
  failed(error: unknown): Difference | undefined;
  stalled(): Difference | undefined;
  close(): void;
  readonly closed: boolean;
  /** Events compared and found equal. */
  readonly compared: number;
  /** Rises with everything the loop asks for. */
  readonly progress: number;
}

/** Codes with which an append is refused for its content: the log does not hold what did not fit. */
const UNFIT = ["BUS_EVENT_TOO_LARGE", "BUS_EVENT_INVALID"];
/** A runner needs one look at its turn to get a fence right. */
const MAX_REFUSALS = 3;
const CUT = "\n[cut here]";
/** No release cut a result that was shorter; a tool may end a short one with the same words. */
const LEAST_CUT_CHARS = 32_768;
/** A new one each time: a promise that all wait for would hold every run for ever. */
const never = (): Promise<never> => new Promise(() => undefined);

const conflict = (lastSeq: number): TaffrailError =>
  new TaffrailError("BUS_APPEND_CONFLICT", "another event stands there", { lastSeq });

const isRun = ({ subject }: LogEntry): boolean => subject.split(".")[5] === "run";

export function createRecordedRun(parts: RecordedRunParts): RecordedRun {
  const { closing, request } = parts;
  const [entries, script] = [[...parts.entries], [...parts.script]];
  const root = request.subject.replace(/\.wake$/, "");
  const claim = script[0] as StoredEvent<"TurnClaimed">;
  const signals = createRecordedSignals(entries, claim.seq - 1);
  let index = 0;
  let nowMs = Date.parse(claim.data.clock);
  /** What the model was last asked. */
  let sent: ModelRequest | undefined;
  let unfit = false;
  let refusals = 0;
  let closed = false;
  let progress = 0;
  let settle: (difference: Difference | undefined) => void = () => undefined;
  const verdict = new Promise<Difference | undefined>((resolve) => (settle = resolve));

  const recorded = (): StoredEvent | undefined => script[index];
  /** Up to here the run's own lanes are known to its runner. */
  const runSeq = (): number => {
    if (index === 0) return claim.seq - 1;
    return parts.again === true && index < script.length ? script[index]!.seq - 1 : script[index - 1]!.seq;
  };

  function differs(kind: Difference["kind"], at: StoredEvent, more: Partial<Difference>): Difference {
    return { ...placeOf(at), seq: at.seq, kind, path: "", recorded: at.data, computed: undefined, ...more };
  }

  /** The loop does something else than what stands next, or something more. */
  function parted(computed: unknown, event?: NewEvent): void {
    const next = recorded();
    const last = script[index - 1] ?? claim;
    if (next !== undefined) settle(differs("changed", next, { path: "type", recorded: next.type, computed }));
    // A run that was cut off might have done this: nothing can be said of it.
    else if (closing === "taken" || closing === "open") settle(undefined);
    else {
      const place = event === undefined ? {} : placeOf(event);
      settle(differs("extra", last, { ...place, recorded: undefined, computed: event?.data ?? computed }));
    }
  }

  /** Before the loop makes the next event: tells it the signals its runner knew by then. */
  const prepare = (): void => signals.prepare(recorded(), script.slice(0, index));

  function lastSeqOver(fence: string, before: number): number {
    return entries.findLast((entry) => entry.seq < before && matchesFilter(fence, entry.subject))?.seq ?? 0;
  }

  function append(lane: Lane, expected: number, event: NewEvent): Promise<never> {
    progress++;
    if (closed) return never();
    if (unfit && !UNFIT.includes((event.data as { code?: string }).code ?? ""))
      return Promise.reject(
        new TaffrailError((recorded() as StoredEvent<"TurnFailed">).data.code as "BUS_EVENT_TOO_LARGE", "recorded"),
      );
    const next = recorded();
    if (next === undefined) {
      parted(undefined, event);
      return never();
    }
    const stood = lastSeqOver(lane.fence, next.seq);
    if (stood !== expected) {
      // As the broker did: the runner reads on and decides anew. One that never gets it right has another fence now.
      if (++refusals <= MAX_REFUSALS) return Promise.reject(conflict(stood));
      settle(differs("changed", next, { path: "fence", recorded: stood, computed: expected }));
      return never();
    }
    const computed = { lane, expectedLastSeq: expected, event };
    const other = compareEvents(next, computed);
    const amended = other === undefined ? undefined : parts.amend?.(next, computed);
    if (amended !== undefined) {
      script[index] = amended;
      entries[entries.indexOf(next)] = amended;
    }
    const fault = amended === undefined ? (other ?? sentFault(next)) : sentFault(amended);
    if (fault !== undefined) {
      settle(differs("changed", next, fault));
      return never();
    }
    refusals = 0;
    index++;
    prepare();
    // It stands there already: the runner goes on from the stored bytes, as after a lost answer.
    return Promise.reject(conflict(next.seq));
  }

  /** The loop says the recorded hash; what it really sent must have it, too. */
  function sentFault(next: StoredEvent): Fault | undefined {
    const [path, hash] = requestHashOf(next) ?? [];
    const computed = path === undefined ? undefined : hashJson(sent);
    return path === undefined || hash === computed ? undefined : { path, recorded: hash, computed };
  }

  async function fetch(options: Parameters<Log["fetch"]>[0]): Promise<LogEntry[]> {
    progress++;
    if (options.filter.startsWith(`${root}.`)) {
      const nextSeq = recorded()?.seq ?? runSeq() + 1;
      const known = (entry: LogEntry): boolean => {
        if (isRun(entry)) return entry.seq <= runSeq();
        if (isSignal(entry)) return entry.seq <= signals.visibleSeq;
        // Requests, resumptions, what cannot be read: as far as the run had come.
        return entry.seq < nextSeq;
      };
      const { filter, fromSeq, toSeq = Number.MAX_SAFE_INTEGER, limit } = options;
      return entries
        .filter(
          (entry) => entry.seq >= fromSeq && entry.seq <= toSeq && known(entry) && matchesFilter(filter, entry.subject),
        )
        .slice(0, limit);
    }
    return parts.log.fetch(options);
  }

  async function run(asked: ModelRequest, stream: Parameters<Model["run"]>[1]): Promise<ModelResult> {
    progress++;
    if (closed) return never();
    parts.onRequest?.(request.data.turn, asked);
    const next = recorded();
    sent = asked;
    switch (next?.type) {
      case "ModelStepCompleted": {
        const { toolCalls, signalsThrough } = next.data;
        stream.onText(next.data.text);
        // An answer became a step only because the runner had heard more.
        if (toolCalls.length === 0) {
          prepare();
          signals.tell(next.seq, (signal) => signal.seq > signalsThrough && signal.type === "Steered");
        }
        return resultOf(next.data);
      }
      case "TurnCompleted":
        stream.onText(next.data.lastStep.text);
        return resultOf(next.data.lastStep);
      case "ModelStepFailed": {
        const { code, message, retryable, retryAfterMs, partialChars = 0 } = next.data;
        const end = script.slice(index + 1).find(({ type }) => type !== "TurnParked");
        const words = end?.type === "TurnCancelled" ? signals.streamed(end) : "";
        stream.onText(words.length === partialChars ? words : " ".repeat(partialChars));
        throw new ModelError(code as ModelErrorCode, message, {
          retryable,
          ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        });
      }
      case "TurnCancelled":
        stream.onText(signals.streamed(next));
        signals.tell(next.seq);
        throw cancelled();
      case "TurnFailed":
        if (UNFIT.includes(next.data.code)) {
          unfit = true;
          return { text: "", toolCalls: [], finishReason: "other", usage: NO_USAGE, rawUsage: null };
        }
    }
    parted("asks the model");
    return never();
  }

  /** A tool is run with what its ToolCalled says, for the group of its turn. */
  function misused(
    next: StoredEvent<"ToolCompleted">,
    name: string,
    given: unknown,
    group: string,
  ): Partial<Difference> | undefined {
    const { callId } = next.data;
    const called = entries.find((entry) => entry.type === "ToolCalled" && entry.data.callId === callId);
    if (called?.type !== "ToolCalled") return undefined;
    if (name !== called.data.name) return { path: "tool.name", recorded: called.data.name, computed: name };
    if (canonicalJson(given) !== canonicalJson(called.data.arguments))
      return { path: "tool.arguments", recorded: called.data.arguments, computed: given };
    if (group !== request.data.group) return { path: "tool.group", recorded: request.data.group, computed: group };
    return undefined;
  }

  async function runTool(name: string, given: unknown, { group }: ToolContext): Promise<string> {
    progress++;
    if (closed) return never();
    const next = recorded();
    if (next?.type === "TurnFailed" && UNFIT.includes(next.data.code)) {
      unfit = true;
      return "";
    }
    if (next?.type !== "ToolCompleted") {
      parted(`runs the tool ${name}`);
      return never();
    }
    const wrong = misused(next, name, given, group);
    if (wrong !== undefined) {
      settle(differs("changed", next, wrong));
      return never();
    }
    const { outcome, result } = next.data;
    // One character more than was kept: the loop cuts it again, in its own way.
    const cut = result.endsWith(CUT) && result.length >= LEAST_CUT_CHARS + CUT.length;
    if (outcome === "ok") return cut ? `${result.slice(0, -CUT.length)}.` : result;
    if (outcome === "interrupted") signals.tell(next.seq);
    throw new Error(result);
  }

  const clock: Clock = {
    nowMs: () => nowMs,
    sleep(ms) {
      progress++;
      // The limit of a tool never strikes: whether it did is in the tool's result.
      const next = recorded();
      if (closed || next === undefined || next.type === "ToolCompleted") return never();
      nowMs += ms;
      return Promise.resolve();
    },
  };
  const nowhere = (): never => {
    throw new Error("a replay reaches nothing outside the log");
  };
  const log: Log = {
    append,
    fetch,
    read: nowhere,
    get: nowhere,
    identity: nowhere,
    queue: nowhere,
    queueFloor: nowhere,
  };
  const live: Live = { publish: () => undefined, subscribe: nowhere, request: nowhere, serve: nowhere };

  return {
    ports: { log, live, clock, random: { token: nowhere, fraction: nowhere } },
    model: { run },
    tool: ({ spec, effect }) => ({ spec, effect, run: (given, context) => runTool(spec.name, given, context) }),
    onSignal: (heard) => signals.onSignal(heard),
    verdict,
    ended(outcome) {
      const next = recorded();
      if (next === undefined) return undefined;
      return differs("missing", next, { computed: `the turn is ${outcome}` });
    },
    failed: (error) =>
      differs("changed", recorded() ?? claim, {
        path: "type",
        recorded: recorded()?.type,
        computed: describeError(error),
      }),
    stalled() {
      const next = recorded();
      return next === undefined ? undefined : differs("missing", next, { computed: "it waits for ever" });
    },
    close: () => (closed = true),
    get closed() {
      return closed;
    },
    get compared() {
      return index;
    },
    get progress() {
      return progress;
    },
  };
}

/** Where an event says which request it comes from, and the hash. */
function requestHashOf(event: StoredEvent): readonly [path: string, hash: string] | undefined {
  if (event.type === "TurnCompleted") return ["data.lastStep.requestHash", event.data.lastStep.requestHash];
  if (event.type === "ModelStepCompleted" || event.type === "ModelStepFailed")
    return ["data.requestHash", event.data.requestHash];
  return undefined;
}

const NO_USAGE = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 };

/** What the model gave, from the step it became. Call ids are made anew by the loop. */
function resultOf(step: StoredEvent<"TurnCompleted">["data"]["lastStep"]): ModelResult {
  const { text, toolCalls, finishReason, usage, rawUsage } = step;
  const calls = toolCalls.map(({ name, arguments: given }, index) => ({
    callId: `call ${index}`,
    name,
    arguments: given as Record<string, unknown>,
  }));
  return { text, toolCalls: calls, finishReason, usage, rawUsage };
}
