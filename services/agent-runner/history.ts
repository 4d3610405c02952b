/** The conversation before a turn, read from the log, with a bounded cache of the chats that are busy now. */
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import type { Log } from "../../bus/log.ts";
import { filters, type TurnKey } from "../../bus/subjects.ts";

export interface ChatHistory {
  /** Entries of the chat from `historyFrom` to the TurnRequested, in log order. */
  load(request: StoredEvent<"TurnRequested">, key: TurnKey): Promise<readonly LogEntry[]>;
}

interface Cached {
  fromSeq: number;
  toSeq: number;
  entries: LogEntry[];
}

/** Chats kept warm: some hundred kB in all. */
const MAX_CHATS = 64;
/** Events of 20 turns; a chat with more is cut at its older end. */
const MAX_ENTRIES = 2_000;
/** Entries asked for at once. */
const PAGE = 500;
/** Kept per chat in the cache; longer conversations are read again. */
const MAX_CACHED_ENTRIES = 200;

export function createHistory(log: Pick<Log, "fetch">): ChatHistory {
  const cache = new Map<string, Cached>();

  /** The newest of a stretch: the same whether it was read at once or a part of it before. */
  async function newest(filter: string, fromSeq: number, toSeq: number): Promise<LogEntry[]> {
    let entries: LogEntry[] = [];
    for (let next = fromSeq; next <= toSeq;) {
      const page = await log.fetch({ filter, fromSeq: next, toSeq, limit: PAGE });
      entries = [...entries, ...page].slice(-MAX_ENTRIES);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) break;
      next = last.seq + 1;
    }
    return entries;
  }

  async function read(request: StoredEvent<"TurnRequested">, key: TurnKey, fromSeq: number): Promise<LogEntry[]> {
    const { channel, chat } = request.data;
    const [inbound, outs] = await Promise.all([
      newest(filters.chatInbound(channel, chat), fromSeq, request.seq),
      newest(filters.chatOuts(channel, key.chatToken), fromSeq, request.seq),
    ]);
    return [...inbound, ...outs].toSorted((a, b) => a.seq - b.seq);
  }

  return {
    async load(request, key) {
      if (request.data.channel === "sys") return [];
      const name = `${key.channel}.${key.chatToken}`;
      const from = request.data.historyFrom;
      const known = cache.get(name);
      cache.delete(name);
      const usable = known !== undefined && known.fromSeq <= from && known.toSeq <= request.seq;
      const fresh = await read(request, key, usable ? known.toSeq + 1 : from);
      const entries = [...(usable ? known.entries.filter((entry) => entry.seq >= from) : []), ...fresh].slice(
        -MAX_ENTRIES,
      );
      if (entries.length <= MAX_CACHED_ENTRIES) {
        cache.set(name, { fromSeq: from, toSeq: request.seq, entries });
        const [oldest] = cache.keys();
        if (cache.size > MAX_CHATS && oldest !== undefined) cache.delete(oldest);
      }
      return entries;
    },
  };
}
