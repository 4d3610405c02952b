/** Which events `taffrail log` shows. Pure. */
import type { LogEntry } from "../../bus/event.ts";
import { parseSubject } from "../../bus/subjects.ts";

export interface LogFilter {
  readonly chat?: string | undefined;
  readonly group?: string | undefined;
  readonly turn?: string | undefined;
  readonly type?: string | undefined;
}

/** Chats belong to it unless an event says otherwise. */
const DEFAULT_GROUP = "main";

function placeOf(entry: LogEntry): { chats: string[]; turn?: string; group?: string } {
  const subject = parseSubject(entry.subject);
  const turn = subject?.type === "turn" ? subject.key.turn : undefined;
  const data: Readonly<Record<string, unknown>> = entry.type === "unreadable" ? {} : { ...entry.data };
  const replyTo = data["replyTo"] as { chat?: unknown } | undefined;
  const chats = [data["chat"], replyTo?.chat].filter((chat) => typeof chat === "string");
  const named = data["group"] ?? (subject?.type === "task" ? subject.group : undefined);
  const group = typeof named === "string" ? named : chats.length > 0 || turn !== undefined ? DEFAULT_GROUP : undefined;
  const own = turn ?? (typeof data["turn"] === "string" ? data["turn"] : undefined);
  return { chats, ...(own === undefined ? {} : { turn: own }), ...(group === undefined ? {} : { group }) };
}

/** True when `entry` passes all parts of the filter. `channel/chat` names a chat of one channel. */
export function passes(entry: LogEntry, filter: LogFilter): boolean {
  if (filter.type !== undefined && entry.type !== filter.type) return false;
  const place = placeOf(entry);
  if (filter.turn !== undefined && place.turn !== filter.turn) return false;
  if (filter.group !== undefined && place.group !== filter.group) return false;
  return filter.chat === undefined || place.chats.includes(filter.chat);
}
