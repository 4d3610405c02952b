/**
 * A connection that may do everything in the core account, made from the keys of a test's own state folder: it reads the log,
 * sees each attempt to append to it, also the refused ones, and can append what no process would.
 */
import { join } from "node:path";
import { fromSeed } from "@nats-io/nkeys";
import { readFileSync, writeFileSync } from "node:fs";
import { keyPaths } from "../../bus/accounts/key-files.ts";
import { CORE_ACCOUNT } from "../../bus/accounts/minting.ts";
import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import type { StoredEvent } from "../../bus/event.ts";
import { createJetStreamLog } from "../../bus/jetstream-log.ts";
import type { Log } from "../../bus/log.ts";
import { LOG_ROOT } from "../../bus/subjects.ts";
import { readRunFile } from "../../ops/supervisor/run-files.ts";
import type { DataOf, MessageType } from "../../schemas/index.ts";
import { forgedCreds } from "../support/attack-stage.ts";
import { until } from "../support/system.ts";

/** An append as it was sent, whether the log took it or not. */
export interface Attempt {
  readonly subject: string;
  readonly type: string;
  readonly data: Record<string, unknown>;
}

export interface Spy {
  readonly nc: NatsConnection;
  readonly log: Log;
  /** Everything sent to `log.>` and `live.>` since the spy came, in the order the broker got it. */
  readonly attempts: readonly Attempt[];
  /** All events of the log that a schema reads. */
  events(): Promise<StoredEvent[]>;
  /** Waits for the first event of `type` whose data has these members. */
  event<T extends MessageType>(type: T, wanted: Partial<DataOf[T]>): Promise<StoredEvent<T>>;
  close(): Promise<void>;
}

/** True when `data` has all members of `wanted`. */
export function has(data: object, wanted: object): boolean {
  const given = data as Record<string, unknown>;
  return Object.entries(wanted).every(([name, value]) => given[name] === value);
}

export async function openSpy(home: string): Promise<Spy> {
  const run = readRunFile(home);
  if (run === undefined) throw new Error("nothing runs there");
  const identity = fromSeed(readFileSync(keyPaths(home).accountIdentity(CORE_ACCOUNT)));
  const credsFile = join(home, "spy.creds");
  writeFileSync(credsFile, await forgedCreds(home, CORE_ACCOUNT, identity.getPublicKey(), "spy"), { mode: 0o600 });
  const nc = await connectBus({ server: run.bus, credsFile, name: "spy" });
  const log = await createJetStreamLog(nc, { name: "spy" });
  const attempts: Attempt[] = [];
  for (const subject of [LOG_ROOT, "live.>"]) {
    nc.subscribe(subject, {
      callback: (error, message) => {
        if (error) return;
        let data: Record<string, unknown> = {};
        try {
          data = message.json();
        } catch {
          // Poison that a test appends is no JSON.
        }
        attempts.push({ subject: message.subject, type: message.headers?.get("ce-type") ?? "", data });
      },
    });
  }
  // The subscriptions stand before the first message is sent.
  await nc.flush();

  const known: StoredEvent[] = [];
  let position = 0;
  async function events(): Promise<StoredEvent[]> {
    const fresh = await log.fetch({ filter: LOG_ROOT, fromSeq: position + 1, limit: 100_000 });
    for (const entry of fresh) {
      // Two calls at once read the same stretch.
      if (entry.seq <= position) continue;
      position = entry.seq;
      if (entry.type !== "unreadable") known.push(entry);
    }
    return known;
  }

  return {
    nc,
    log,
    attempts,
    events,
    event: (type, wanted) =>
      until(`${type} ${JSON.stringify(wanted)}`, async () => {
        const found = (await events()).find((event) => event.type === type && has(event.data, wanted));
        return found as never;
      }),
    close: () => nc.close(),
  };
}
