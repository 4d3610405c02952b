/**
 * The page's state. In: frames of the socket, answers of the API, what the person does. Out: signals the views read.
 * It owns the socket, the open subscriptions and the outbox; it never renders and never guesses: what is not confirmed
 * is marked so.
 */
import { batch } from "@preact/signals";
import type { ServerFrame } from "../../schemas/views.ts";
import { api, newId, Refusal, type CommandBody } from "../net/api.ts";
import { openSocket, type Socket } from "../net/socket.ts";
import { applyEvents, noEvents } from "./event-rows.ts";
import { createFrameQueue } from "./frame-queue.ts";
import { applyItems, applyOlder, isOpen, oldestSeq } from "./items.ts";
import {
  session,
  connection,
  health,
  chats,
  models,
  newVersion,
  notice,
  announcement,
  eventRows,
  chatState,
  chatTrouble,
} from "./page-state.ts";
import { createSender } from "./sender.ts";
import { applyPartial, applyToken, hasGap, noStreams, settle } from "./streams.ts";

/** Items of one page of older ones. */
const olderPage = 50;
/** Event rows a step back: the most the server gives at once. */
const olderEventRows = 200;
/** A piece that comes late heals a gap by itself; only when it has not by then, the whole text is asked for. */
const askAfterGapMs = 300;

let socket: Socket | undefined;
let version: string | undefined;
let openChat: string | undefined;
let eventsChat: string | undefined;
let gapTimer: ReturnType<typeof setTimeout> | undefined;

const sender = createSender({
  post: api.post,
  storage: sessionStorage,
  onAccepted: (chat) => {
    if (chat === openChat && !chatState(chat).items.value.loaded) subscribe(chat);
  },
  onSignedOut: () => signOut(),
});

export const outbox = sender.outbox;
export const { retryMessage, takeBackMessage } = sender;

/** Sends a message; it shows as "sending" until the log has it. */
export function sendMessage(chat: string, text: string, mode?: "queue" | "steer", model?: string): void {
  sender.send({
    id: newId(),
    chat,
    text,
    at: new Date().toISOString(),
    ...(mode === undefined ? {} : { mode }),
    ...(model === undefined ? {} : { model }),
  });
}

function subscribe(chat: string): void {
  socket?.send({ type: "subscribe", chat, after: chatState(chat).items.value.cursor });
}

/** Makes a chat the one that is shown: the one before is let go, this one goes on from its cursor. */
export function showChat(chat: string | undefined): void {
  if (chat === openChat) return;
  if (openChat !== undefined) {
    socket?.send({ type: "unsubscribe", chat: openChat });
    // Tokens missed from here on would leave a hole; the `partial` of the next subscribe fills it anew.
    chatState(openChat).streams.value = noStreams;
  }
  openChat = chat;
  if (chat !== undefined) subscribe(chat);
}

/** Follows the events of a chat, or of none. `from`: also those from this sequence on, when they are not held. */
export function followEvents(chat: string | undefined, from?: number): void {
  if (chat !== eventsChat) {
    if (eventsChat !== undefined) socket?.send({ type: "unsubscribe-events", chat: eventsChat });
    eventsChat = chat;
    eventRows.value = noEvents;
    if (chat !== undefined) socket?.send({ type: "subscribe-events", chat, after: 0 });
  }
  const first = eventRows.value.rows[0]?.seq;
  if (chat === undefined || from === undefined || (first !== undefined && first <= from)) return;
  // Rows are merged by sequence, so asking from further back fills what is missing and repeats nothing.
  socket?.send({ type: "subscribe-events", chat, after: Math.max(1, from - 1) });
}

/** Loads the rows before the oldest event held. */
export async function loadOlderEvents(chat: string): Promise<void> {
  const first = eventRows.value.rows[0]?.seq;
  if (first === undefined) return;
  const page = await attempt(() => api.olderEvents(chat, first, olderEventRows));
  if (page === undefined || chat !== eventsChat) return;
  eventRows.value = applyEvents(eventRows.value, { ...page, cursor: 0, reset: false });
}

/** Loads the page before the oldest item held. */
export async function loadOlder(chat: string): Promise<void> {
  const { items } = chatState(chat);
  const before = oldestSeq(items.value);
  if (before === undefined) return;
  const page = await attempt(() => api.older(chat, before, olderPage));
  if (page !== undefined) items.value = applyOlder(items.value, page);
}

/** Runs a call; a refusal becomes the notice, or the way to the enter page. */
export async function attempt<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.isSignedOut) signOut();
    else notice.value = `${error.view.message} ${error.view.action}`.trim();
    return undefined;
  }
}

/** Enters with the token of a one-time link. Returns what to tell the person when it was refused. */
export async function enter(token: string): Promise<string | undefined> {
  try {
    await api.enter(token);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return `${error.view.message} ${error.view.action}`.trim();
  }
  start();
  return undefined;
}

/** Longer than any decider takes; a refusal after it still stands in the log. */
const refusalWithinMs = 10_000;

/** Sends a command. Its fact shows as a changed item or chat; a refusal becomes the notice. True when it was taken. */
export async function command(body: CommandBody): Promise<boolean> {
  const taken = await attempt(() => api.command(newId(), body));
  if (taken === undefined) return false;
  const { chat } = body;
  watched.set(chat, Math.max(watched.get(chat) ?? 0, taken.seq));
  if (eventsChat !== chat) socket?.send({ type: "subscribe-events", chat, after: taken.seq });
  setTimeout(() => {
    if (watched.get(chat) !== taken.seq) return;
    watched.delete(chat);
    if (eventsChat !== chat) socket?.send({ type: "unsubscribe-events", chat });
  }, refusalWithinMs);
  return true;
}

