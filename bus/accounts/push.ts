/** Live changes of accounts: the broker takes them without a restart and writes them to its resolver folder. */
import type { NatsConnection } from "nats";
import { TaffrailError } from "../errors.ts";
import { resignAccount, type MintedAccount } from "./minting.ts";

const PUSH_TIMEOUT_MS = 5000;

/**
 * Tells the broker an account; it is in force when this resolves. Needs a connection of the system user.
 * @throws BUS_UNAVAILABLE when the broker does not answer or refuses it.
 */
export async function pushAccount(system: NatsConnection, account: Pick<MintedAccount, "name" | "jwt">): Promise<void> {
  let answer: { data?: { code?: number }; error?: { description?: string } };
  try {
    const reply = await system.request("$SYS.REQ.CLAIMS.UPDATE", account.jwt, { timeout: PUSH_TIMEOUT_MS });
    answer = reply.json();
  } catch (error) {
    throw new TaffrailError("BUS_UNAVAILABLE", `the broker does not take the account ${account.name}`, {}, error);
  }
  if (answer.data?.code !== 200) {
    const reason = answer.error?.description ?? "no reason given";
    throw new TaffrailError("BUS_UNAVAILABLE", `the broker refuses the account ${account.name}: ${reason}`);
  }
}

/** Cuts all connections of a flooder's account and allows no new one, also after a restart, until openAccount. */
export async function closeAccount(system: NatsConnection, home: string, name: string): Promise<void> {
  await pushAccount(system, await resignAccount(home, name, true));
}

/** Opens an account that was closed. */
export async function openAccount(system: NatsConnection, home: string, name: string): Promise<void> {
  await pushAccount(system, await resignAccount(home, name, false));
}
