/** Makes the log's stream and its work queue, and refuses a stream that is not safe (stream-checks.ts). */
import {
  AckPolicy,
  DiscardPolicy,
  jetstreamManager,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "nats";
import { MAX_EVENT_BYTES, WAKE_ACK_WAIT_MS, WAKE_QUEUE } from "./log.ts";
import { checkStream } from "./stream-checks.ts";
import { filters, LOG_ROOT, STREAM } from "./subjects.ts";

export interface LogSettings {
  /** 1 on one host, 3 on a cluster. */
  readonly replicas: 1 | 3;
  /** The stream refuses appends beyond this (`discard: new`); the supervisor keeps a reserve below it. */
  readonly maxBytes: number;
}

/** Most turns handed out and not settled at once over all runners; more wait in the log. */
const MAX_WAKES_OUT = 1_000;

/** Creates or updates stream and queue; running it twice changes nothing. */
export async function ensureLog(nc: NatsConnection, settings: LogSettings): Promise<void> {
  const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: 5_000 });
  const wanted: Partial<StreamConfig> & { name: string } = {
    name: STREAM,
    subjects: [LOG_ROOT],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    num_replicas: settings.replicas,
    max_bytes: settings.maxBytes,
    max_msg_size: MAX_EVENT_BYTES,
    allow_direct: true,
    allow_rollup_hdrs: false,
    // The server's shortest window: no core append sets a message id, so it must never matter.
    duplicate_window: nanos(100),
  };
  const present = await jsm.streams.info(STREAM).catch(() => undefined);
  const info =
    present === undefined
      ? await jsm.streams.add(wanted as StreamConfig & { name: string })
      : present.config.max_bytes !== settings.maxBytes || present.config.num_replicas !== settings.replicas
        ? await jsm.streams.update(STREAM, { max_bytes: settings.maxBytes, num_replicas: settings.replicas })
        : present;
  checkStream(info.config);
  const queue = {
    durable_name: WAKE_QUEUE,
    filter_subject: filters.wakes,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(WAKE_ACK_WAIT_MS),
    max_ack_pending: MAX_WAKES_OUT,
    max_deliver: -1,
    replay_policy: ReplayPolicy.Instant,
  };
  const have = await jsm.consumers.info(STREAM, WAKE_QUEUE).catch(() => undefined);
  if (have === undefined) await jsm.consumers.add(STREAM, queue);
}
