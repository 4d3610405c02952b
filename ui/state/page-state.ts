/** What the page shows, as signals. Only the store writes them; the views read. */
import { signal, type Signal } from "@preact/signals";
import type { ChatView, HealthView, ModelsView } from "../../schemas/views.ts";
import type { Connection } from "./connection.ts";
import { noEvents, type EventRows } from "./event-rows.ts";
import { emptyItems, type ChatItems } from "./items.ts";
import { noStreams, type Streams } from "./streams.ts";

interface ChatState {
  items: Signal<ChatItems>;
  streams: Signal<Streams>;
}

/** Chats kept in memory. Beyond it the one unused longest is let go and loaded anew when opened. */
const maxChats = 8;

export const session = signal<"unknown" | "in" | "out">("unknown");
export const connection = signal<Connection>({ state: "connecting" });
export const health = signal<HealthView | undefined>(undefined);
export const chats = signal<ChatView[] | undefined>(undefined);
export const models = signal<ModelsView | undefined>(undefined);
/** A version that the server runs and this page does not. */
export const newVersion = signal<string | undefined>(undefined);
/** What went wrong last, for the person, with what to do. */
export const notice = signal<string | undefined>(undefined);
/** The view of a chat does not answer at the moment. */
export const chatTrouble = signal<{ chat: string; message: string } | undefined>(undefined);
/** A finished answer for the screen reader. */
export const announcement = signal("");
/** Event rows of the chat whose log is open. */
export const eventRows = signal<EventRows>(noEvents);

const chatStates = new Map<string, ChatState>();

/** State of a chat, made on first use. */
export function chatState(chat: string): ChatState {
  const held = chatStates.get(chat);
  if (held !== undefined) {
    chatStates.delete(chat);
    chatStates.set(chat, held);
    return held;
  }
  const made: ChatState = { items: signal(emptyItems), streams: signal(noStreams) };
  chatStates.set(chat, made);
  for (const key of chatStates.keys()) {
    if (chatStates.size <= maxChats) break;
    // What was made or read last is at the end, so the chat that is shown is never let go.
    if (key !== chat) chatStates.delete(key);
  }
  return made;
}
