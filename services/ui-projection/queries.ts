/** What the page and the CLI may ask of the read model. */
import { TaffrailError } from "../../bus/errors.ts";
import type { ChatView, EventRow, ItemView } from "../../schemas/views.ts";
import type { Log } from "../../bus/log.ts";
import type { ReadModel } from "./database.ts";

/** One answer must fit a message of the broker: the items of a page with long texts are cut to this size. */
const MAX_ANSWER_BYTES = 600_000;
const MAX_LIMIT = 200;
/** Rows of a page that comes back after a while; beyond it the newest window is sent. */
const MAX_LATER_EVENTS = 1_000;

export interface ItemsAnswer {
  items: ItemView[];
  cursor: number;
  /** True when older items exist (for `before` and the first page). */
  more: boolean;
  /** The turn that runs now. */
  running?: string;
  /** True when the page must forget what it holds: too much has changed since. */
  reset: boolean;
}

interface Wanted {
  channel?: unknown;
  chat?: unknown;
  after?: unknown;
  before?: unknown;
  limit?: unknown;
}

function place(data: unknown): { channel: string; chat: string; after: number; before: number; limit: number } {
  const { channel, chat, after = 0, before = Number.MAX_SAFE_INTEGER, limit = 50 } = (data ?? {}) as Wanted;
  if (typeof channel !== "string" || typeof chat !== "string")
    throw new TaffrailError("REQUEST_INVALID", "channel and chat must be strings");
  if (!Number.isSafeInteger(after) || !Number.isSafeInteger(before) || !Number.isSafeInteger(limit))
    throw new TaffrailError("REQUEST_INVALID", "after, before and limit must be whole numbers");
  return {
    channel,
    chat,
    after: Number(after),
    before: Number(before),
    limit: Math.min(Math.max(Number(limit), 1), MAX_LIMIT),
  };
}

/** Newest first until the answer is full; a single view above the limit goes without its steps. */
function fitting<T>(texts: readonly { view: string }[]): { values: T[]; cut: boolean } {
  const values: T[] = [];
  let bytes = 0;
  for (const { view } of texts) {
    const size = Buffer.byteLength(view);
    bytes += size;
    if (bytes > MAX_ANSWER_BYTES && values.length > 0) return { values, cut: true };
    const value = JSON.parse(view) as T & { steps?: unknown[] };
    values.push(size > MAX_ANSWER_BYTES && Array.isArray(value.steps) ? { ...value, steps: [] } : value);
  }
  return { values, cut: false };
}

export function createQueries(
  model: ReadModel,
  log: Pick<Log, "get">,
): Record<string, (data: unknown) => Promise<unknown>> {
  async function cursorOf(channel: string, chat: string): Promise<number> {
    const [row] = await model.query<{ changed: number }>(
      "SELECT changed FROM rows WHERE channel = ? AND chat = ? AND kind = 'chat'",
      [channel, chat],
    );
    return row?.changed ?? 0;
  }

  /** One turn at a time runs in a chat, and it is among its newest items. */
  async function runningTurn(channel: string, chat: string): Promise<string | undefined> {
    const [row] = await model.query<{ turn: string }>(
      `SELECT json_extract(view, '$.turn') AS turn FROM
         (SELECT view FROM rows WHERE channel = ? AND chat = ? AND kind = 'item' ORDER BY seq DESC LIMIT 100)
       WHERE json_extract(view, '$.kind') = 'turn' AND json_extract(view, '$.state') IN ('running', 'retrying') LIMIT 1`,
      [channel, chat],
    );
    return row?.turn;
  }

  return {
    async event(data) {
      const { seq } = (data ?? {}) as { seq?: unknown };
      if (!Number.isSafeInteger(seq)) throw new TaffrailError("REQUEST_INVALID", "seq must be a whole number");
      const entry = await log.get(Number(seq));
      if (entry === undefined) throw new TaffrailError("NOT_FOUND", `there is no event ${Number(seq)}`);
      return { event: entry };
    },
    async chats() {
      const rows = await model.query<{ view: string }>(
        "SELECT view FROM rows WHERE kind = 'chat' ORDER BY changed DESC LIMIT 500",
        [],
      );
      return { chats: fitting<ChatView>(rows).values };
    },
    async items(data): Promise<ItemsAnswer> {
      const { channel, chat, after, before, limit } = place(data);
      // Read first: a change that lands between the two reads is then sent again, never missed.
      const cursor = await cursorOf(channel, chat);
      const turn = await runningTurn(channel, chat);
      const running = turn === undefined ? {} : { running: turn };
      if (after > 0) {
        const changed = await model.query<{ view: string }>(
          "SELECT view FROM rows WHERE channel = ? AND chat = ? AND kind = 'item' AND changed > ? ORDER BY changed DESC LIMIT ?",
          [channel, chat, after, MAX_LIMIT + 1],
        );
        const { values, cut } = fitting<ItemView>(changed);
        if (!cut && changed.length <= MAX_LIMIT)
          return { items: values.toReversed(), cursor, more: false, reset: false, ...running };
      }
      const rows = await model.query<{ view: string }>(
        "SELECT view FROM rows WHERE channel = ? AND chat = ? AND kind = 'item' AND seq < ? ORDER BY seq DESC LIMIT ?",
        [channel, chat, before, limit + 1],
      );
      const { values, cut } = fitting<ItemView>(rows.slice(0, limit));
      return { items: values.toReversed(), cursor, more: cut || rows.length > limit, reset: true, ...running };
    },
    async events(data): Promise<{ rows: EventRow[]; cursor: number; reset: boolean; more?: boolean }> {
      const { channel, chat, after, before, limit } = place(data);
      const cursor = await cursorOf(channel, chat);
      if (after > 0) {
        const later = await model.query<{ view: string }>(
          "SELECT row AS view FROM events WHERE channel = ? AND chat = ? AND seq > ? ORDER BY seq DESC LIMIT ?",
          [channel, chat, after, MAX_LATER_EVENTS + 1],
        );
        const { values, cut } = fitting<EventRow>(later);
        if (!cut && later.length <= MAX_LATER_EVENTS) return { rows: values.toReversed(), cursor, reset: false };
      }
      const rows = await model.query<{ view: string }>(
        "SELECT row AS view FROM events WHERE channel = ? AND chat = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
        [channel, chat, before, limit + 1],
      );
      const { values, cut } = fitting<EventRow>(rows.slice(0, limit));
      return { rows: values.toReversed(), cursor, reset: true, more: cut || rows.length > limit };
    },
  };
}
