/** What a manifest says of its events: tokens with what they were minted from, schemas, counts. */
import { hasCode } from "../../bus/errors.ts";
import type { TokenMint } from "../../bus/ids.ts";
import { toEntry, type BundleCounts, type BundleEvent, type BundleToken } from "./format.ts";
import { schemaDocument } from "./schemas.ts";

export interface Contents {
  add(event: BundleEvent): void;
  done(): { tokens: BundleToken[]; schemas: Record<string, unknown>; counts: BundleCounts };
}

export function createContents(mint: TokenMint): Contents {
  const chats = new Map<string, BundleToken>();
  const turns = new Map<string, BundleToken>();
  const schemas: Record<string, unknown> = {};
  const types: Record<string, number> = {};
  let events = 0;
  let unreadable = 0;

  function addChat(channel: string, chat: string): void {
    const key = JSON.stringify([channel, chat]);
    if (chats.has(key)) return;
    try {
      chats.set(key, ["chat", channel, chat, mint("chat", channel, chat)]);
    } catch (error) {
      // A bundle whose table has none never held a turn of it.
      if (!hasCode(error, "NOT_FOUND")) throw error;
    }
  }

  return {
    add(event) {
      events++;
      const entry = toEntry(event);
      if (entry.type === "unreadable") {
        unreadable++;
        return;
      }
      types[entry.type] = (types[entry.type] ?? 0) + 1;
      // The version that is stored, not the one it is lifted to.
      const name = String(event.headers["ce-dataschema"]).replace(/^taffrail:/, "");
      if (!Object.hasOwn(schemas, name)) schemas[name] = schemaDocument(name);
      const { channel, chat, replyTo } = entry.data as {
        channel?: string;
        chat?: string;
        replyTo?: { channel: string; chat: string };
      };
      if (channel !== undefined && chat !== undefined) addChat(channel, chat);
      if (replyTo !== undefined) addChat(replyTo.channel, replyTo.chat);
      if (entry.type === "TaskFired") addChat("sys", entry.data.task);
      if (entry.type === "TimerFired") addChat(entry.data.parked.channel, entry.data.parked.chat);
      if (entry.type !== "TurnRequested") return;
      const { trigger, attempt, turn } = entry.data;
      turns.set(turn, ["turn", trigger.id, attempt, turn]);
    },
    done: () => ({
      tokens: [...chats.values(), ...turns.values()],
      schemas,
      counts: { events, unreadable, types },
    }),
  };
}
