/**
 * Posts the messages of the outbox, one at a time per chat, until the server has confirmed or refused each.
 * It owns the outbox and its copy in the session's storage. It never makes a second id for a message.
 */
import { signal, type Signal } from "@preact/signals";
import type { ItemView, PostMessage } from "../../schemas/views.ts";
import { Refusal } from "../net/api.ts";
import { delayMs } from "./back-off.ts";
import {
  acceptEntry,
  addEntry,
  dropEntry,
  maxOutbox,
  nextToSend,
  readOutbox,
  refuseEntry,
  retryEntry,
  settleOutbox,
  storeOutbox,
  type Outbox,
  type OutboxEntry,
} from "./outbox.ts";

const storageKey = "taffrail.outbox";

export interface SenderPorts {
  post(chat: string, message: PostMessage): Promise<{ seq: number }>;
  storage: Pick<Storage, "getItem" | "setItem">;
  onAccepted(chat: string): void;
  onSignedOut(): void;
}

export interface Sender {
  outbox: Signal<Outbox>;
  /** Takes a message into the outbox and posts it. False when the outbox is full. */
  send: (entry: Omit<OutboxEntry, "state">) => boolean;
  /** Posts a refused message again, under its own id. */
  retryMessage: (id: string) => void;
  /** Takes a refused message out and gives it back. */
  takeBackMessage: (id: string) => OutboxEntry | undefined;
  /** The connection is back: try now what waits. */
  wake: () => void;
  /** Lets go of what the items of a chat show. */
  settle: (chat: string, items: Iterable<ItemView>, cursor: number) => void;
}

export function createSender(ports: SenderPorts): Sender {
  const outbox = signal<Outbox>(readOutbox(ports.storage.getItem(storageKey)));
  const busy = new Set<string>();
  const failures = new Map<string, number>();
  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  const wakers = new Map<string, () => void>();
  /** Signed out: nothing is posted until the connection is back. */
  let halted = false;

  const set = (next: Outbox): void => {
    if (next === outbox.value) return;
    outbox.value = next;
    try {
      ports.storage.setItem(storageKey, storeOutbox(next));
    } catch {
      // A full or forbidden storage loses only the survival of a reload.
    }
  };

  const post = async (entry: OutboxEntry): Promise<void> => {
    const { id, chat, text, mode, model } = entry;
    try {
      const { seq } = await ports.post(chat, {
        id,
        text,
        ...(mode === undefined ? {} : { mode }),
        ...(model === undefined ? {} : { model }),
      });
      failures.delete(chat);
      set(acceptEntry(outbox.value, id, seq));
      ports.onAccepted(chat);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.isSignedOut) {
        halted = true;
        return ports.onSignedOut();
      }
      if (!error.isPassing) return set(refuseEntry(outbox.value, id, error.view));
      const count = (failures.get(chat) ?? 0) + 1;
      failures.set(chat, count);
      // The chat stays busy meanwhile, so that a later message cannot overtake this one.
      await new Promise<void>((resolve) => {
        wakers.set(chat, resolve);
        timers.set(chat, setTimeout(resolve, delayMs(count, Math.random())));
      });
      clearTimeout(timers.get(chat));
      wakers.delete(chat);
    }
  };

  const pump = (): void => {
    if (halted) return;
    for (let entry = nextToSend(outbox.value, busy); entry !== undefined; entry = nextToSend(outbox.value, busy)) {
      const { chat } = entry;
      busy.add(chat);
      void post(entry).finally(() => {
        busy.delete(chat);
        pump();
      });
    }
  };

  return {
    outbox,
    send(entry) {
      if (outbox.value.length >= maxOutbox) return false;
      set(addEntry(outbox.value, entry));
      pump();
      return true;
    },
    retryMessage(id) {
      set(retryEntry(outbox.value, id));
      pump();
    },
    takeBackMessage(id) {
      const entry = outbox.value.find((candidate) => candidate.id === id);
      set(dropEntry(outbox.value, id));
      return entry;
    },
    wake() {
      halted = false;
      for (const resolve of wakers.values()) resolve();
      pump();
    },
    settle(chat, items, cursor) {
      set(settleOutbox(outbox.value, chat, items, cursor));
    },
  };
}
