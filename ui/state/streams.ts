/**
 * The text that is still being written, per turn and step. Pure.
 * Tokens carry epoch, step and offset: a piece is taken only where it fits, so that what is shown is never garbled.
 */
import type { ServerFrame, TurnView } from "../../schemas/views.ts";
import { isOpen } from "./items.ts";

type TokenFrame = Omit<Extract<ServerFrame, { type: "token" }>, "type" | "chat">;
type PartialFrame = Omit<Extract<ServerFrame, { type: "partial" }>, "type" | "chat">;

export interface StepStream {
  /** How often the step was asked; a higher one begins its text again. */
  attempt: number;
  text: string;
  /** Pieces that came before what precedes them, by offset. */
  waiting: ReadonlyMap<number, string>;
}

export interface TurnStream {
  epoch: number;
  steps: ReadonlyMap<number, StepStream>;
  /** The text of an earlier epoch was shown and has been replaced. */
  restarted: boolean;
}

/** Streams by turn. */
export type Streams = ReadonlyMap<string, TurnStream>;

export const noStreams: Streams = new Map();

/** Pieces kept while one is missing. The server answers a gap with the whole text, so more would only be waste. */
const maxWaiting = 64;

/** What is held of the frame's step and attempt; undefined when a later attempt is held already. */
function atAttempt(stream: TurnStream, step: number, attempt: number): StepStream | undefined {
  const held = stream.steps.get(step);
  if (held !== undefined && held.attempt > attempt) return undefined;
  return held?.attempt === attempt ? held : { attempt, text: "", waiting: new Map() };
}

function atEpoch(streams: Streams, turn: string, epoch: number): TurnStream | undefined {
  const held = streams.get(turn);
  if (held === undefined) return { epoch, steps: new Map(), restarted: epoch > 1 };
  if (epoch < held.epoch) return undefined;
  return epoch === held.epoch ? held : { epoch, steps: new Map(), restarted: true };
}

function put(streams: Streams, turn: string, stream: TurnStream, step: number, value: StepStream): Streams {
  return new Map(streams).set(turn, { ...stream, steps: new Map(stream.steps).set(step, value) });
}

/** Joins every waiting piece that fits now; what overlaps is taken once. */
function join(attempt: number, text: string, waiting: ReadonlyMap<number, string>): StepStream {
  const left = new Map(waiting);
  let joined = text;
  for (const [offset, piece] of [...left].toSorted(([a], [b]) => a - b)) {
    if (offset > joined.length) break;
    left.delete(offset);
    const known = joined.length - offset;
    if (known < piece.length) joined += piece.slice(known);
  }
  return { attempt, text: joined, waiting: left };
}

/** Takes one token frame. The same state comes back when it says nothing new. */
export function applyToken(streams: Streams, frame: TokenFrame): Streams {
  const stream = atEpoch(streams, frame.turn, frame.epoch);
  if (stream === undefined) return streams;
  const held = atAttempt(stream, frame.step, frame.attempt);
  if (held === undefined) return streams;
  const isRepeat = stream === streams.get(frame.turn) && frame.offset + frame.text.length <= held.text.length;
  if (isRepeat) return streams;
  if (frame.offset > held.text.length && held.waiting.size >= maxWaiting) return streams;
  const waiting = new Map(held.waiting);
  // Of two pieces at one offset the longer holds the shorter.
  if ((waiting.get(frame.offset)?.length ?? -1) < frame.text.length) waiting.set(frame.offset, frame.text);
  return put(streams, frame.turn, stream, frame.step, join(held.attempt, held.text, waiting));
}

/** Takes the whole text of a step so far. A shorter one that is a part of what is held was overtaken and changes nothing. */
export function applyPartial(streams: Streams, frame: PartialFrame): Streams {
  const stream = atEpoch(streams, frame.turn, frame.epoch);
  if (stream === undefined) return streams;
  const held = atAttempt(stream, frame.step, frame.attempt);
  if (held === undefined) return streams;
  const text = held.text.startsWith(frame.text) ? held.text : frame.text;
  return put(streams, frame.turn, stream, frame.step, join(held.attempt, text, held.waiting));
}

/** A piece is missing somewhere, so the page should ask again. */
export function hasGap(streams: Streams): boolean {
  for (const stream of streams.values())
    for (const step of stream.steps.values()) if (step.waiting.size > 0) return true;
  return false;
}

/** Lets go of what the log now holds: an ended turn, a finished step, an older epoch. */
export function settle(streams: Streams, turn: TurnView): Streams {
  const held = streams.get(turn.turn);
  if (held === undefined) return streams;
  const next = new Map(streams);
  if (!isOpen(turn)) {
    next.delete(turn.turn);
    return next;
  }
  if (turn.epoch > held.epoch) return next.set(turn.turn, { epoch: turn.epoch, steps: new Map(), restarted: true });
  const finished = new Set(turn.steps.flatMap((step) => (step.type === "text" ? [step.step] : [])));
  const steps = new Map([...held.steps].filter(([step]) => !finished.has(step)));
  if (steps.size === held.steps.size) return streams;
  return next.set(turn.turn, { ...held, steps });
}

/** Steps of a turn that are still being written, in order; those the item already tells are left out. */
export function openSteps(stream: TurnStream | undefined, turn: TurnView): { step: number; text: string }[] {
  if (stream === undefined || stream.epoch < turn.epoch || !isOpen(turn)) return [];
  const told = new Set(turn.steps.flatMap((step) => (step.type === "text" ? [step.step] : [])));
  return [...stream.steps]
    .filter(([step, { text }]) => !told.has(step) && text !== "")
    .toSorted(([a], [b]) => a - b)
    .map(([step, { text }]) => ({ step, text }));
}
