/** Questions to the broker's monitoring port. node:http, because fetch costs ten megabytes at its first call. */
import { get, type Agent } from "node:http";

/** The largest answer asked for, of a few dozen accounts, has some ten kilobytes. */
const MAX_ANSWER_CHARS = 1_000_000;

export interface MonitorAnswer {
  readonly status: number;
  readonly body: string;
}

/** Undefined when there is no answer within `timeoutMs`. Never rejects. */
export function askMonitor(
  port: number,
  path: string,
  timeoutMs: number,
  agent?: Agent,
): Promise<MonitorAnswer | undefined> {
  return new Promise((resolve) => {
    const finish = (answer?: MonitorAnswer): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    const request = get({ host: "127.0.0.1", port, path, agent }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        body += part;
        if (body.length > MAX_ANSWER_CHARS) request.destroy();
      });
      response.on("end", () => finish({ status: response.statusCode ?? 0, body }));
      response.on("error", () => finish());
    });
    // Over the whole exchange; a socket's own timeout counts idle time only.
    const timer = setTimeout(() => {
      request.destroy();
      finish();
    }, timeoutMs);
    request.on("error", () => finish());
  });
}

/**
 * What a message costs the broker whatever its length, as bytes: its counters leave that out (half a million messages of two
 * bytes count as one megabyte), and tiny messages come at over 100,000 a second. 20,000 of them weigh as the flood bound.
 */
const MESSAGE_WEIGHT_BYTES = 1_600;

/** Bytes and messages that the clients of each account sent since the broker's start, as bytes, by its public key. */
export async function accountLoad(
  port: number,
  timeoutMs: number,
  agent?: Agent,
): Promise<ReadonlyMap<string, number>> {
  const answer = await askMonitor(port, "/accstatz", timeoutMs, agent);
  if (answer?.status !== 200) return new Map();
  const { account_statz: accounts = [] } = JSON.parse(answer.body) as {
    account_statz?: { acc: string; received?: { bytes?: number; msgs?: number } }[];
  };
  return new Map(
    accounts.map(({ acc, received }) => [acc, (received?.bytes ?? 0) + (received?.msgs ?? 0) * MESSAGE_WEIGHT_BYTES]),
  );
}