/** Chats with a command on its way, and the sequence from which its refusal would come. */
const watched = new Map<string, number>();

function takeEvents(frame: Extract<ServerFrame, { type: "events" }>): void {
  const from = watched.get(frame.chat);
  if (from !== undefined) {
    const refused = frame.rows.find((row) => row.type === "CommandRefused" && row.seq > from);
    if (refused !== undefined) notice.value = refused.line;
  }
  if (frame.chat === eventsChat) eventRows.value = applyEvents(eventRows.value, frame);
}

/** Finds out whether there is a session, and starts when there is; waits as long as the server does not answer. */
export async function begin(): Promise<void> {
  try {
    await api.session();
    start();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.isSignedOut) session.value = "out";
    // Without an answer the socket's own attempts go on and tell of it in the status line.
    else start();
  }
}

function signOut(): void {
  socket?.close();
  socket = undefined;
  session.value = "out";
}

function start(): void {
  if (socket !== undefined) return;
  session.value = "in";
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = openSocket({
    url: `${scheme}//${location.host}/api/socket`,
    onFrame: takeFrame,
    onOpen: resume,
    onConnection: (value) => {
      connection.value = value;
      // Without a line nothing is known of the processes; an old figure would look like a new one.
      if (value.state === "lost") health.value = undefined;
    },
    mayRetry,
  });
}

addEventListener("online", () => socket?.hurry());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") socket?.hurry();
});

async function mayRetry(): Promise<boolean> {
  try {
    await api.session();
    return true;
  } catch (error) {
    if (!(error instanceof Refusal && error.isSignedOut)) return true;
    signOut();
    return false;
  }
}

function resume(): void {
  if (openChat !== undefined) subscribe(openChat);
  if (eventsChat !== undefined)
    socket?.send({ type: "subscribe-events", chat: eventsChat, after: eventRows.value.cursor });
  sender.wake();
  void api.models().then(
    (value) => (models.value = value),
    () => undefined,
  );
}

type TextFrame = Extract<ServerFrame, { type: "token" | "partial" }>;
const textQueue = createFrameQueue(takeText);

function takeText(frames: TextFrame[]): void {
  for (const frame of frames) {
    if (frame.chat !== openChat) continue;
    const { streams, items } = chatState(frame.chat);
    const turn = [...items.value.byKey.values()].findLast((item) => item.kind === "turn" && item.turn === frame.turn);
    // A token that comes after its turn's end, or of a step the log holds, is of the past.
    if (turn?.kind === "turn" && !isOpen(turn)) continue;
    const next = frame.type === "token" ? applyToken(streams.value, frame) : applyPartial(streams.value, frame);
    streams.value = turn?.kind === "turn" ? settle(next, turn) : next;
  }
  askAfterGap();
}

function askAfterGap(): void {
  const chat = openChat;
  if (gapTimer !== undefined || chat === undefined || !hasGap(chatState(chat).streams.value)) return;
  gapTimer = setTimeout(() => {
    gapTimer = undefined;
    if (chat === openChat && hasGap(chatState(chat).streams.value)) subscribe(chat);
  }, askAfterGapMs);
}

function takeItems(frame: Extract<ServerFrame, { type: "items" }>): void {
  const { items, streams } = chatState(frame.chat);
  const before = items.value;
  const after = applyItems(before, frame);
  let nextStreams = frame.reset ? noStreams : streams.value;
  for (const item of frame.items) {
    if (item.kind !== "turn") continue;
    nextStreams = settle(nextStreams, item);
    const held = before.byKey.get(item.key);
    const isNews = held?.kind === "turn" && isOpen(held) && !isOpen(item);
    if (isNews && frame.chat === openChat) announcement.value = `${endWords[item.state] ?? ""} ${item.text}`.trim();
  }
  items.value = after;
  streams.value = nextStreams;
  if (chatTrouble.value?.chat === frame.chat) chatTrouble.value = undefined;
  sender.settle(frame.chat, after.byKey.values(), after.cursor);
}

const endWords: Partial<Record<string, string>> = {
  completed: "Answer:",
  failed: "No answer.",
  cancelled: "Stopped.",
};

function takeFrame(frame: ServerFrame): void {
  if (frame.type === "token" || frame.type === "partial") return textQueue.add(frame);
  batch(() => {
    // What was streamed before this frame belongs before it.
    textQueue.flush();
    switch (frame.type) {
      case "hello":
        version ??= frame.version;
        newVersion.value = frame.version === version ? undefined : frame.version;
        break;
      case "status":
        health.value = frame.health;
        break;
      case "chats":
        chats.value = frame.chats;
        break;
      case "items":
        takeItems(frame);
        break;
      case "events":
        takeEvents(frame);
        break;
      case "error":
        // The server asks the view of a chat again by itself; the trouble ends with its next answer.
        if (frame.chat === undefined) notice.value = `${frame.message} ${frame.action}`.trim();
        else chatTrouble.value = { chat: frame.chat, message: frame.message };
        break;
      case "pong":
        break;
    }
  });
}
