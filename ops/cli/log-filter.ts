/** Which events `taffrail log` shows. Pure. */
import type { LogEntry } from "../../bus/event.ts";
import { parseSubject } from "../../bus/subjects.ts";

export interface LogFilter {
  readonly chat?: string | undefined;
  readonly group?: string | undefined;
  /** Beginning of its id. */
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

/**
 * Makes the test of one reading, in order of the log. A task's turn runs in a chat of its own; it belongs to the chat
 * that gets its answer, so the turns seen are kept (one short id each).
 */
export function logFilter(filter: LogFilter): (entry: LogEntry) => boolean {
  const turns = new Set<string>();
  return (entry) => {
    const place = placeOf(entry);
    if (filter.chat !== undefined) {
      const own = place.chats.includes(filter.chat);
      if (own && place.turn !== undefined) turns.add(place.turn);
      if (!own && (place.turn === undefined || !turns.has(place.turn))) return false;
    }
    if (filter.type !== undefined && entry.type !== filter.type) return false;
    if (filter.turn !== undefined && place.turn?.startsWith(filter.turn) !== true) return false;
    return filter.group === undefined || place.group === filter.group;
  };
}
