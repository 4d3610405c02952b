/** The items of one chat as the page holds them. Pure: a frame goes in, a new state comes out. */
import type { ItemView, MessageView, TurnView } from "../../schemas/views.ts";

export interface ChatItems {
  byKey: ReadonlyMap<string, ItemView>;
  /** Keys in order of `seq`. */
  order: readonly string[];
  /** Highest `changedSeq` the server has told of; what `subscribe` sends after a lost connection. */
  cursor: number;
  /** A first answer has come, so an empty list means an empty chat. */
  loaded: boolean;
  /** Older items exist on the server, as far as is known. */
  more: boolean;
}

export const emptyItems: ChatItems = { byKey: new Map(), order: [], cursor: 0, loaded: false, more: false };

/** The server's first window. A full window means that there may be older items. */
const firstWindow = 50;
/** The server cuts an answer that is too long for one frame; one longer than this may have been cut. */
const longAnswerChars = 200_000;

function mayHaveOlder(items: readonly ItemView[]): boolean {
  return items.length >= firstWindow || JSON.stringify(items).length >= longAnswerChars;
}

function sortKeys(byKey: ReadonlyMap<string, ItemView>): string[] {
  return [...byKey.values()].toSorted((a, b) => a.seq - b.seq || (a.key < b.key ? -1 : 1)).map((item) => item.key);
}

function upsert(byKey: ReadonlyMap<string, ItemView>, items: readonly ItemView[]): ReadonlyMap<string, ItemView> {
  const next = new Map(byKey);
  for (const item of items) {
    const held = next.get(item.key);
    if (held === undefined || item.changedSeq >= held.changedSeq) next.set(item.key, item);
  }
  return next;
}

/** Applies an `items` frame: newer versions win by key, so a frame that comes twice or late changes nothing. */
export function applyItems(
  state: ChatItems,
  frame: { items: readonly ItemView[]; cursor: number; reset: boolean },
): ChatItems {
  const byKey = upsert(frame.reset ? new Map() : state.byKey, frame.items);
  return {
    byKey,
    order: sortKeys(byKey),
    cursor: frame.reset ? frame.cursor : Math.max(state.cursor, frame.cursor),
    loaded: true,
    more: frame.reset ? mayHaveOlder(frame.items) : state.more,
  };
}

/** Applies a page of older items; the cursor stays, for older items say nothing about what is new. */
export function applyOlder(state: ChatItems, page: { items: readonly ItemView[]; more: boolean }): ChatItems {
  const byKey = upsert(state.byKey, page.items);
  return { ...state, byKey, order: sortKeys(byKey), more: page.more };
}

/** `seq` of the oldest item held, or undefined for none. */
export function oldestSeq(state: ChatItems): number | undefined {
  const first = state.order[0];
  return first === undefined ? undefined : state.byKey.get(first)?.seq;
}

/** A turn that has not ended. */
export function isOpen(turn: TurnView): boolean {
  return turn.state === "queued" || turn.state === "running" || turn.state === "retrying" || turn.state === "waiting";
}

/** The turn that runs now: the newest that has not ended. */
export function openTurn(state: ChatItems): TurnView | undefined {
  for (let index = state.order.length - 1; index >= 0; index--) {
    const item = state.byKey.get(state.order[index] ?? "");
    if (item?.kind === "turn" && isOpen(item)) return item;
  }
  return undefined;
}

/** What the reader sees, in order: a message that joined a running turn stands inside that turn, not after it. */
export function visibleItems(state: ChatItems): { list: ItemView[]; steered: ReadonlyMap<string, MessageView> } {
  const inside = new Set<string>();
  const messages = new Map<string, MessageView>();
  for (const item of state.byKey.values()) {
    if (item.kind === "message") messages.set(item.message, item);
    // The superseded attempt folds away, so a message may not live only in it.
    else if (item.state !== "superseded")
      for (const step of item.steps) if (step.type === "steered") inside.add(step.message);
  }
  const list: ItemView[] = [];
  for (const key of state.order) {
    const item = state.byKey.get(key);
    if (item !== undefined && !(item.kind === "message" && inside.has(item.message))) list.push(item);
  }
  const steered = new Map([...messages].filter(([message]) => inside.has(message)));
  return { list, steered };
}
