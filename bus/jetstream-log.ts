/** The port `Log` on JetStream. */
import { jetstreamManager, AckPolicy, DeliverPolicy, type JetStreamManager } from "@nats-io/jetstream";
import { createInbox, nanos, type Msg, type NatsConnection } from "nats";
import { decodeEvent } from "./codec.ts";
import { inboxPrefix } from "./connect.ts";
import { watchConnection } from "./connection-watch.ts";
import { TaffrailError } from "./errors.ts";
import type { LogEntry } from "./event.ts";
import { createAppender } from "./jetstream-append.ts";
import { PullSession, type DeliveryInfo } from "./jetstream-pull.ts";
import { createQueueReader } from "./jetstream-queue.ts";
import type { FetchOptions, Log, LogBatch, LogIdentity, ReadOptions } from "./log.ts";
import { STREAM } from "./subjects.ts";

const REQUEST_TIMEOUT_MS = 3_000;
/** Reader's default buffer: some hundred events of some kB stay far below 1 MB. */
const DEFAULT_MAX_BUFFERED = 256;

function entryOf(message: Msg, info: { seq: number; subject: string; storedAtMs: number }): LogEntry {
  return decodeEvent({ ...info, payload: message.data, header: (name) => message.headers?.get(name) ?? "" });
}

export interface JetStreamLogOptions {
  /** Name of the user: inbox prefix and consumer names. */
  readonly name: string;
  /** Reports a reader or queue that had to open again; for the log file. */
  readonly report?: (what: string) => void;
}

