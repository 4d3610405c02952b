/** The port `Live` on core NATS. */
import { errors, type NatsConnection, type Msg } from "nats";
import { describeError, TaffrailError } from "./errors.ts";
import { boundedJson, type Live } from "./live.ts";

/** Bytes waiting for a slow or lost broker before tokens and figures are dropped rather than kept. */
const MAX_PENDING_BYTES = 4 * 1024 * 1024;

function parse(message: Msg): unknown {
  try {
    return JSON.parse(message.string()) as unknown;
  } catch {
    return undefined;
  }
}

/** An answer too large for the broker is told as such: silence would look like a dead service. */
function respond(message: Msg, answer: unknown): void {
  try {
    message.respond(JSON.stringify(answer));
  } catch (failure) {
    const error = {
      code: "REQUEST_TOO_LARGE",
      message: `the answer does not fit a message: ${describeError(failure)}`,
    };
    message.respond(JSON.stringify({ error }));
  }
}

export function createNatsLive(nc: NatsConnection): Live {
  // What the client buffers while the broker is away is not bounded by the library; ephemeral data is bounded here.
  let pendingBytes = 0;
  let connected = true;
  void (async () => {
    for await (const status of nc.status()) {
      if (status.type === "disconnect") connected = false;
      if (status.type === "reconnect") {
        connected = true;
        pendingBytes = 0;
      }
    }
  })();
  return {
    publish(subject, data, bound) {
      if (nc.isClosed()) return;
      const payload = boundedJson(data, bound);
      if (!connected) {
        pendingBytes += payload.length;
        if (pendingBytes > MAX_PENDING_BYTES) return;
      }
      try {
        nc.publish(subject, payload);
      } catch {
        // Larger than a message may be: ephemeral, so it is dropped; whoever misses it asks.
      }
    },
    subscribe(subject, handler) {
      const subscription = nc.subscribe(subject, {
        callback: (error, message) => {
          if (error) return;
          const data = parse(message);
          if (data !== undefined) handler(data, message.subject);
        },
      });
      return () => {
        if (!nc.isClosed()) subscription.unsubscribe();
      };
    },
    async request(subject, data, timeoutMs) {
      try {
        return parse(await nc.request(subject, JSON.stringify(data), { timeout: timeoutMs }));
      } catch (error) {
        const nobody =
          error instanceof errors.NoRespondersError || (error as Error)?.cause instanceof errors.NoRespondersError;
        throw nobody
          ? new TaffrailError("BUS_UNAVAILABLE", `nobody serves ${subject}`, {}, error)
          : new TaffrailError("BUS_REQUEST_TIMEOUT", `no answer from ${subject}`, {}, error);
      }
    },
    serve(subject, handler, queue) {
      const subscription = nc.subscribe(subject, {
        ...(queue === undefined ? {} : { queue }),
        callback: (error, message) => {
          if (error) return;
          handler(parse(message))
            .catch((failure: unknown) => ({
              error: {
                code: failure instanceof TaffrailError ? failure.code : "HANDLER_FAILED",
                message: describeError(failure),
              },
            }))
            .then((answer) => {
              if (answer !== undefined && !nc.isClosed()) respond(message, answer);
            })
            .catch(() => undefined);
        },
      });
      return () => {
        if (!nc.isClosed()) subscription.unsubscribe();
      };
    },
  };
}
