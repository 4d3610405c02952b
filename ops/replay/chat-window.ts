/**
 * The newest part of each conversation, kept as the log is read: a turn's history is then at hand, and what is older is
 * asked of the log itself. Bounded by chats and by what a turn may see.
 */
import type { LogEntry } from "../../bus/event.ts";
import type { FetchOptions } from "../../bus/log.ts";
import { filters, matchesFilter, parseSubject } from "../../bus/subjects.ts";
import type { LogReader } from "../source/source.ts";

/** Entries kept in all, of the chats that spoke last: some 40 MB of usual messages. */
const MAX_TOTAL = 20_000;
/** Entries of one kind in one chat: a history is cut at 2,000. */
const MAX_ENTRIES = 4_096;

interface Kept {
  /** From here on nothing is missing. */
  fromSeq: number;
  entries: LogEntry[];
}

export interface ChatWindow {
  /** Takes the next entry of the log. */
  add(entry: LogEntry): void;
  /** Reads as the log does, of the kept ones where they suffice. */
  fetch(options: FetchOptions): Promise<LogEntry[]>;
}

/** Which conversation, and which side of it: `in.<channel>.<chat>` or `turn.<channel>.<token>`. */
function keyOf(subject: string): string {
  return subject.split(".", 4).slice(1).join(".");
}

/** `startSeq`: first sequence that will be added. */
export function createChatWindow(log: Pick<LogReader, "fetch">, startSeq: number): ChatWindow {
  const kept = new Map<string, Kept>();
  /** What was let go of is missing up to here. */
  let missingThrough = startSeq - 1;
  let total = 0;

  function trim(one: Kept, fromSeq: number): void {
    const cut = one.entries.findIndex((entry) => entry.seq >= fromSeq);
    total -= one.entries.splice(0, cut === -1 ? one.entries.length : cut).length;
    one.fromSeq = Math.max(one.fromSeq, fromSeq);
  }

  return {
    add(entry) {
      const place = parseSubject(entry.subject);
      const key = keyOf(entry.subject);
      if (entry.type === "TurnRequested") {
        const { channel, chat, historyFrom } = entry.data;
        // A chat's turns hardly ever look further back again.
        for (const side of [key, keyOf(filters.chatInbound(channel, chat))]) {
          const own = kept.get(side);
          if (own !== undefined) trim(own, historyFrom);
        }
      }
      if (place?.type !== "in" && !(place?.type === "turn" && place.lane === "out")) return;
      let one = kept.get(key);
      kept.delete(key);
      one ??= { fromSeq: missingThrough + 1, entries: [] };
      kept.set(key, one);
      one.entries.push(entry);
      total++;
      if (one.entries.length > MAX_ENTRIES) trim(one, one.entries[MAX_ENTRIES / 2]!.seq);
      for (const [oldest, gone] of kept) {
        if (total <= MAX_TOTAL || gone === one) break;
        kept.delete(oldest);
        total -= gone.entries.length;
        missingThrough = Math.max(missingThrough, gone.entries.at(-1)?.seq ?? 0);
      }
    },
    async fetch(options) {
      const { filter, fromSeq, toSeq = Number.MAX_SAFE_INTEGER, limit } = options;
      const one = kept.get(keyOf(filter));
      const enough = one === undefined ? fromSeq > missingThrough : one.fromSeq <= fromSeq;
      if (!enough) return log.fetch(options);
      const found = (one?.entries ?? []).filter(
        (entry) => entry.seq >= fromSeq && entry.seq <= toSeq && matchesFilter(filter, entry.subject),
      );
      return found.slice(0, limit);
    },
  };
}
