/** Compares a recorded event with what is computed now: the words in which a replay says what differs. Pure. */
import { catalogue } from "../schemas/index.ts";
import { decodeEvent, encodeEvent } from "./codec.ts";
import { describeError } from "./errors.ts";
import type { LogEntry, NewEvent, StoredEvent } from "./event.ts";
import { canonicalJson } from "./ids.ts";
import { rawMessage } from "./raw.ts";
import { matchesFilter, type Lane } from "./subjects.ts";

/** Where a replay and the log part. */
export interface Difference {
  /** The recorded event it stands at; for a decision that the log lacks, the event after which it would be made. */
  readonly seq: number;
  /** changed: both decide, differently. missing: the log has it, nothing is decided now. extra: now decided, not in the log. */
  readonly kind: "changed" | "missing" | "extra";
  /** Type of the event, recorded or, for an extra one, computed. */
  readonly type: string;
  readonly source: string;
  readonly channel?: string | undefined;
  readonly chat?: string | undefined;
  readonly turn?: string | undefined;
  /** What differs, such as `data.text`, `id`, `subject`; for missing and extra ones empty. */
  readonly path: string;
  readonly recorded: unknown;
  readonly computed: unknown;
}

/** An event on its way to a subject, and the last sequence its fence is expected to stand at. */
export interface Computed {
  readonly lane: Lane;
  readonly expectedLastSeq: number;
  readonly event: NewEvent;
}

/** Attributes compared beside the data. `time` is a clock reading and is not. */
const ATTRIBUTES = ["type", "id", "source", "version", "correlationId", "causationId", "traceparent"] as const;

function without(data: unknown, paths: readonly string[]): unknown {
  if (paths.length === 0 || typeof data !== "object" || data === null) return data;
  const copy: Record<string, unknown> = { ...data };
  for (const path of paths) {
    const [head = "", ...rest] = path.split(".");
    if (rest.length === 0) delete copy[head];
    else if (head in copy) copy[head] = without(copy[head], [rest.join(".")]);
  }
  return copy;
}

/** What differs: its path, and both sides. */
export interface Fault {
  readonly path: string;
  readonly recorded: unknown;
  readonly computed: unknown;
}

