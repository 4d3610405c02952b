/**
 * One turn on one runner: claim it, then fold the journal, do the first missing step, append, until it ends or parks.
 * Every append is fenced by the journal, so a runner that lost the turn learns it at its next word.
 */
import { appendSurely } from "../../bus/append.ts";
import { hasCode, TaffrailError } from "../../bus/errors.ts";
import { makeEvent, type LogEntry, type NewEvent, type StoredEvent } from "../../bus/event.ts";
import { deriveId } from "../../bus/ids.ts";
import type { Ports } from "../../bus/runtime.ts";
import { filters, lanes, liveSubjects, type Lane, type TurnKey } from "../../bus/subjects.ts";
import type { DataOf, MessageType } from "../../schemas/index.ts";
import { nextStep } from "./decide.ts";
import type { ChatHistory } from "./history.ts";
import { foldTurn, foldUnreadable, knownThrough, newJournal } from "./journal.ts";
import { askModel } from "./model-step.ts";
import type { Model } from "./model/port.ts";
import type { StepContext, StepSettings, Streaming } from "./step-context.ts";
import { callTool, settleTool } from "./tool-step.ts";
import type { Tool } from "./tools/tool.ts";

const SOURCE = "agent-runner";
/** Appends of one turn: far above what `maxSteps` allows, so only a defect reaches it. */
const MAX_ROUNDS = 1_000;
/** Text kept of a stopped answer. */
const MAX_PARTIAL_CHARS = 65_536;

export interface TurnSettings extends StepSettings {
  readonly configuredModel: string;
  readonly versions: DataOf["TurnClaimed"]["versions"];
}

export interface TurnParts {
  readonly ports: Ports;
  readonly model: Model;
  readonly tools: ReadonlyMap<string, Tool>;
  readonly history: ChatHistory;
  readonly settings: TurnSettings;
  /** Name and instance of this runner, as TurnClaimed says it. */
  readonly runner: string;
}

export type TurnOutcome = "ended" | "parked" | "lost";

/** The runner lost the turn: a higher epoch stands in its journal. */
class TurnLost extends Error {}

export interface TurnRun {
  readonly key: TurnKey;
  readonly streaming: Streaming;
  /** A signal of this turn arrived by the runner's own reader. */
  signal(event: StoredEvent): void;
  /** Says the running step's whole text again, for readers that missed a part of it. */
  retell(): void;
  /** Ends without a word; the journal goes on elsewhere. */
  abandon(): void;
  readonly done: Promise<TurnOutcome>;
}

