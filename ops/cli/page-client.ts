/** The page's API as the CLI uses it: one post, and the socket followed across restarts of the web process. */
import { request } from "node:http";
import { WebSocket } from "ws";
import type { ClientFrame, ErrorView, PostMessage, ServerFrame } from "../../schemas/views.ts";
import { ownerToken } from "./owner.ts";

/** The largest frame holds fifty items of a conversation with long answers. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const RETRY_MS = 150;
/** The supervisor brings the web process back within a second; after this long a person must look. */
const AWAY_LIMIT_MS = 60_000;
const POST_LIMIT_MS = 15_000;

export interface Page {
  readonly home: string;
  readonly port: number;
}

export type PostOutcome = { type: "stored" } | ({ type: "refused" } & ErrorView);

const unreachable: ErrorView = {
  code: "BUS_UNAVAILABLE",
  message: "the page's process does not answer",
  action: "`taffrail status` shows what is missing.",
};

function bearer({ home }: Page): { authorization: string } {
  return { authorization: `Bearer ${ownerToken(home, Date.now())}` };
}

/** Posts until there is an answer: the id makes a repeat harmless. */
export async function postMessage(page: Page, chat: string, message: PostMessage): Promise<PostOutcome> {
  const untilMs = Date.now() + AWAY_LIMIT_MS;
  while (true) {
    const answer = await postOnce(page, `/api/chats/${encodeURIComponent(chat)}/messages`, message).catch(
      () => undefined,
    );
    if (answer?.status === 202) return { type: "stored" };
    const refusal = answer === undefined ? unreachable : refusalOf(answer);
    // 503 passes: the log was away, or intake is paused for a moment; the reason is told when it does not.
    const passing = answer === undefined || (answer.status === 503 && refusal.code !== "INTAKE_PAUSED");
    if (!passing || Date.now() > untilMs) return { type: "refused", ...refusal };
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function refusalOf({ status, body }: { status: number; body: string }): ErrorView {
  try {
    const { code, message, action } = JSON.parse(body) as Partial<ErrorView>;
    if (typeof code === "string") return { code, message: message ?? "", action: action ?? "" };
  } catch {
    // Not our web process; said below.
  }
  return { ...unreachable, message: `the page's process answered ${status}` };
}

function postOnce(page: Page, path: string, body: unknown): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { ...bearer(page), "content-type": "application/json" };
    const options = { host: "127.0.0.1", port: page.port, path, method: "POST", headers, timeout: POST_LIMIT_MS };
    const sent = request(options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on("error", reject);
    });
    sent.on("timeout", () => sent.destroy(new Error("timeout")));
    sent.on("error", reject);
    sent.end(JSON.stringify(body));
  });
}

export interface ChatFollow {
  /** Called for each frame, in order; `opened` again after each reconnect. */
  frame(frame: ServerFrame): void;
  /** The socket is subscribed; called once. */
  subscribed(): void;
  failed(error: ErrorView): void;
}

/** Follows a chat from a cursor until the returned function is called; a lost socket is opened again. */
export function followChat(page: Page, chat: string, follow: ChatFollow): () => void {
  let cursor = 0;
  let ended = false;
  let awaySinceMs = Date.now();
  let socket: WebSocket | undefined;
  let announced = false;

  const open = (): void => {
    if (ended) return;
    const current = new WebSocket(`ws://127.0.0.1:${page.port}/api/socket`, {
      headers: bearer(page),
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
      handshakeTimeout: 5_000,
    });
    socket = current;
    current.on("open", () => {
      const frame: ClientFrame = { type: "subscribe", chat, after: cursor };
      current.send(JSON.stringify(frame));
      awaySinceMs = Date.now();
      if (!announced) follow.subscribed();
      announced = true;
    });
    current.on("message", (data) => {
      const frame = parseFrame(Buffer.isBuffer(data) ? data.toString("utf8") : "");
      if (frame === undefined || ended) return;
      awaySinceMs = Date.now();
      if (frame.type === "items" && frame.chat === chat) cursor = frame.cursor;
      if ("chat" in frame && frame.chat !== undefined && frame.chat !== chat) return;
      if (frame.type === "error" && frame.code === "SIGN_IN_REQUIRED") follow.failed(frame);
      follow.frame(frame);
    });
    // `close` follows each error.
    current.on("error", () => undefined);
    current.on("unexpected-response", (_request, response) => {
      if (response.statusCode === 401) {
        follow.failed({
          code: "SIGN_IN_REQUIRED",
          message: "the page does not take this user's key",
          action: "Run it as the user who started Taffrail.",
        });
      }
      current.terminate();
    });
    current.on("close", () => {
      if (ended) return;
      if (Date.now() - awaySinceMs > AWAY_LIMIT_MS) follow.failed(unreachable);
      else setTimeout(open, RETRY_MS);
    });
  };
  open();
  return () => {
    ended = true;
    socket?.terminate();
  };
}

function parseFrame(text: string): ServerFrame | undefined {
  try {
    return JSON.parse(text) as ServerFrame;
  } catch {
    return undefined;
  }
}