export async function createJetStreamLog(nc: NatsConnection, options: JetStreamLogOptions): Promise<Log> {
  const jsm: JetStreamManager = await jetstreamManager(nc, { checkAPI: false, timeout: REQUEST_TIMEOUT_MS });
  const prefix = inboxPrefix(options.name);
  const report = options.report ?? (() => undefined);
  const connection = watchConnection(nc);
  const onReconnect = (listener: () => void): (() => void) => connection.onChange((up) => up && listener());

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
    take: (entry: LogEntry) => boolean,
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
          const entry = entryOf(message, {
            seq: Number(message.headers?.get("Nats-Sequence")),
            subject: message.headers?.get("Nats-Subject") ?? "",
            storedAtMs: Date.parse(message.headers?.get("Nats-Time-Stamp") ?? ""),
          });
          if (!take(entry)) finish();
        }
      });
      nc.publish(`$JS.API.DIRECT.GET.${STREAM}`, JSON.stringify(request), { reply: `${inbox}.${token}` });
    });
  }

  async function fetch({ filter, fromSeq, toSeq = Number.MAX_SAFE_INTEGER, limit }: FetchOptions): Promise<LogEntry[]> {
    const entries: LogEntry[] = [];
    let from = fromSeq;
    while (entries.length < limit) {
      // The server answers at most 1,000 a request.
      const batch = Math.min(limit - entries.length, 1000);
      let beyond = false;
      const answer = await directBatch({ batch, seq: Math.max(1, from), next_by_subj: filter }, (entry) => {
        if (entry.seq > toSeq) beyond = true;
        else entries.push(entry);
        return !beyond;
      });
      // The server ends an answer early by bytes; only it knows whether more matches.
      if (beyond || answer.received === 0 || answer.pending === 0) break;
      from = (entries.at(-1)?.seq ?? from) + 1;
    }
    return entries;
  }

  async function get(seq: number): Promise<LogEntry | undefined> {
    const found: LogEntry[] = [];
    await directBatch({ batch: 1, seq, next_by_subj: "log.>" }, (entry) => {
      if (entry.seq === seq) found.push(entry);
      return true;
    });
    return found[0];
  }

  async function identity(): Promise<LogIdentity> {
    try {
      const info = await jsm.streams.info(STREAM);
      return { created: info.created, lastSeq: info.state.last_seq, storedBytes: info.state.bytes };
    } catch (error) {
      throw new TaffrailError("BUS_UNAVAILABLE", "the log does not answer", {}, error);
    }
  }

  async function* read(readOptions: ReadOptions): AsyncGenerator<LogBatch> {
    const { signal, maxBuffered = DEFAULT_MAX_BUFFERED } = readOptions;
    let next = Math.max(1, readOptions.fromSeq);
    for (let failures = 0; !signal.aborted;) {
      const session = await openReadSession(readOptions.filters, next, maxBuffered, signal).catch((error: unknown) => {
        report(`read: ${error instanceof Error ? error.message : String(error)}`);
        return undefined;
      });
      if (session === undefined) {
        failures = Math.min(failures + 1, 5);
        await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** failures));
        continue;
      }
      failures = 0;
      for await (const batch of session) {
        const last = batch.events.at(-1);
        if (last !== undefined) next = last.seq + 1;
        yield batch;
      }
    }
  }

  async function openReadSession(
    filterSubjects: readonly string[],
    fromSeq: number,
    maxBuffered: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<LogBatch>> {
    await connection.whenConnected(REQUEST_TIMEOUT_MS);
    const info = await jsm.consumers.add(STREAM, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: fromSeq,
      ack_policy: AckPolicy.None,
      mem_storage: true,
      num_replicas: 1,
      // The server drops it soon after its reader died; a reader that was merely slow makes a new one.
      inactive_threshold: nanos(30_000),
      ...(filterSubjects.length === 1
        ? { filter_subject: filterSubjects[0] }
        : { filter_subjects: [...filterSubjects] }),
    });
    let buffered: LogEntry[] = [];
    let pending = info.num_pending;
    let expectedConsumerSeq = 1;
    let ended: string | undefined;
    let first = true;
    let notify: () => void = () => undefined;
    const session = new PullSession(nc, info.name, prefix, {
      onMessage: (message: Msg, delivery: DeliveryInfo) => {
        // A gap means that a delivery was dropped on the way (slow consumer): start again behind the last one seen.
        if (delivery.consumerSeq !== expectedConsumerSeq) {
          session.end("a delivery is missing");
          return;
        }
        expectedConsumerSeq++;
        pending = delivery.pending;
        buffered.push(
          entryOf(message, { seq: delivery.streamSeq, subject: message.subject, storedAtMs: delivery.storedAtMs }),
        );
        notify();
      },
      onEnd: (reason) => {
        ended = reason;
        notify();
      },
      onExpired: () => notify(),
    });
    const forget = onReconnect(() => session.end("the connection was renewed"));
    const abort = (): void => session.end("closed");
    signal.addEventListener("abort", abort, { once: true });
    return (async function* () {
      try {
        while (true) {
          if (session.requested === 0 && buffered.length === 0) session.pull(maxBuffered);
          if (buffered.length > 0 || (first && pending === 0)) {
            first = false;
            const events = buffered;
            buffered = [];
            yield { events, pending };
            continue;
          }
          if (ended !== undefined) break;
          await new Promise<void>((resolve) => (notify = resolve));
        }
        if (!signal.aborted) report(`read session ended: ${ended ?? ""}`);
      } finally {
        session.end("closed");
        forget();
        signal.removeEventListener("abort", abort);
        if (!nc.isClosed()) jsm.consumers.delete(STREAM, info.name).catch(() => undefined);
      }
    })();
  }

  return {
    append: createAppender(nc, connection),
    fetch,
    get,
    identity,
    read,
    queue: (queueOptions) => createQueueReader({ nc, prefix, onReconnect, report, entryOf }, queueOptions),
    queueFloor: async (queue) => {
      try {
        return (await jsm.consumers.info(STREAM, queue)).ack_floor.stream_seq + 1;
      } catch (error) {
        throw new TaffrailError("BUS_UNAVAILABLE", `the queue ${queue} does not answer`, {}, error);
      }
    },
  };
}
