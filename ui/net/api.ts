/** HTTP to the web process. Every refusal is a `Refusal` with what happened and what to do; a lost connection is one too. */
import type { ErrorView, EventRow, ItemView, ModelsView, PostMessage } from "../../schemas/views.ts";

/** Long enough for a phone network, short enough that the person learns of a dead one. */
const requestTimeoutMs = 15_000;

/** A request that was answered with an error, or not at all (`status` 0). */
export class Refusal extends Error {
  readonly status: number;
  readonly view: ErrorView;

  constructor(status: number, view: ErrorView) {
    super(view.message);
    this.status = status;
    this.view = view;
  }

  /** Asking again later can help: no answer, a server that is not ready, or one that asks for patience. */
  get isPassing(): boolean {
    return this.status === 0 || this.status >= 500 || this.status === 429;
  }

  get isSignedOut(): boolean {
    return this.status === 401;
  }
}

export type CommandBody =
  | { type: "CancelTurn"; channel: string; chat: string; turn?: string }
  | { type: "RetryTurn"; channel: string; chat: string; turn: string }
  | { type: "SelectChatModel"; channel: string; chat: string; model: string };

function isErrorView(value: unknown): value is ErrorView {
  return typeof value === "object" && value !== null && "code" in value && "message" in value && "action" in value;
}

async function request(method: string, path: string, body?: unknown): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      signal: AbortSignal.timeout(requestTimeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
  } catch {
    throw new Refusal(0, {
      code: "NO_CONNECTION",
      message: "The server did not answer.",
      action: "Check that Taffrail runs and that this device reaches it.",
    });
  }
  const value: unknown = await response.json().catch(() => undefined);
  if (response.ok) return value;
  throw new Refusal(
    response.status,
    isErrorView(value)
      ? value
      : { code: `HTTP_${response.status}`, message: `The server answered ${response.status}.`, action: "Try again." },
  );
}

const chatPath = (chat: string): string => `/api/chats/${encodeURIComponent(chat)}`;

/** The calls of the web API; each throws `Refusal`. */
export const api = {
  enter: (token: string) => request("POST", "/api/enter", { token }),
  session: () => request("GET", "/api/session") as Promise<{ owner: boolean; version: string }>,
  models: () => request("GET", "/api/models") as Promise<ModelsView>,
  post: (chat: string, message: PostMessage) =>
    request("POST", `${chatPath(chat)}/messages`, message) as Promise<{ seq: number; id: string }>,
  command: (command: string, body: CommandBody) =>
    request("POST", "/api/commands", { command, ...body }) as Promise<{ seq: number }>,
  event: (seq: number) => request("GET", `/api/events/${seq}`),
  older: (chat: string, before: number, limit: number) =>
    request("GET", `${chatPath(chat)}/items?before=${before}&limit=${limit}`) as Promise<{
      items: ItemView[];
      more: boolean;
    }>,
  olderEvents: (chat: string, before: number, limit: number) =>
    request("GET", `${chatPath(chat)}/events?before=${before}&limit=${limit}`) as Promise<{
      rows: EventRow[];
      more: boolean;
    }>,
};

/** A short random id that is its own subject token. 96 bits: a guess or a clash is out of reach. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
