/** Credentials expire; while Taffrail runs they are made anew a week before (bus/accounts). */
import { SYS_USER, type Minted } from "../../bus/accounts/minting.ts";
import { pushAccount } from "../../bus/accounts/push.ts";
import { connectBus } from "../../bus/connect.ts";
import { describeError } from "../../bus/errors.ts";
import type { Output } from "./output.ts";

/** A renewal may fail seven times before anybody is locked out. */
const EVERY_MS = 86_400_000;

/** Looks once a day; returns what ends it. */
export function startRenewal(server: string, mint: () => Promise<Minted>, output: Output): () => void {
  const renew = async (): Promise<void> => {
    const minted = await mint();
    if (minted.renewed.length > 0) output.say("info", "credentials were renewed", { users: minted.renewed.join(",") });
    if (minted.changed.length === 0) return;
    const system = await connectBus({ server, credsFile: minted.credsFile(SYS_USER), name: SYS_USER });
    try {
      for (const account of minted.accounts.filter(({ name }) => minted.changed.includes(name)))
        await pushAccount(system, account);
    } finally {
      await system.close();
    }
  };
  const timer = setInterval(() => {
    renew().catch((error: unknown) => output.say("warn", `credentials could not be renewed: ${describeError(error)}`));
  }, EVERY_MS);
  return () => clearInterval(timer);
}
