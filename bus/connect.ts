/** Opens the connection of one process: its own credentials, its own inbox prefix, reconnects for ever. */
import { readFileSync } from "node:fs";
import { connect, credsAuthenticator, type NatsConnection } from "nats";
import { TaffrailError } from "./errors.ts";

export type { NatsConnection } from "nats";

interface Place {
  /** `host:port` of the broker. */
  readonly server: string;
  /** The user's name: also its inbox prefix, so that no other user may read its replies. */
  readonly name: string;
}

/** Credentials lie in a file, or were made for this connection alone. */
export type BusAddress = Place & ({ readonly credsFile: string } | { readonly creds: Uint8Array });

/** @throws BUS_UNAVAILABLE when the broker does not answer or refuses the credentials. */
export async function connectBus(address: BusAddress): Promise<NatsConnection> {
  try {
    return await connect({
      servers: address.server,
      name: address.name,
      inboxPrefix: inboxPrefix(address.name),
      // Read again at each reconnect, so that renewed credentials take effect without a restart.
      authenticator: (nonce) =>
        credsAuthenticator("creds" in address ? address.creds : readFileSync(address.credsFile))(nonce),
      maxReconnectAttempts: -1,
      // A killed broker is back in about 300 ms; a turn should go on well within 2 s.
      reconnectTimeWait: 100,
      reconnectJitter: 50,
      // The supervisor notices a frozen broker within ten seconds and ends it; this is for a path that went silent.
      pingInterval: 20_000,
      maxPingOut: 2,
      timeout: 5_000,
      // A stack for each request, kept in case it fails, costs more than the request; our errors name the lane.
      noAsyncTraces: true,
      // A burst of refusals while accounts change must not end the process.
      ignoreAuthErrorAbort: true,
    });
  } catch (error) {
    throw new TaffrailError("BUS_UNAVAILABLE", `no connection to the broker at ${address.server}`, {}, error);
  }
}

export function inboxPrefix(name: string): string {
  return `_INBOX_${name}`;
}
