/** A state folder whose log is large before its first start. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DeliverPolicy, jetstreamManager } from "@nats-io/jetstream";
import { fromSeed } from "@nats-io/nkeys";
import { keyPaths } from "../../bus/accounts/key-files.ts";
import { CORE_ACCOUNT } from "../../bus/accounts/minting.ts";
import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import { tokenMint } from "../../bus/ids.ts";
import { ensureLog } from "../../bus/jetstream-setup.ts";
import { WAKE_QUEUE } from "../../bus/log.ts";
import { STREAM } from "../../bus/subjects.ts";
import { brokerConfig } from "../../ops/nats/config.ts";
import { mintKeys } from "../../ops/supervisor/prepare.ts";
import { forgedCreds, runServer } from "./attack-stage.ts";
import { writeBulkLog, type BulkOptions } from "./bulk-log.ts";
import { freePort } from "./system.ts";

/** The product lowers or raises it at its start; an event of these has 850 bytes on disk. */
const maxLogBytes = (count: number): number => 64 * 1024 * 1024 + count * 950;

/**
 * Makes keys and log in `home` and appends the events with a broker of its own, which does not sync each of them: this log
 * is made for a test. Returns its last sequence.
 */
export async function makeBulkHome(home: string, options: Omit<BulkOptions, "mint" | "firstSeq">): Promise<number> {
  const minted = await mintKeys(home);
  const maxBytes = maxLogBytes(options.count);
  const [port, monitorPort] = [await freePort(), await freePort()];
  const text = brokerConfig({ home, port, monitorPort, minted, maxStoreBytes: 2 * maxBytes })
    .replace("sync_interval: always", 'sync_interval: "2m"')
    .replace("max_buffered_msgs: 512", "max_buffered_msgs: 10000");
  const config = join(home, "broker", "bulk.conf");
  writeFileSync(config, text, { mode: 0o600 });
  const broker = await runServer(config, monitorPort);
  try {
    const identity = fromSeed(readFileSync(keyPaths(home).accountIdentity(CORE_ACCOUNT)));
    const credsFile = join(home, "bulk.creds");
    writeFileSync(credsFile, await forgedCreds(home, CORE_ACCOUNT, identity.getPublicKey(), "bulk"), { mode: 0o600 });
    const nc = await connectBus({ server: `127.0.0.1:${port}`, credsFile, name: "bulk" });
    await ensureLog(nc, { replicas: 1, maxBytes });
    const lastSeq = await writeBulkLog(nc, { ...options, mint: tokenMint(readFileSync(keyPaths(home).installKey)) });
    await settleWakes(nc, lastSeq);
    await nc.close();
    return lastSeq;
  } finally {
    await broker.stop("SIGTERM");
  }
}

/** The turns have ended: their wakes must not be handed to the runners one by one. */
async function settleWakes(nc: NatsConnection, lastSeq: number): Promise<void> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  const { config } = await jsm.consumers.info(STREAM, WAKE_QUEUE);
  await jsm.consumers.delete(STREAM, WAKE_QUEUE);
  await jsm.consumers.add(STREAM, {
    ...config,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: lastSeq + 1,
  });
}