/** The first place in which two JSON values differ, keys in their order. */
function firstFault(recorded: unknown, computed: unknown, path: string): Fault | undefined {
  if (Object.is(recorded, computed)) return undefined;
  const bothObjects =
    typeof recorded === "object" && typeof computed === "object" && recorded !== null && computed !== null;
  if (!bothObjects || Array.isArray(recorded) !== Array.isArray(computed)) return { path, recorded, computed };
  const [left, right] = [recorded as Record<string, unknown>, computed as Record<string, unknown>];
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const fault = firstFault(left[key], right[key], Array.isArray(recorded) ? `${path}[${key}]` : `${path}.${key}`);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Data of an event without the readings a replay is given. */
export function decidedData(event: Pick<NewEvent, "type" | "data">): unknown {
  return without(event.data, catalogue[event.type].inputs);
}

/** The event as a reader of the log would get it: written by this codec and read again. */
function asStored(event: NewEvent, subject: string): LogEntry {
  const place = { seq: 0, subject, storedAtMs: 0 };
  try {
    return decodeEvent(rawMessage({ ...place, ...encodeEvent(event, subject) }));
  } catch (error) {
    return { ...place, type: "unreadable", code: "BUS_EVENT_UNREADABLE", message: describeError(error) };
  }
}

function attributeFault(recorded: StoredEvent, computed: NewEvent): Fault | undefined {
  const name = ATTRIBUTES.find((one) => recorded[one] !== computed[one]);
  return name === undefined ? undefined : { path: name, recorded: recorded[name], computed: computed[name] };
}

function has(data: unknown, path: string): boolean {
  let at = data;
  for (const name of path.split(".")) at = (at as Readonly<Record<string, unknown>> | undefined)?.[name];
  return at !== undefined;
}

function dataFault(recorded: StoredEvent, computed: NewEvent): Fault | undefined {
  const left = decidedData(recorded);
  // What a past release did not write yet is no difference.
  const unknown = catalogue[recorded.type].added.filter((path) => !has(recorded.data, path));
  const right = without(decidedData(computed), unknown);
  // By canonical bytes first: as quick as it gets, and what "to the byte" means.
  if (canonicalJson(left) === canonicalJson(right)) return undefined;
  // Through JSON once, as it would be stored.
  return (
    firstFault(left, JSON.parse(JSON.stringify(right)), "data") ?? { path: "data", recorded: left, computed: right }
  );
}

/** What differs first between a recorded event and the one computed in its place; undefined when nothing does. */
export function compareEvents(
  recorded: StoredEvent,
  { lane, event }: Pick<Computed, "lane" | "event">,
): Fault | undefined {
  const { subject } = lane;
  const attribute = attributeFault(recorded, event);
  if (attribute !== undefined) return attribute;
  if (recorded.subject !== subject) return { path: "subject", recorded: recorded.subject, computed: subject };
  const data = dataFault(recorded, event);
  if (data !== undefined) return data;
  const stored = asStored(event, subject);
  if (stored.type === "unreadable") return { path: "event", recorded: recorded.data, computed: stored.message };
  return attributeFault(recorded, stored) ?? dataFault(recorded, stored);
}

/** Last sequence of each subject of one entity: what a fence stood at when a recorded event was let in. */
export type Heads = Map<string, number>;

function lastSeqOver(heads: Heads, fence: string): number {
  let last = 0;
  for (const [subject, seq] of heads) if (seq > last && matchesFilter(fence, subject)) last = seq;
  return last;
}

/**
 * What differs between the place a recorded event was let in at and the one expected now. `heads`: as they stood before it.
 * An append is let in only where its fence stands as it expects: any other expectation would have been refused.
 */
function compareFence(heads: Heads, { lane, expectedLastSeq }: Computed): Fault | undefined {
  const stood = lastSeqOver(heads, lane.fence);
  return stood === expectedLastSeq ? undefined : { path: "fence", recorded: stood, computed: expectedLastSeq };
}

/**
 * Asked for an event that comes out differently: what to go on with instead of the recorded one, undefined to report it.
 * Only an export asks, whose redacted inputs lead to other decisions.
 */
export type Amend = (recorded: StoredEvent, computed: Computed) => StoredEvent | undefined;

/** `recorded` with what is computed in its place; the readings that it was given stay. */
export function withComputed(recorded: StoredEvent, { event }: Pick<Computed, "event">): StoredEvent {
  const data = JSON.parse(JSON.stringify(event.data)) as object;
  return { ...recorded, data: filled(data, recorded.data, catalogue[recorded.type].inputs) } as StoredEvent;
}

function filled(data: object, readings: object, paths: readonly string[]): object {
  const copy: Record<string, unknown> = { ...data };
  for (const path of paths) {
    const [head = "", ...rest] = path.split(".");
    const given = (readings as Record<string, unknown>)[head];
    if (given === undefined) delete copy[head];
    else if (rest.length === 0) copy[head] = given;
    else copy[head] = filled((copy[head] ?? {}) as object, given as object, [rest.join(".")]);
  }
  return copy;
}

/** Who and where, for a difference at `event`. */
export function placeOf(
  event: NewEvent | StoredEvent,
): Pick<Difference, "type" | "source" | "channel" | "chat" | "turn"> {
  const { channel, chat, turn } = event.data as { channel?: string; chat?: string; turn?: string };
  return { type: event.type, source: event.source, channel, chat, turn };
}

/** The verdict on a recorded decision: `computed` is what stands for it now, undefined when nothing is decided. */
export function judge(
  recorded: StoredEvent,
  computed: Computed | undefined,
  heads: Heads,
  amend?: Amend,
): Difference | undefined {
  const at = { ...placeOf(recorded), seq: recorded.seq };
  if (computed === undefined) return { ...at, kind: "missing", path: "", recorded: recorded.data, computed: undefined };
  const other = compareEvents(recorded, computed);
  const amended = other !== undefined && amend?.(recorded, computed) !== undefined;
  const fault = (amended ? undefined : other) ?? compareFence(heads, computed);
  return fault === undefined ? undefined : { ...at, kind: "changed", ...fault };
}
