/** The port `Log` on JetStream. */
import { jetstreamManager, AckPolicy, DeliverPolicy, type JetStreamManager } from "@nats-io/jetstream";
import { nanos, type Msg, type NatsConnection } from "nats";
import { decodeEvent } from "./codec.ts";
import { inboxPrefix } from "./connect.ts";
import { watchConnection } from "./connection-watch.ts";
import { TaffrailError } from "./errors.ts";
import type { LogEntry } from "./event.ts";
import { createAppender } from "./jetstream-append.ts";
import { headerReader } from "./header-reader.ts";
import { createDirectReads } from "./jetstream-direct.ts";
import { PullSession, type DeliveryInfo } from "./jetstream-pull.ts";
import { createQueueReader } from "./jetstream-queue.ts";
import type { Log, LogBatch, LogIdentity, ReadOptions } from "./log.ts";
import { filterTest, LOG_ROOT, STREAM } from "./subjects.ts";

const REQUEST_TIMEOUT_MS = 3_000;
/** Reader's default buffer: some hundred events of some kB stay far below 1 MB. */
const DEFAULT_MAX_BUFFERED = 256;

function entryOf(
  message: Msg,
  { seq, subject, storedAtMs }: { seq: number; subject: string; storedAtMs: number },
): LogEntry {
  return decodeEvent({ seq, subject, storedAtMs, payload: message.data, header: headerReader(message) });
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

  const direct = createDirectReads(nc, connection, prefix);

  async function get(seq: number): Promise<LogEntry | undefined> {
    const [entry] = await direct({ filter: LOG_ROOT, fromSeq: seq, toSeq: seq, limit: 1 }, entryOf);
    return entry;
  }

  async function identity(): Promise<LogIdentity> {
    try {
      const info = await jsm.streams.info(STREAM);
      return { created: info.created, lastSeq: info.state.last_seq };
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
      // With several filters nats-server 2.15 finds 2,000 events a second in a long log, with one 40,000: what is read too
      // much is dropped here, undecoded.
      filter_subject: filterSubjects.length === 1 ? filterSubjects[0] : LOG_ROOT,
    });
    const wanted = filterTest(filterSubjects);
    let buffered: LogEntry[] = [];
    let pending = info.num_pending;
    let expectedConsumerSeq = 1;
    let ended: string | undefined;
    /** What the reader was told last: it must hear of 0. */
    let told: number | undefined;
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
        if (!wanted(message.subject)) {
          // Nobody waits for it, but the reader may wait to hear that nothing more comes, or for the next pull.
          if (pending === 0 || session.requested <= maxBuffered / 2) notify();
          return;
        }
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
          // Asked for again at half: the broker need not wait for the reader, nor the reader for the broker.
          const room = maxBuffered - session.requested - buffered.length;
          if (room >= maxBuffered / 2) session.pull(room);
          if (buffered.length > 0 || (pending === 0 && told !== 0)) {
            told = pending;
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
    fetch: (fetchOptions) => direct(fetchOptions, entryOf),
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
