/** Taking work from a durable JetStream queue: pulls no more than there are free places. */
import type { Msg, NatsConnection } from "nats";
import type { LogEntry } from "./event.ts";
import { PullSession } from "./jetstream-pull.ts";
import type { QueueDelivery, QueueOptions, QueueReader } from "./log.ts";

interface QueueParts {
  readonly nc: NatsConnection;
  readonly prefix: string;
  readonly onReconnect: (listener: () => void) => () => void;
  readonly report: (what: string) => void;
  readonly entryOf: (message: Msg, info: { seq: number; subject: string; storedAtMs: number }) => LogEntry;
}

const REOPEN_DELAY_MS = 200;

export function createQueueReader(parts: QueueParts, options: QueueOptions): QueueReader {
  const { nc } = parts;
  let ready: QueueDelivery[] = [];
  let notify: () => void = () => undefined;
  let session: PullSession | undefined;

  function open(): void {
    if (options.signal.aborted || nc.isClosed()) return;
    session = new PullSession(nc, options.queue, parts.prefix, {
      onMessage: (message, info) => {
        const reply = message.reply ?? "";
        const answer = (text: string): void => {
          if (!nc.isClosed()) nc.publish(reply, text);
        };
        ready.push({
          entry: parts.entryOf(message, {
            seq: info.streamSeq,
            subject: message.subject,
            storedAtMs: info.storedAtMs,
          }),
          deliveryCount: info.deliveryCount,
          working: () => answer("+WPI"),
          ack: () => answer("+ACK"),
          nak: (delayMs) => answer(`-NAK ${JSON.stringify({ delay: delayMs * 1_000_000 })}`),
        });
        notify();
      },
      onEnd: (reason) => {
        if (options.signal.aborted) return;
        parts.report(`queue ${options.queue}: ${reason}`);
        setTimeout(open, REOPEN_DELAY_MS);
      },
      onExpired: () => refill(),
    });
    refill();
  }

  function refill(): void {
    if (session === undefined) return;
    session.pull(options.capacity() - session.requested - ready.length);
  }

  const forget = parts.onReconnect(() => session?.end("the connection was renewed"));
  options.signal.addEventListener(
    "abort",
    () => {
      forget();
      session?.end("closed");
      notify();
    },
    { once: true },
  );
  open();

  return {
    wake: refill,
    async *[Symbol.asyncIterator]() {
      while (!options.signal.aborted) {
        const delivery = ready.shift();
        if (delivery !== undefined) {
          yield delivery;
          continue;
        }
        await new Promise<void>((resolve) => (notify = resolve));
      }
    },
  };
}
