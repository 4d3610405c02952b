/** The CLI's own connection to the broker of a running Taffrail, as the core user `cli`. */
import { keyPaths } from "../../bus/accounts/key-files.ts";
import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import { TaffrailError } from "../../bus/errors.ts";
import { createJetStreamLog } from "../../bus/jetstream-log.ts";
import type { Log } from "../../bus/log.ts";
import { askStatus } from "../supervisor/control.ts";
import { access } from "./access.ts";

/** Connects, runs `use` and closes. @throws NOT_RUNNING, BUS_UNAVAILABLE */
export async function withBus<T>(home: string, use: (nc: NatsConnection) => Promise<T>): Promise<T> {
  const { run } = await askStatus(home);
  if (run === undefined) throw new TaffrailError("NOT_RUNNING", "Taffrail is still starting", { home });
  const nc = await connectBus({ server: run.bus, credsFile: keyPaths(home).creds(access.user), name: access.user });
  try {
    return await use(nc);
  } finally {
    await nc.close();
  }
}

/** Connects to the log, runs `use` and closes. @throws NOT_RUNNING, BUS_UNAVAILABLE */
export function withLog<T>(home: string, use: (log: Log) => Promise<T>): Promise<T> {
  return withBus(home, async (nc) => use(await createJetStreamLog(nc, { name: access.user })));
}