/** Starts to run the turn `request` opened. `fresh`: nobody had it before, as far as the queue knows. */
export function startTurn(
  parts: TurnParts,
  key: TurnKey,
  request: StoredEvent<"TurnRequested">,
  fresh: boolean,
): TurnRun {
  const { ports, model, tools, settings } = parts;
  const { log, live, clock, logger } = ports;
  const journal = newJournal(request);
  const stop = new AbortController();
  const streaming: Streaming = { epoch: 0, step: 0, attempt: 0, text: "" };
  let interrupt = new AbortController();
  let mine = 0;

  const turnData = { channel: request.data.channel, chat: request.data.chat, turn: request.data.turn };
  const { replyTo } = request.data;

  function fold(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      if (entry.type === "unreadable") foldUnreadable(journal, entry);
      else foldTurn(journal, entry);
    }
    const holder = journal.claim?.data;
    const lost =
      holder !== undefined && (holder.epoch > mine || (holder.epoch === mine && holder.runner !== parts.runner));
    if (mine > 0 && lost) throw new TurnLost();
    if (journal.cancel !== undefined) interrupt.abort();
  }

  async function refold(): Promise<void> {
    const entries = await log.fetch({ filter: filters.turn(key), fromSeq: request.seq + 1, limit: 10_000 });
    fold(entries);
    knownThrough(journal, entries.at(-1)?.seq ?? request.seq);
  }

  /** Appends `next`; true when it stands in the log, false when the journal has moved and must be looked at again. */
  async function append<T extends MessageType>(
    lane: Lane,
    expectedLastSeq: number,
    next: NewEvent<T>,
  ): Promise<boolean> {
    const outcome = await appendSurely(
      log,
      { lane, expectedLastSeq, event: next as NewEvent },
      { clock, signal: stop.signal },
    );
    if (outcome.type === "stored" && outcome.entry === undefined) {
      const stored = { ...next, seq: outcome.seq, subject: lane.subject, storedAtMs: clock.nowMs() };
      fold([stored as unknown as StoredEvent]);
      if (lane.fence === filters.turn(key)) knownThrough(journal, outcome.seq);
      return true;
    }
    // What stands there, even under our own id, may be of an earlier run of ours, with more behind it.
    await refold();
    return outcome.type === "stored";
  }

  function event<T extends MessageType>(type: T, callKey: string, data: DataOf[T]): NewEvent<T> {
    const cause = {
      id: journal.claim?.id ?? request.id,
      correlationId: request.correlationId,
      traceparent: request.traceparent,
    };
    return makeEvent(type, deriveId(request.id, type, callKey), { source: SOURCE, nowMs: clock.nowMs(), cause }, data);
  }

  const step = <T extends MessageType>(one: NewEvent<T>): Promise<boolean> =>
    append(lanes.step(key), journal.runSeq, one);
  /** Refused when anything stands in the turn that the journal does not hold: then `one` was made without it. */
  const end = <T extends MessageType>(one: NewEvent<T>): Promise<boolean> =>
    append(lanes.end(key, replyTo.channel), journal.turnSeq, one);

  let loaded: ReturnType<ChatHistory["load"]> | undefined;

  /** Read once: what came before the turn's request does not change while it runs. */
  function history(): ReturnType<ChatHistory["load"]> {
    if (loaded !== undefined) return loaded;
    const loading = parts.history.load(request, key);
    loaded = loading;
    loading.catch(() => (loaded = undefined));
    return loading;
  }

  async function claim(): Promise<void> {
    // While the claim is written: it stands before the first word.
    void history();
    if (!fresh) await refold();
    while (!journal.ended && !journal.parked) {
      const epoch = journal.epoch + 1;
      const reason = epoch === 1 ? "new" : journal.claim?.data.runner === parts.runner ? "resumed" : "takeover";
      const data: DataOf["TurnClaimed"] = {
        ...turnData,
        epoch,
        runner: parts.runner,
        reason,
        clock: new Date(clock.nowMs()).toISOString(),
        model: request.data.model ?? settings.configuredModel,
        versions: settings.versions,
      };
      // From here on a claim that is not ours ends the run: its runner is alive, it just took the turn.
      mine = epoch;
      const claimed = event("TurnClaimed", `${epoch} ${parts.runner}`, data);
      if (await append(lanes.claim(key), journal.turnSeq, claimed)) return;
    }
  }

  function answers(): string[] {
    return [...request.data.messages, ...journal.steered.map((one) => one.message)].map((ref) => ref.message);
  }

  function ending(): ReturnType<StepContext["ending"]> {
    return { epoch: mine, reply: deriveId(request.data.turn, "end"), replyTo, answers: answers() };
  }

  async function cancel(): Promise<void> {
    const reason = journal.cancel?.data.reason ?? "user";
    const said = journal.steps.map((one) => one.text).filter((text) => text !== "");
    // Text of a finished step is among the steps.
    if (streaming.epoch === mine && streaming.step === journal.steps.length && streaming.text !== "")
      said.push(streaming.text);
    const partialText = said.join("\n\n").slice(0, MAX_PARTIAL_CHARS);
    await end(event("TurnCancelled", "end", { ...turnData, ...ending(), reason, partialText }));
  }

  async function fail(code: string, detail: string): Promise<void> {
    const text = `I could not answer this. ${detail}`;
    await end(event("TurnFailed", "end", { ...turnData, ...ending(), code, text }));
  }

  const lasting = { ports, model, tools, settings, request, journal, streaming, turnData, stop: stop.signal };

  /** For the step that is next: epoch and interruption are those of its round. */
  function context(): StepContext {
    const ofRound = { epoch: mine, interrupt: interrupt.signal };
    return { ...lasting, ...ofRound, event, step, end, ending, refold, history };
  }

  async function run(): Promise<TurnOutcome> {
    try {
      await claim();
      // Somebody else ended or parked it meanwhile.
      if (journal.ended || journal.parked) return journal.ended ? "ended" : "parked";
      for (let round = 0; round < MAX_ROUNDS; round++) {
        if (stop.signal.aborted) return "lost";
        interrupt = new AbortController();
        if (journal.cancel !== undefined) interrupt.abort();
        const next = nextStep(journal, settings.limits);
        if (next.type === "ended" || next.type === "parked") return next.type;
        if (next.type === "cancel") await cancel();
        else if (next.type === "fail") await fail(next.code, next.detail);
        else if (next.type === "ask-model") await askModel(context(), next);
        else if (next.type === "settle-tool") await settleTool(context(), next);
        else await callTool(context(), next);
      }
      throw new TaffrailError("HANDLER_FAILED", "a turn made no progress", { turn: request.data.turn });
    } catch (error) {
      if (error instanceof TurnLost || stop.signal.aborted) return "lost";
      if (!hasCode(error, "BUS_EVENT_TOO_LARGE") && !hasCode(error, "BUS_EVENT_INVALID")) throw error;
      // What the model or a tool gave does not fit the log: the turn must still end where the reader sees it.
      logger.error(
        { turn: request.data.turn, code: error.code, error: error.message },
        "a result does not fit the log",
      );
      while (!journal.ended) await fail(error.code, "What came back does not fit into the log.");
      return "ended";
    }
  }

  return {
    key,
    streaming,
    signal(stored) {
      foldTurn(journal, stored);
      if (journal.cancel !== undefined) interrupt.abort();
    },
    retell() {
      const { text, ...place } = streaming;
      if (text === "" || journal.ended) return;
      const { turn } = request.data;
      live.publish(liveSubjects.tokens(replyTo.channel, replyTo.chat, turn), { turn, ...place, offset: 0, text });
    },
    abandon: () => stop.abort(),
    done: run(),
  };
}
