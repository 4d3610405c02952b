/**
 * One pull on one JetStream consumer: a subscription, its open requests and its heartbeat watch. Written by us because
 * the library's consume loop refills as messages arrive, not as they are worked off: a long catch-up would grow without
 * bound.
 */
import { createInbox, type Msg, type NatsConnection } from "nats";
import { STREAM } from "./subjects.ts";

/** Pulls end after this long and are made again, so that a request lost on the way heals by itself. */
const PULL_EXPIRES_MS = 60_000;
/** Two missed ones end the session. A fallen connection is told at once; this is for a consumer lost without a word. */
const IDLE_HEARTBEAT_MS = 10_000;
const NANOS_PER_MS = 1_000_000;

export interface DeliveryInfo {
  readonly streamSeq: number;
  readonly consumerSeq: number;
  readonly deliveryCount: number;
  readonly storedAtMs: number;
  readonly pending: number;
}

/** Reads position, count, time and backlog from the ack subject of a delivery (9 tokens, or 11 and more with domain). */
export function parseDelivery(reply: string): DeliveryInfo {
  const tokens = reply.split(".");
  const at = tokens.length === 9 ? 4 : 6;
  return {
    deliveryCount: Number(tokens[at]),
    streamSeq: Number(tokens[at + 1]),
    consumerSeq: Number(tokens[at + 2]),
    storedAtMs: Number((tokens[at + 3] ?? "0").slice(0, -6)),
    pending: Number(tokens[at + 4]),
  };
}

export interface PullHandlers {
  onMessage(message: Msg, info: DeliveryInfo): void;
  /** The session is over (consumer gone, heartbeats missed, connection renewed); open a new one. */
  onEnd(reason: string): void;
  /** A pull ended with this many messages not delivered. */
  onExpired(): void;
}

export class PullSession {
  readonly #nc: NatsConnection;
  readonly #subject: string;
  readonly #inbox: string;
  readonly #handlers: PullHandlers;
  readonly #subscription: { unsubscribe(): void };
  readonly #watch: NodeJS.Timeout;
  #lastHeardMs = performance.now();
  #requested = 0;
  #ended = false;

  constructor(nc: NatsConnection, consumer: string, inboxPrefix: string, handlers: PullHandlers) {
    this.#nc = nc;
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${STREAM}.${consumer}`;
    this.#inbox = createInbox(inboxPrefix);
    this.#handlers = handlers;
    this.#subscription = nc.subscribe(this.#inbox, { callback: (error, message) => this.#receive(error, message) });
    this.#watch = setInterval(() => {
      if (this.#requested > 0 && performance.now() - this.#lastHeardMs > 2 * IDLE_HEARTBEAT_MS) {
        this.end("heartbeats missed");
      }
    }, IDLE_HEARTBEAT_MS);
    this.#watch.unref();
  }

  /** Messages asked for and neither delivered nor given up by the server. */
  get requested(): number {
    return this.#requested;
  }

  pull(batch: number): void {
    if (this.#ended || batch <= 0) return;
    this.#requested += batch;
    this.#lastHeardMs = performance.now();
    const request = {
      batch,
      expires: PULL_EXPIRES_MS * NANOS_PER_MS,
      idle_heartbeat: IDLE_HEARTBEAT_MS * NANOS_PER_MS,
    };
    this.#nc.publish(this.#subject, JSON.stringify(request), { reply: this.#inbox });
  }

  end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#watch);
    if (!this.#nc.isClosed()) this.#subscription.unsubscribe();
    this.#handlers.onEnd(reason);
  }

  #receive(error: Error | null, message: Msg): void {
    if (this.#ended) return;
    this.#lastHeardMs = performance.now();
    if (error !== null) {
      this.end(error.message);
      return;
    }
    if (message.reply?.startsWith("$JS.ACK.")) {
      this.#requested = Math.max(0, this.#requested - 1);
      this.#handlers.onMessage(message, parseDelivery(message.reply));
      return;
    }
    const code = message.headers?.code ?? 0;
    // 100 is a heartbeat.
    if (code === 100) return;
    const left = Number(message.headers?.get("Nats-Pending-Messages") ?? "");
    const ended = code === 408 || (code === 409 && Number.isFinite(left) && left > 0);
    if (ended) {
      this.#requested = Math.max(0, this.#requested - left);
      this.#handlers.onExpired();
      return;
    }
    this.end(`${code} ${message.headers?.description ?? ""}`);
  }
}
