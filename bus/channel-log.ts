/** What a channel's account may do with the log: append its own facts once, and look at them by their own subject. */
import type { NatsConnection } from "nats";
import { decodeEvent } from "./codec.ts";
import { watchConnection } from "./connection-watch.ts";
import { hasCode, TaffrailError } from "./errors.ts";
import type { LogEntry, NewEvent } from "./event.ts";
import { createAppender } from "./jetstream-append.ts";
import { systemClock, type Clock } from "./ports.ts";
import { STREAM, type Lane } from "./subjects.ts";

export interface CreateOutcome {
  /** Sequence of the one event on the lane. */
  readonly seq: number;
  /** The event that stood there before, when it was not this call that made it. */
  readonly present?: LogEntry;
}

export interface ChannelLog {
  /**
   * Creates the lane's one event; run twice it is there once. Rejects with BUS_UNAVAILABLE or BUS_APPEND_UNKNOWN after
   * the limit, and with the terminal errors of Log.append.
   */
  create(lane: Lane, event: NewEvent): Promise<CreateOutcome>;
}

const REQUEST_TIMEOUT_MS = 2_000;
/** A person waits at the other end: longer than a broker's restart, shorter than patience. */
const DEFAULT_LIMIT_MS = 10_000;
const RETRY_MS = 50;

export function createChannelLog(
  nc: NatsConnection,
  clock: Clock = systemClock,
  limitMs = DEFAULT_LIMIT_MS,
): ChannelLog {
  const connection = watchConnection(nc);
  const append = createAppender(nc, connection);

  /** The event on an own subject; the subject stands in the API subject, the only form the account may use. */
  async function last(subject: string): Promise<LogEntry | undefined> {
    const message = await nc.request(`$JS.API.DIRECT.GET.${STREAM}.${subject}`, "", { timeout: REQUEST_TIMEOUT_MS });
    const { headers } = message;
    if ((headers?.code ?? 0) === 404) return undefined;
    if (headers === undefined || headers.code !== 0)
      throw new TaffrailError("BUS_UNAVAILABLE", `the log refused a look at ${subject}`);
    return decodeEvent({
      seq: Number(headers.get("Nats-Sequence")),
      subject: headers.get("Nats-Subject"),
      storedAtMs: Date.parse(headers.get("Nats-Time-Stamp")),
      payload: message.data,
      header: (name) => headers.get(name),
    });
  }

  return {
    async create(lane, event) {
      const untilMs = clock.nowMs() + limitMs;
      while (true) {
        try {
          return { seq: (await append(lane, 0, event)).seq };
        } catch (error) {
          const conflict = hasCode(error, "BUS_APPEND_CONFLICT");
          const retryable = error instanceof TaffrailError && error.retryable;
          if (!conflict && !retryable) throw error;
          const present = await last(lane.subject).catch(() => undefined);
          // After a lost answer the event there may be ours; the caller compares.
          if (present !== undefined) return { seq: present.seq, present };
          if (clock.nowMs() >= untilMs) throw error;
        }
        await clock.sleep(RETRY_MS);
      }
    },
  };
}
