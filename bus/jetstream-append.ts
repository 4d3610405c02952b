/** Appending to the stream: shared by the core's log and by what a channel's account may do. */
import { jetstream, JetStreamApiError, type PubAck } from "@nats-io/jetstream";
import { errors, headers as makeHeaders, type NatsConnection } from "nats";
import { encodeEvent } from "./codec.ts";
import type { ConnectionWatch } from "./connection-watch.ts";
import { TaffrailError } from "./errors.ts";
import type { NewEvent } from "./event.ts";
import type { AppendAck, Log } from "./log.ts";
import type { Lane } from "./subjects.ts";

/** An append is one fsync, 0.6 ms here and 20–100 ms on an SD card; beyond this the broker is stuck or gone. */
const APPEND_TIMEOUT_MS = 3_000;
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
/** Server errors that mean "no room": store limits, account limits, insufficient resources. */
const NO_ROOM = new Set([10023, 10047, 10077, 10122]);

function appendError(error: unknown, lane: Lane): TaffrailError {
  if (error instanceof JetStreamApiError) {
    if (WRONG_LAST_SEQUENCE.has(error.code)) {
      const lastSeq = /wrong last sequence: (\d+)/.exec(error.message)?.[1];
      return new TaffrailError(
        "BUS_APPEND_CONFLICT",
        `another event stands on ${lane.fence}`,
        { fence: lane.fence, ...(lastSeq === undefined ? {} : { lastSeq: Number(lastSeq) }) },
        error,
      );
    }
    if (NO_ROOM.has(error.code)) return new TaffrailError("BUS_STREAM_FULL", error.message, {}, error);
    return new TaffrailError("BUS_STORE_FAILED", `the broker refused the append: ${error.message}`, {}, error);
  }
  if (
    error instanceof errors.PermissionViolationError ||
    (error as Error)?.cause instanceof errors.PermissionViolationError
  )
    return new TaffrailError("BUS_APPEND_DENIED", `no permission to append to ${lane.subject}`, {}, error);
  // Timeout, no responders (stream not up yet) or a lost connection: it may be stored or not.
  return new TaffrailError("BUS_APPEND_UNKNOWN", `no answer to the append to ${lane.subject}`, {}, error);
}

/** The `append` of the port `Log`. */
export function createAppender(nc: NatsConnection, connection: ConnectionWatch): Log["append"] {
  const js = jetstream(nc, { timeout: APPEND_TIMEOUT_MS });
  return async function append(lane: Lane, expectedLastSeq: number, event: NewEvent): Promise<AppendAck> {
    const encoded = encodeEvent(event, lane.subject);
    const headers = makeHeaders();
    for (const [name, value] of Object.entries(encoded.headers)) headers.set(name, value);
    const expect =
      lane.fence === lane.subject
        ? { lastSubjectSequence: expectedLastSeq }
        : { lastSubjectSequence: expectedLastSeq, lastSubjectSequenceSubject: lane.fence };
    // What is published while the connection is down is lost: wait, so that "not sent" stays certain.
    if (!(await connection.whenConnected(APPEND_TIMEOUT_MS)))
      throw new TaffrailError("BUS_UNAVAILABLE", "the broker is not there", { subject: lane.subject });
    const ack = await new Promise<PubAck>((resolve, reject) => {
      const forget = connection.onChange(() => reject(appendError(new Error("the connection fell"), lane)));
      js.publish(lane.subject, encoded.payload, { headers, expect, timeout: APPEND_TIMEOUT_MS, retries: 0 })
        .then(resolve, (error: unknown) => reject(appendError(error, lane)))
        .finally(forget);
    });
    if (ack.duplicate) throw new TaffrailError("BUS_APPEND_DUPLICATE", `the broker took ${event.id} for a duplicate`);
    return { seq: ack.seq };
  };
}
