/** Bounded reads by batch direct get: a stretch of the log in order, decoded or as it is stored. */
import { createInbox, type Msg, type NatsConnection } from "nats";
import { inboxPrefix } from "./connect.ts";
import { watchConnection, type ConnectionWatch } from "./connection-watch.ts";
import { TaffrailError } from "./errors.ts";
import type { FetchOptions } from "./log.ts";
import type { RawReader, StoredMessage } from "./raw.ts";
import { STREAM } from "./subjects.ts";

const REQUEST_TIMEOUT_MS = 3_000;

/** Where a message stands, as the answer's headers say. */
interface Stored {
  readonly seq: number;
  readonly subject: string;
  readonly storedAtMs: number;
}

type DirectReads = <T>(options: FetchOptions, entryOf: (message: Msg, stored: Stored) => T) => Promise<T[]>;

export function createDirectReads(nc: NatsConnection, connection: ConnectionWatch, prefix: string): DirectReads {
  /** Direct gets under way, by the last token of their inbox: one subscription for all, which the broker keeps at hand. */
  const answersTo = new Map<string, (error: Error | null, message: Msg) => void>();
  const inbox = createInbox(prefix);
  let inboxCount = 0;
  nc.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      // A refusal of the subscription itself concerns everybody.
      if (error !== null) for (const answer of answersTo.values()) answer(error, message);
      else answersTo.get(message.subject.slice(inbox.length + 1))?.(null, message);
    },
  });

  /** Batch direct get; the library's own leaves its subscription behind when it is read as an iterator. */
  async function directBatch(
    request: Record<string, unknown>,
    take: (message: Msg, stored: Stored) => boolean,
  ): Promise<{ received: number; pending: number }> {
    if (!(await connection.whenConnected(REQUEST_TIMEOUT_MS)))
      throw new TaffrailError("BUS_UNAVAILABLE", "the broker is not there");
    return new Promise((resolve, reject) => {
      const token = String(++inboxCount);
      let received = 0;
      let pending = 0;
      const finish = (error?: TaffrailError): void => {
        clearTimeout(timer);
        forget();
        answersTo.delete(token);
        if (error) reject(error);
        else resolve({ received, pending });
      };
      const expired = (): void => finish(new TaffrailError("BUS_REQUEST_TIMEOUT", "the log did not answer a read"));
      const timer = setTimeout(expired, REQUEST_TIMEOUT_MS);
      const forget = connection.onChange(() => finish(new TaffrailError("BUS_UNAVAILABLE", "the connection fell")));
      answersTo.set(token, (error, message) => {
        const code = message?.headers?.code ?? 0;
        if (error) finish(new TaffrailError("BUS_UNAVAILABLE", error.message, {}, error));
        else if (code === 204 || code === 404) finish();
        else if (code !== 0) finish(new TaffrailError("BUS_UNAVAILABLE", `the log refused a read: ${code}`));
        else {
          timer.refresh();
          received++;
          // Without the header nothing is known of the rest, and the caller asks again.
          pending = Number(message.headers?.get("Nats-Num-Pending") || "NaN");
          const stored = {
            seq: Number(message.headers?.get("Nats-Sequence")),
            subject: message.headers?.get("Nats-Subject") ?? "",
            storedAtMs: Date.parse(message.headers?.get("Nats-Time-Stamp") ?? ""),
          };
          if (!take(message, stored)) finish();
        }
      });
      nc.publish(`$JS.API.DIRECT.GET.${STREAM}`, JSON.stringify(request), { reply: `${inbox}.${token}` });
    });
  }

  return async ({ filter, fromSeq, toSeq = Number.MAX_SAFE_INTEGER, limit }, entryOf) => {
    const entries: ReturnType<typeof entryOf>[] = [];
    let from = fromSeq;
    while (entries.length < limit) {
      // The server answers at most 1,000 a request.
      const batch = Math.min(limit - entries.length, 1000);
      let beyond = false;
      const answer = await directBatch({ batch, seq: Math.max(1, from), next_by_subj: filter }, (message, stored) => {
        if (stored.seq > toSeq) beyond = true;
        else {
          from = stored.seq + 1;
          entries.push(entryOf(message, stored));
        }
        return !beyond;
      });
      // The server ends an answer early by bytes; only it knows whether more matches.
      if (beyond || answer.received === 0 || answer.pending === 0) break;
    }
    return entries;
  };
}

/** Reads the log undecoded, over a connection of its own rights to read. */
export function createRawReader(nc: NatsConnection, options: { readonly name: string }): RawReader {
  const direct = createDirectReads(nc, watchConnection(nc), inboxPrefix(options.name));
  return { fetchRaw: (fetchOptions) => direct(fetchOptions, storedMessage) };
}

function storedMessage(message: Msg, stored: Stored): StoredMessage {
  const headers: Record<string, string | readonly string[]> = {};
  for (const name of message.headers?.keys() ?? []) {
    if (name.startsWith("Nats-")) continue;
    const values = message.headers?.values(name) ?? [];
    headers[name] = values.length === 1 ? (values[0] ?? "") : values;
  }
  // The client's buffer is shared by the messages of one read of the socket.
  return { ...stored, headers, payload: message.data.slice() };
}
