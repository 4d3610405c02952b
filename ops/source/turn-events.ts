/** Finds turns in a log and collects all that belongs to one: its own events and those they answer or follow from. */
import { TaffrailError } from "../../bus/errors.ts";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import { filters, parseSubject, type TurnKey } from "../../bus/subjects.ts";
import { matching, type LogReader } from "./source.ts";

/** Events asked for at once. */
const PAGE = 500;
/** Sequences in the first stretch searched backwards; each further one is twice as long. */
const FIRST_STRETCH = 1_000;
/** So many characters of a random token name one turn alone (48 bits): the search ends with the first it finds. */
const CERTAIN_CHARS = 8;
/** A cause stands just before its effect; one that lies further back is not searched for. */
const CAUSE_REACH = 10_000;
/** Command, fact, message, turn: no chain of causes outside of a turn is longer. */
const CAUSE_ROUNDS = 3;
/** As much as a runner reads of a turn. */
const MAX_TURN_EVENTS = 10_000;

export type TurnRequest = StoredEvent<"TurnRequested">;

export interface TurnEvents {
  readonly turn: string;
  /** In log order: the turn's events, messages with their changes, tasks, commands, timers, dead letters. */
  readonly entries: readonly LogEntry[];
}

/** Which turn a person means: a sequence of one of its events or messages, or the beginning of its id. */
export type TurnName =
  { readonly type: "seq"; readonly seq: number } | { readonly type: "id"; readonly beginning: string };

/** Only digits are a sequence; a full id (22 characters) of digits alone does not occur. */
export function parseTurnName(text: string): TurnName {
  return /^\d{1,15}$/.test(text) ? { type: "seq", seq: Number(text) } : { type: "id", beginning: text };
}

/**
 * The id of the turn.
 * @throws TURN_UNKNOWN when there is none, or more than one whose id begins so.
 */
export async function findTurn(log: LogReader, name: TurnName): Promise<string> {
  const turn = name.type === "seq" ? await turnAt(log, name.seq) : await turnById(log, name.beginning);
  if (turn !== undefined) return turn;
  throw new TaffrailError(
    "TURN_UNKNOWN",
    name.type === "seq" ? `event ${name.seq} belongs to no turn` : `no turn begins with "${name.beginning}"`,
  );
}

/** The last turns, of one chat when `chat` is given (also tasks that answer there), the newest first. */
export async function lastTurns(
  log: LogReader,
  wanted: { chat?: string | undefined; count: number; fromSeq?: number; toSeq?: number },
): Promise<TurnRequest[]> {
  const found: TurnRequest[] = [];
  const takes = ({ data }: TurnRequest): boolean =>
    wanted.chat === undefined || data.chat === wanted.chat || data.replyTo.chat === wanted.chat;
  for await (const request of requestsBackwards(log, wanted)) {
    if (takes(request)) found.push(request);
    if (found.length >= wanted.count) break;
  }
  return found;
}

/** All TurnRequested, the newest first. */
async function* requestsBackwards(
  log: LogReader,
  range: { fromSeq?: number; toSeq?: number },
): AsyncGenerator<TurnRequest> {
  const first = Math.max(1, range.fromSeq ?? 1);
  let toSeq = range.toSeq ?? (await log.identity()).lastSeq;
  for (let length = FIRST_STRETCH; toSeq >= first; length *= 2) {
    const fromSeq = Math.max(first, toSeq - length + 1);
    const stretch: TurnRequest[] = [];
    for await (const entry of matching(log, filters.wakes, fromSeq, toSeq))
      if (entry.type === "TurnRequested") stretch.push(entry);
    yield* stretch.toReversed();
    toSeq = fromSeq - 1;
  }
}

async function turnAt(log: LogReader, seq: number): Promise<string | undefined> {
  const entry = await log.get(seq);
  if (entry === undefined) return undefined;
  const place = parseSubject(entry.subject);
  if (place?.type === "turn") return place.key.turn;
  if (entry.type === "unreadable") return undefined;
  // A timer of a parked turn names it; a message or a fire is named by its turn, which comes after it.
  if (entry.type === "TimerFired") return entry.data.parked.turn;
  if (entry.type === "DeadLettered") return entry.data.seq < seq ? turnAt(log, entry.data.seq) : undefined;
  const { lastSeq } = await log.identity();
  const toSeq = Math.min(lastSeq, seq + CAUSE_REACH);
  for await (const one of matching(log, filters.turns, seq + 1, toSeq)) {
    if (one.type === "unreadable") continue;
    if (one.type === "TurnRequested" && one.data.messages.some((ref) => ref.seq === seq)) return one.data.turn;
    if (one.type === "Steered" && one.data.message.seq === seq) return one.data.turn;
    const own = parseSubject(one.subject);
    if (one.causationId === entry.id && own?.type === "turn") return own.key.turn;
  }
  return undefined;
}

