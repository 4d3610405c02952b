/**
 * Chats as people's pages hold them: sockets that follow, messages by HTTP. The measuring side of every scenario that talks.
 */
import { once } from "node:events";
import { Agent, request } from "node:http";
import { WebSocket } from "ws";
import type { ItemView, ServerFrame } from "../../schemas/views.ts";
import type { System } from "../support/system.ts";

/** The web channel's own bound. */
const CHATS_PER_SOCKET = 8;
/** Only ends a run that would hang. */
const ANSWER_LIMIT_MS = 60_000;

export interface Answer {
  /** From before the request is sent to the first token frame, milliseconds. */
  readonly firstTokenMs: number;
  /** To the frame that shows the turn as completed. */
  readonly completedMs: number;
}

export interface Pages {
  /** Sends one message and waits for the end of its turn; one at a time in a chat. */
  ask(chat: string, text: string): Promise<Answer>;
  close(): void;
}

interface Asked {
  readonly startedMs: number;
  firstTokenMs: number | undefined;
  completedMs: number | undefined;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** Opens as many sockets as the chats need; resolves when each chat is followed. */
export async function openPages(system: System, chats: readonly string[]): Promise<Pages> {
  const bearer = system.bearer();
  const agent = new Agent({ keepAlive: true, maxSockets: chats.length });
  const asked = new Map<string, Asked>();
  const ended = new Set<string>();
  const followed = new Map<string, () => void>();
  const sockets: WebSocket[] = [];
  let sent = 0;

  function settle(chat: string): void {
    const waiting = asked.get(chat);
    if (waiting?.firstTokenMs === undefined || waiting.completedMs === undefined) return;
    asked.delete(chat);
    const { startedMs, firstTokenMs, completedMs } = waiting;
    waiting.resolve({ firstTokenMs: firstTokenMs - startedMs, completedMs: completedMs - startedMs });
  }

  function onItem(chat: string, item: ItemView): void {
    if (item.kind !== "turn" || item.endedAt === undefined || ended.has(item.key)) return;
    ended.add(item.key);
    const waiting = asked.get(chat);
    if (waiting === undefined) return;
    if (item.state !== "completed") {
      asked.delete(chat);
      waiting.reject(new Error(`the turn ended as ${item.state}: ${item.text}`));
      return;
    }
    waiting.completedMs = performance.now();
    settle(chat);
  }

  function onFrame(frame: ServerFrame): void {
    if (frame.type === "token") {
      const waiting = asked.get(frame.chat);
      if (waiting === undefined || waiting.firstTokenMs !== undefined) return;
      waiting.firstTokenMs = performance.now();
      settle(frame.chat);
    } else if (frame.type === "items") {
      followed.get(frame.chat)?.();
      for (const item of frame.items) onItem(frame.chat, item);
    }
  }

  function post(chat: string, text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const body = JSON.stringify({ id: `m${++sent}-${chat}`, text });
      const outgoing = request(
        `${system.address}/api/chats/${chat}/messages`,
        {
          agent,
          method: "POST",
          headers: {
            authorization: `Bearer ${bearer}`,
            "content-type": "application/json",
            "content-length": Buffer.byteLength(body),
          },
        },
        (response) => {
          response.resume();
          if (response.statusCode === 202) response.once("end", resolve);
          else reject(new Error(`the message was answered with ${response.statusCode}`));
        },
      );
      outgoing.once("error", reject);
      outgoing.end(body);
    });
  }

  for (let at = 0; at < chats.length; at += CHATS_PER_SOCKET) {
    const socket = new WebSocket(`${system.address.replace("http", "ws")}/api/socket`, {
      headers: { authorization: `Bearer ${bearer}` },
      perMessageDeflate: false,
    });
    sockets.push(socket);
    socket.on("message", (data: Buffer) => onFrame(JSON.parse(data.toString()) as ServerFrame));
    await once(socket, "open");
    const group = chats.slice(at, at + CHATS_PER_SOCKET);
    const all = Promise.all(group.map((chat) => new Promise<void>((resolve) => followed.set(chat, resolve))));
    for (const chat of group) socket.send(JSON.stringify({ type: "subscribe", chat, after: 0 }));
    await all;
  }

  return {
    ask(chat, text) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no answer in ${chat}`)), ANSWER_LIMIT_MS);
        const done = (): void => clearTimeout(timer);
        asked.set(chat, {
          startedMs: performance.now(),
          firstTokenMs: undefined,
          completedMs: undefined,
          resolve: (answer) => (done(), resolve(answer)),
          reject: (error) => (done(), reject(error)),
        });
        post(chat, text).catch((error: unknown) => {
          asked.delete(chat);
          done();
          reject(error instanceof Error ? error : new Error(String(error)));
        });
      });
    },
    close() {
      for (const socket of sockets) socket.close();
      agent.destroy();
    },
  };
}

/** `perChat` messages in each chat, all chats at once, each its next after the answer. */
export async function converse(pages: Pages, chats: readonly string[], perChat: number): Promise<Answer[]> {
  const answers = await Promise.all(
    chats.map(async (chat) => {
      const own: Answer[] = [];
      for (let turn = 0; turn < perChat; turn++) own.push(await pages.ask(chat, "hello"));
      return own;
    }),
  );
  return answers.flat();
}
