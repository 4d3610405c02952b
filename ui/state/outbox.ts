/**
 * Messages the person has sent and the log does not show yet. Pure, but for the text it is stored as.
 * An entry keeps its id for ever: sent twice it is one message.
 */
import type { ErrorView, ItemView, PostMessage } from "../../schemas/views.ts";

export interface OutboxEntry {
  id: string;
  chat: string;
  text: string;
  mode?: NonNullable<PostMessage["mode"]>;
  model?: string;
  /** RFC 3339. */
  at: string;
  /** `sending`: not confirmed. `accepted`: the log has it, its item is not here yet. `refused`: with the reason. */
  state: "sending" | "accepted" | "refused";
  /** Sequence of its event, once accepted. */
  seq?: number;
  error?: ErrorView;
}

export type Outbox = readonly OutboxEntry[];

/** More unsent messages than this are refused at the composer: they would only pile up behind a dead server. */
export const maxOutbox = 50;

function change(outbox: Outbox, id: string, patch: (entry: OutboxEntry) => OutboxEntry): Outbox {
  return outbox.map((entry) => (entry.id === id ? patch(entry) : entry));
}

/** Adds a message; the same id again changes nothing. */
export function addEntry(outbox: Outbox, entry: Omit<OutboxEntry, "state">): Outbox {
  return outbox.some(({ id }) => id === entry.id) ? outbox : [...outbox, { ...entry, state: "sending" }];
}

export function acceptEntry(outbox: Outbox, id: string, seq: number): Outbox {
  return change(outbox, id, ({ error: _error, ...entry }) => ({ ...entry, state: "accepted", seq }));
}

export function refuseEntry(outbox: Outbox, id: string, error: ErrorView): Outbox {
  return change(outbox, id, (entry) => ({ ...entry, state: "refused", error }));
}

/** Sends a refused one again, under the same id. */
export function retryEntry(outbox: Outbox, id: string): Outbox {
  return change(outbox, id, ({ error: _error, ...entry }) => ({ ...entry, state: "sending" }));
}

export function dropEntry(outbox: Outbox, id: string): Outbox {
  return outbox.filter((entry) => entry.id !== id);
}

/** Lets go of what the log shows: its item is here, or the view has passed its event. */
export function settleOutbox(outbox: Outbox, chat: string, items: Iterable<ItemView>, cursor: number): Outbox {
  if (!outbox.some((entry) => entry.chat === chat)) return outbox;
  const shown = new Set<string>();
  for (const item of items) if (item.kind === "message") shown.add(item.message);
  const left = outbox.filter(
    (entry) =>
      entry.chat !== chat ||
      !(shown.has(entry.id) || (entry.state === "accepted" && entry.seq !== undefined && entry.seq <= cursor)),
  );
  return left.length === outbox.length ? outbox : left;
}

/** The next one to post: the oldest unconfirmed of each chat, so that order within a chat is kept. */
export function nextToSend(outbox: Outbox, busyChats: ReadonlySet<string>): OutboxEntry | undefined {
  return outbox.find((entry) => entry.state === "sending" && !busyChats.has(entry.chat));
}

/** Text for the session's storage. */
export function storeOutbox(outbox: Outbox): string {
  return JSON.stringify(outbox);
}

/** Reads what `storeOutbox` wrote; anything that does not look like it is left out. */
export function readOutbox(stored: string | null): Outbox {
  if (stored === null) return [];
  try {
    const value: unknown = JSON.parse(stored);
    return Array.isArray(value) ? value.filter(isEntry).slice(0, maxOutbox) : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is OutboxEntry {
  if (typeof value !== "object" || value === null) return false;
  const { id, chat, text, at, state } = value as Record<string, unknown>;
  return (
    [id, chat, text, at].every((field) => typeof field === "string") &&
    (state === "sending" || state === "accepted" || state === "refused")
  );
}
