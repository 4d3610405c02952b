/** Who floods: the broker limits connections and sizes of an account, but no rate, so its counters are watched. */
import type { NatsConnection } from "nats";
import { TaffrailError } from "../errors.ts";

export interface AccountTraffic {
  /** Public key of the account. */
  readonly account: string;
  /** What its clients sent since the broker started. */
  readonly messages: number;
  /** Payloads and headers only: half a million messages of two bytes count as one megabyte (measured). */
  readonly bytes: number;
}

/**
 * A page full of chats makes tens of messages a second; the broker stores about 1,600 appends a second on a desktop.
 * Who sends more than that for a whole interval keeps everybody else's appends waiting.
 */
const FLOOD_MESSAGES_PER_S = 2_000;
/** Sixteen of the largest messages a second: above any upload, below what fills a disk within minutes. */
const FLOOD_BYTES_PER_S = 16 * 1_048_576;
const REQUEST_TIMEOUT_MS = 3_000;

/**
 * Counters of all accounts with connections. Needs a connection of the system user.
 * @throws BUS_UNAVAILABLE when the broker does not answer.
 */
export async function readTraffic(system: NatsConnection): Promise<AccountTraffic[]> {
  type Statz = { data?: { account_statz?: { acc: string; received: { msgs: number; bytes: number } }[] } };
  try {
    const reply = await system.request("$SYS.REQ.ACCOUNT.PING.STATZ", "{}", { timeout: REQUEST_TIMEOUT_MS });
    const { data } = reply.json<Statz>();
    return (data?.account_statz ?? []).map(({ acc, received }) => ({
      account: acc,
      messages: received.msgs,
      bytes: received.bytes,
    }));
  } catch (error) {
    throw new TaffrailError("BUS_UNAVAILABLE", "the broker does not tell its accounts' figures", {}, error);
  }
}

/** Accounts that sent too much between two readings `elapsedMs` apart. Core and system are for the caller to leave out. */
export function flooders(
  before: readonly AccountTraffic[],
  now: readonly AccountTraffic[],
  elapsedMs: number,
): string[] {
  const seconds = elapsedMs / 1000;
  return now
    .filter(({ account, messages, bytes }) => {
      const earlier = before.find((reading) => reading.account === account);
      const sent = messages - (earlier?.messages ?? 0);
      const sentBytes = bytes - (earlier?.bytes ?? 0);
      return sent > FLOOD_MESSAGES_PER_S * seconds || sentBytes > FLOOD_BYTES_PER_S * seconds;
    })
    .map(({ account }) => account);
}
