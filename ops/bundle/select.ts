/** Which events belong to a bundle. In: the log. Out: their sequences, numbers only, so that a long chat stays small. */
import { hasCode, TaffrailError } from "../../bus/errors.ts";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import type { TokenMint } from "../../bus/ids.ts";
import type { Log } from "../../bus/log.ts";
import { filters, lanes, parseSubject } from "../../bus/subjects.ts";
import { matching } from "../source/source.ts";
import type { BundleScope } from "./format.ts";

export type WantedScope =
  | { readonly type: "all" }
  | { readonly type: "chat"; readonly channel: string; readonly chat: string }
  | { readonly type: "turn"; readonly turn: string };

export interface Selection {
  readonly scope: BundleScope;
  /** In order; absent: all events of the log. */
  readonly seqs?: Float64Array;
}

type Reads = Pick<Log, "fetch" | "identity">;

/** Chats in which the turns of tasks run. */
const TASK_CHANNEL = "sys";

interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** @throws NOT_FOUND when the chat has no event, TURN_UNKNOWN */
export async function selectEvents(log: Reads, mint: TokenMint, wanted: WantedScope): Promise<Selection> {
  if (wanted.type === "all") return { scope: wanted };
  const { lastSeq } = await log.identity();
  if (wanted.type === "chat") {
    const seqs = await selectChat(log, mint, wanted, { from: 1, to: lastSeq });
    if (seqs.length === 0)
      throw new TaffrailError(
        "NOT_FOUND",
        `there is no conversation "${wanted.chat}" on the channel ${wanted.channel}`,
      );
    return { scope: wanted, seqs };
  }
  const request = await findTurn(log, wanted.turn);
  const { channel, chat, historyFrom } = request.data;
  const to = await endOfTurn(log, request, lastSeq);
  const seqs = await selectChat(log, mint, { channel, chat }, { from: Math.min(historyFrom, request.seq), to });
  return { scope: { type: "turn", turn: wanted.turn, channel, chat }, seqs };
}

async function findTurn(log: Reads, turn: string): Promise<StoredEvent<"TurnRequested">> {
  const unknown = new TaffrailError("TURN_UNKNOWN", `there is no turn "${turn}" in the log`, { turn });
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(turn)) throw unknown;
  for await (const entry of scan(log, filters.turnById(turn), { from: 1, to: Number.MAX_SAFE_INTEGER }))
    if (entry.type === "TurnRequested") return entry;
  throw unknown;
}

/** Its last event; what has not ended goes on to the end of the log. */
async function endOfTurn(log: Reads, request: StoredEvent<"TurnRequested">, lastSeq: number): Promise<number> {
  const place = parseSubject(request.subject);
  if (place?.type !== "turn") return lastSeq;
  let end: number | undefined;
  for await (const entry of scan(log, filters.turn(place.key), { from: request.seq, to: lastSeq }))
    if (entry.type === "TurnCompleted" || entry.type === "TurnFailed" || entry.type === "TurnCancelled")
      end = entry.seq;
  return end ?? lastSeq;
}

const scan = (log: Reads, filter: string, { from, to }: Stretch): AsyncGenerator<LogEntry> =>
  matching(log, filter, from, to);

interface Chat {
  readonly channel: string;
  readonly chat: string;
}

async function selectChat(log: Reads, mint: TokenMint, chat: Chat, stretch: Stretch): Promise<Float64Array> {
  const seqs = new Set<number>();
  const isTask = chat.channel === TASK_CHANNEL;
  /** A task is older than its turn. */
  const whole: Stretch = { from: 1, to: stretch.to };
  const add = async (filter: string, within: Stretch): Promise<void> => {
    for await (const entry of scan(log, filter, within)) seqs.add(entry.seq);
  };
  const { tasks, causes, refusals } = await selectTasks(log, chat, isTask ? whole : stretch, seqs);
  await add(filters.chatInbound(chat.channel, chat.chat), stretch);
  for (const one of [chat, ...[...tasks].map((task) => ({ channel: TASK_CHANNEL, chat: nameOf(task) }))]) {
    await add(lanes.chat(one.channel, one.chat).subject, whole);
    const token = tokenOf(mint, one);
    if (token !== undefined) await add(filters.chatTurns(one.channel, token), one === chat ? stretch : whole);
  }
  for await (const entry of scan(log, filters.commands, isTask ? whole : stretch)) {
    if (entry.type === "unreadable" || !(causes.has(entry.id) || isAimedAt(entry, chat, tasks))) continue;
    seqs.add(entry.seq);
    for (const seq of refusals.get(entry.id) ?? []) seqs.add(seq);
  }
  for await (const entry of scan(log, filters.dead, { from: 1, to: Number.MAX_SAFE_INTEGER }))
    if (entry.type === "DeadLettered" && seqs.has(entry.data.seq)) seqs.add(entry.seq);
  return Float64Array.from(seqs).toSorted();
}

/** No token: a bundle whose table has none holds no turn of this chat. */
function tokenOf(mint: TokenMint, { channel, chat }: Chat): string | undefined {
  try {
    return mint("chat", channel, chat);
  } catch (error) {
    if (hasCode(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

function nameOf(task: string): string {
  return task.slice(task.indexOf("/") + 1);
}

function sameChat(a: Chat, b: Chat): boolean {
  return a.channel === b.channel && a.chat === b.chat;
}

/** Tasks that answer to the chat, by `<group>/<task>`; what scheduled them; refusals of commands, by the command's event. */
async function selectTasks(log: Reads, chat: Chat, stretch: Stretch, seqs: Set<number>) {
  const tasks = new Set<string>();
  const causes = new Set<string>();
  const refusals = new Map<string, number[]>();
  const names = new Set<string>(chat.channel === TASK_CHANNEL ? [chat.chat] : []);
  for await (const entry of scan(log, filters.tasks, stretch)) {
    const place = parseSubject(entry.subject);
    const key = place?.type === "task" ? `${place.group}/${place.task}` : "";
    if (entry.type === "TaskScheduled" || entry.type === "TaskFired") {
      if (!sameChat(entry.data.replyTo, chat) && !names.has(entry.data.task)) continue;
      tasks.add(key);
      names.add(entry.data.task);
      if (entry.causationId !== undefined) causes.add(entry.causationId);
      seqs.add(entry.seq);
    } else if (entry.type === "TimerFired") {
      const { channel, chat: parked } = entry.data.parked;
      if (sameChat(entry.data.parked, chat) || (channel === TASK_CHANNEL && names.has(parked))) seqs.add(entry.seq);
    } else if (entry.type === "CommandRefused" && entry.causationId !== undefined) {
      refusals.set(entry.causationId, [...(refusals.get(entry.causationId) ?? []), entry.seq]);
    } else if (tasks.has(key)) seqs.add(entry.seq);
  }
  return { tasks, causes, refusals };
}

function isAimedAt(entry: StoredEvent, chat: Chat, tasks: ReadonlySet<string>): boolean {
  switch (entry.type) {
    case "CancelTurn":
    case "RetryTurn":
    case "SelectChatModel":
      return sameChat(entry.data, chat);
    case "ScheduleTask":
      return sameChat(entry.data.replyTo, chat);
    case "CancelTask":
      return tasks.has(`${entry.data.group}/${entry.data.task}`);
    default:
      return false;
  }
}
