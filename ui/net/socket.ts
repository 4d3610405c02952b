/**
 * The one WebSocket. In: frames of the server. Out: frames of the page. It owns the connection and its repair:
 * back-off, a ping that finds a dead line, a quick try when the device comes back. It never keeps frames for later;
 * whoever listens subscribes again with a cursor when `onOpen` is called.
 */
import type { ClientFrame, ServerFrame } from "../../schemas/views.ts";
import { delayMs } from "../state/back-off.ts";
import type { Connection } from "../state/connection.ts";

/** A phone network drops idle lines after about 30 s; half of it keeps them open and finds a dead one soon. */
const pingEveryMs = 15_000;
/** Without any frame this long after a ping, the line is dead. */
const pongWithinMs = 8_000;
/** A handshake that hangs (captive portal, sleeping host) is given up after this. */
const openWithinMs = 10_000;
/** A line that stood this long was good: the next loss starts the back-off anew. */
const steadyAfterMs = 3_000;

export interface SocketPorts {
  url: string;
  onFrame(frame: ServerFrame): void;
  onOpen(): void;
  onConnection(connection: Connection): void;
  /** Called after a failed or lost connection; false ends the attempts (signed out). */
  mayRetry(): Promise<boolean>;
}

export interface Socket {
  send(frame: ClientFrame): void;
  /** Try now instead of when the delay ends. */
  hurry(): void;
  close(): void;
}

function parse(data: unknown): ServerFrame | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null && "type" in value ? (value as ServerFrame) : undefined;
  } catch {
    return undefined;
  }
}

/** Opens the socket and keeps it open until `close`. */
export function openSocket(ports: SocketPorts): Socket {
  let ws: WebSocket | undefined;
  let attempt = 0;
  let closed = false;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let pingTimer: ReturnType<typeof setTimeout> | undefined;

  const watch = (current: WebSocket, waitMs: number, action: () => void): void => {
    clearTimeout(pingTimer);
    pingTimer = setTimeout(() => {
      if (current === ws) action();
    }, waitMs);
  };

  const idle = (current: WebSocket): void =>
    watch(current, pingEveryMs, () => {
      current.send(JSON.stringify({ type: "ping" } satisfies ClientFrame));
      watch(current, pongWithinMs, () => drop(current));
    });

  // A dead line may take minutes to report its own close, so it is left behind at once.
  const drop = (current: WebSocket): void => {
    if (current !== ws) return;
    ws = undefined;
    clearTimeout(pingTimer);
    current.close();
    void lost();
  };

  const lost = async (): Promise<void> => {
    attempt += 1;
    const waitMs = delayMs(attempt, Math.random());
    const retryAtMs = Date.now() + waitMs;
    ports.onConnection({ state: "lost", retryAtMs });
    if (!(await ports.mayRetry()) || closed || ws !== undefined) return;
    clearTimeout(retryTimer);
    retryTimer = setTimeout(connect, Math.max(0, retryAtMs - Date.now()));
  };

  const connect = (): void => {
    clearTimeout(retryTimer);
    if (closed || ws !== undefined) return;
    ports.onConnection({ state: "connecting" });
    const current = new WebSocket(ports.url);
    ws = current;
    let openedAtMs = 0;
    watch(current, openWithinMs, () => drop(current));
    current.addEventListener("open", () => {
      if (current !== ws) return;
      openedAtMs = Date.now();
      ports.onConnection({ state: "live" });
      idle(current);
      ports.onOpen();
    });
    current.addEventListener("message", (message) => {
      if (current !== ws) return;
      if (Date.now() - openedAtMs > steadyAfterMs) attempt = 0;
      idle(current);
      const frame = parse(message.data);
      if (frame !== undefined) ports.onFrame(frame);
    });
    current.addEventListener("close", () => drop(current));
  };

  connect();
  return {
    send(frame) {
      if (ws?.readyState === WebSocket.OPEN) ws.send(JSON.stringify(frame));
    },
    hurry() {
      if (ws === undefined && !closed) {
        attempt = 0;
        connect();
      }
    },
    close() {
      closed = true;
      clearTimeout(retryTimer);
      clearTimeout(pingTimer);
      ws?.close();
      ws = undefined;
    },
  };
}
