/** A turn's journal: the fold of its events. Whoever holds it knows the first missing step. Pure. */
import type { StoredEvent } from "../../bus/event.ts";
import type { DataOf } from "../../schemas/index.ts";
import type { ToolCallRequest } from "./model/port.ts";

export interface DoneStep {
  readonly step: number;
  readonly text: string;
  readonly toolCalls: ToolCallRequest[];
  readonly signalsThrough: number;
}

export interface ToolState {
  readonly callId: string;
  /** Epoch that started it. */
  readonly epoch: number;
  readonly effect: DataOf["ToolCalled"]["effect"];
  result?: { readonly outcome: DataOf["ToolCompleted"]["outcome"]; readonly text: string };
}

export interface Journal {
  readonly request: StoredEvent<"TurnRequested">;
  /** Every event of the turn up to this sequence is folded: the fence of claim and end. Signals may stand behind it. */
  turnSeq: number;
  /** Last sequence over the `run` lanes: the fence of the steps. */
  runSeq: number;
  /** 0 before the first claim. */
  epoch: number;
  claim?: StoredEvent<"TurnClaimed">;
  steps: DoneStep[];
  /** By call id. */
  tools: Map<string, ToolState>;
  /** Failures of the step that is next. */
  failures: StoredEvent<"ModelStepFailed">[];
  steered: { readonly seq: number; readonly message: { message: string; seq: number } }[];
  cancel?: StoredEvent<"CancelRequested">;
  lastSignalSeq: number;
  /** Claims since anything was achieved: a turn that ends its runners each time must not do so for ever. */
  fruitlessClaims: number;
  parked: boolean;
  ended: boolean;
}

export function newJournal(request: StoredEvent<"TurnRequested">): Journal {
  return {
    request,
    turnSeq: request.seq,
    runSeq: 0,
    epoch: 0,
    steps: [],
    tools: new Map(),
    failures: [],
    steered: [],
    lastSignalSeq: 0,
    fruitlessClaims: 0,
    parked: false,
    ended: false,
  };
}

/** Folds one event of the turn; events at or before the last folded one of their lane are ignored. */
export function foldTurn(journal: Journal, event: StoredEvent): void {
  const lane = event.subject.split(".")[5] === "run" ? "run" : "other";
  if (lane === "run" ? event.seq <= journal.runSeq : event.seq <= journal.request.seq) return;
  if (lane === "run") journal.runSeq = event.seq;
  switch (event.type) {
    case "TurnResumed":
      if (event.seq > journal.runSeq) journal.parked = false;
      return;
    case "Steered":
      if (journal.steered.some((one) => one.seq === event.seq)) return;
      // A reader may bring them in another order than the log has: what is asked and answered goes by the log.
      journal.steered.push({ seq: event.seq, message: event.data.message });
      journal.steered.sort((a, b) => a.seq - b.seq);
      journal.lastSignalSeq = Math.max(journal.lastSignalSeq, event.seq);
      return;
    case "CancelRequested":
      if (journal.cancel === undefined || event.seq < journal.cancel.seq) journal.cancel = event;
      journal.lastSignalSeq = Math.max(journal.lastSignalSeq, event.seq);
      return;
    case "TurnClaimed":
      journal.epoch = event.data.epoch;
      journal.claim = event;
      journal.fruitlessClaims++;
      journal.parked = false;
      return;
    case "ModelStepCompleted": {
      journal.fruitlessClaims = 0;
      const { step, text, toolCalls, signalsThrough } = event.data;
      journal.steps.push({ step, text, toolCalls: toolCalls as ToolCallRequest[], signalsThrough });
      journal.failures = [];
      return;
    }
    case "ModelStepFailed":
      journal.fruitlessClaims = 0;
      journal.failures.push(event);
      return;
    case "ToolCalled":
      journal.fruitlessClaims = 0;
      journal.tools.set(event.data.callId, {
        callId: event.data.callId,
        epoch: event.data.epoch,
        effect: event.data.effect,
      });
      return;
    case "ToolCompleted": {
      journal.fruitlessClaims = 0;
      const { callId, outcome, result, epoch } = event.data;
      const tool = journal.tools.get(callId) ?? { callId, epoch, effect: "pure" as const };
      journal.tools.set(callId, { ...tool, result: { outcome, text: result } });
      return;
    }
    case "TurnParked":
      journal.parked = true;
      return;
    case "TurnCompleted":
    case "TurnFailed":
    case "TurnCancelled":
      journal.ended = true;
      return;
    default:
  }
}

/** Counts an entry of the turn that no schema reads: its sequence still moves the fences. */
export function foldUnreadable(journal: Journal, entry: { seq: number; subject: string }): void {
  if (entry.subject.split(".")[5] === "run") journal.runSeq = Math.max(journal.runSeq, entry.seq);
}

/** Notes that all events of the turn up to `seq` were folded: read in one stretch, or appended behind the whole turn. */
export function knownThrough(journal: Journal, seq: number): void {
  journal.turnSeq = Math.max(journal.turnSeq, seq);
}

/**
 * True when a signal may stand in the log that the journal does not hold: a step is fenced by the `run` lanes only, and
 * a signal that a reader brought says nothing of what another runner wrote before it.
 */
export function hasGap(journal: Journal): boolean {
  return journal.turnSeq < Math.max(journal.runSeq, journal.lastSignalSeq);
}
