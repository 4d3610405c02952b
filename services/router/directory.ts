/** The chats a router knows, found by what an entry says or, when its data cannot be read, by where it stands. */
import type { LogEntry } from "../../bus/event.ts";
import type { TokenMint } from "../../bus/ids.ts";
import { encodeToken, parseSubject } from "../../bus/subjects.ts";
import { chatOf, type ChatState } from "./state.ts";

/** What is kept of a chat. */
export interface Known {
  readonly channel: string;
  readonly chat: string;
  /** HMAC token of the chat in `log.turn`. */
  readonly token: string;
}

export interface DirectoryParts<Lane extends Known> {
  readonly mint: TokenMint;
  make(known: Known): Lane;
  /** The turn that runs in it. */
  activeIn(lane: Lane): Pick<NonNullable<ChatState["active"]>, "turn" | "replyTo"> | undefined;
}

export interface Directory<Lane extends Known> {
  /** The chat's lane, made when it is new. */
  of(channel: string, chat: string): Lane;
  /** The lane an entry belongs to; undefined for one that is about no chat. */
  locate(entry: LogEntry): Lane | undefined;
  forget(lane: Lane): void;
  all(): Iterable<Lane>;
}

export function createDirectory<Lane extends Known>(parts: DirectoryParts<Lane>): Directory<Lane> {
  const byChat = new Map<string, Lane>();
  const byToken = new Map<string, Lane>();

  function of(channel: string, chat: string): Lane {
    const key = `${channel}.${encodeToken(chat)}`;
    const present = byChat.get(key);
    if (present !== undefined) return present;
    const lane = parts.make({ channel, chat, token: parts.mint("chat", channel, chat) });
    byChat.set(key, lane);
    byToken.set(`${channel}.${lane.token}`, lane);
    return lane;
  }

  /** A task's turn runs in a chat of its own; its reader sees it in the chat it answers to, and commands it there. */
  function taskLaneOf(wanted: { channel: string; chat: string; turn?: string | undefined }): Lane | undefined {
    if (wanted.turn === undefined) return undefined;
    for (const lane of byChat.values()) {
      if (lane.channel !== "sys") continue;
      const active = parts.activeIn(lane);
      if (active?.turn !== wanted.turn) continue;
      if (active.replyTo.channel === wanted.channel && active.replyTo.chat === wanted.chat) return lane;
    }
    return undefined;
  }

  return {
    of,
    locate(entry) {
      const place = parseSubject(entry.subject);
      if (place?.type === "turn") {
        const known = byToken.get(`${place.key.channel}.${place.key.chatToken}`);
        if (known !== undefined) return known;
      }
      if (place?.type === "chat") {
        const known = byChat.get(`${place.channel}.${place.chatToken}`);
        if (known !== undefined) return known;
      }
      if (entry.type === "CancelTurn" || entry.type === "RetryTurn") {
        const task = taskLaneOf(entry.data);
        if (task !== undefined) return task;
      }
      const chat = entry.type === "unreadable" ? undefined : chatOf(entry);
      return chat === undefined ? undefined : of(chat.channel, chat.chat);
    },
    forget(lane) {
      byChat.delete(`${lane.channel}.${encodeToken(lane.chat)}`);
      byToken.delete(`${lane.channel}.${lane.token}`);
    },
    all: () => byChat.values(),
  };
}