async function turnById(log: LogReader, beginning: string): Promise<string | undefined> {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(beginning)) return undefined;
  const [exact] = await log.fetch({ filter: filters.turnById(beginning), fromSeq: 1, limit: 1 });
  if (exact !== undefined) return beginning;
  let found: string | undefined;
  for await (const { data } of requestsBackwards(log, {})) {
    if (!data.turn.startsWith(beginning) || data.turn === found) continue;
    if (found !== undefined)
      throw new TaffrailError(
        "TURN_UNKNOWN",
        `more than one turn begins with "${beginning}": ${found}, ${data.turn}; give more of it`,
      );
    found = data.turn;
    if (beginning.length >= CERTAIN_CHARS) break;
  }
  return found;
}

/** Everything that belongs to the turn. @throws TURN_UNKNOWN */
export async function readTurn(log: LogReader, turn: string): Promise<TurnEvents> {
  const own = await log.fetch({ filter: filters.turnById(turn), fromSeq: 1, limit: MAX_TURN_EVENTS });
  const first = own[0];
  const last = own.at(-1);
  const place = first === undefined ? undefined : parseSubject(first.subject);
  if (first === undefined || last === undefined || place?.type !== "turn")
    throw new TaffrailError("TURN_UNKNOWN", `there is no turn "${turn}" in this log`);
  const ended = own.some(({ type }) => type === "TurnCompleted" || type === "TurnFailed" || type === "TurnCancelled");
  const toSeq = ended ? last.seq : (await log.identity()).lastSeq;
  const known = new Map<number, LogEntry>(own.map((entry) => [entry.seq, entry]));
  const take = (entries: readonly LogEntry[]): void => {
    for (const entry of entries) known.set(entry.seq, entry);
  };
  for (const message of messagesOf(own)) take(await readMessage(log, place.key, message, toSeq));
  const request = own.find((entry) => entry.type === "TurnRequested");
  if (request?.type === "TurnRequested" && !known.has(request.data.trigger.seq)) {
    const trigger = await log.get(request.data.trigger.seq);
    // Of a task also when and by whom it was set: its facts stand on one subject.
    if (trigger?.type === "TaskFired")
      take(await log.fetch({ filter: trigger.subject, fromSeq: 1, toSeq: trigger.seq, limit: PAGE }));
    else if (trigger !== undefined) take([trigger]);
  }
  for (let round = 0; round < CAUSE_ROUNDS; round++) {
    const causes = await readCauses(log, [...known.values()]);
    if (causes.length === 0) break;
    take(causes);
  }
  for await (const letter of matching(log, filters.dead, first.seq, (await log.identity()).lastSeq))
    if (letter.type === "DeadLettered" && known.has(letter.data.seq)) known.set(letter.seq, letter);
  return { turn, entries: [...known.values()].toSorted((a, b) => a.seq - b.seq) };
}

interface MessageRef {
  readonly channel: string;
  readonly chat: string;
  readonly message: string;
}

function messagesOf(own: readonly LogEntry[]): MessageRef[] {
  return own.flatMap((entry): MessageRef[] => {
    if (entry.type !== "TurnRequested" && entry.type !== "Steered") return [];
    const { channel, chat } = entry.data;
    const refs = entry.type === "TurnRequested" ? entry.data.messages : [entry.data.message];
    return refs.map(({ message }) => ({ channel, chat, message }));
  });
}

/** The message and its changes up to `toSeq`, also one that came before it. */
function readMessage(log: LogReader, key: TurnKey, ref: MessageRef, toSeq: number): Promise<LogEntry[]> {
  const filter = filters.messageRevisions(key.channel, ref.chat, ref.message);
  return log.fetch({ filter, fromSeq: 1, toSeq, limit: PAGE });
}

/** What made these events and is not among them: commands, timers, a message that interrupts. */
async function readCauses(log: LogReader, entries: readonly LogEntry[]): Promise<LogEntry[]> {
  const events = entries.filter((entry) => entry.type !== "unreadable");
  const ids = new Set(events.map(({ id }) => id));
  const orphans = events.filter(({ causationId }) => causationId !== undefined && !ids.has(causationId));
  if (orphans.length === 0) return [];
  const wanted = new Set(orphans.map(({ causationId }) => causationId));
  const fromSeq = Math.min(...orphans.map(({ seq }) => seq)) - CAUSE_REACH;
  const toSeq = Math.max(...orphans.map(({ seq }) => seq)) - 1;
  const found: LogEntry[] = [];
  for (const filter of [filters.commands, filters.tasks, ...chatFilters(orphans)])
    for await (const entry of matching(log, filter, fromSeq, toSeq))
      if (entry.type !== "unreadable" && wanted.has(entry.id)) found.push(entry);
  return found;
}

/** Messages of the chats whose turn was interrupted. */
function chatFilters(orphans: readonly StoredEvent[]): string[] {
  const interrupted = orphans.filter((entry) => entry.type === "CancelRequested");
  return [...new Set(interrupted.map(({ data }) => filters.chatInbound(data.channel, data.chat)))];
}
