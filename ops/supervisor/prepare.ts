/** Everything before the first process: checks in the order a person can act on them, keys, the broker's files. */
import { hostname } from "node:os";
import { channelAccountName, mintHome, resignAccount, type Minted } from "../../bus/accounts/minting.ts";
import type { Config } from "../config/config.ts";
import { brokerFiles, writeBrokerConfig } from "../nats/config.ts";
import { declarations } from "../nats/declarations.ts";
import type { BrokerPlace } from "./broker.ts";
import { checkBrokerProgram, checkPort, checkSpace, effectiveMaxBytes, folderBytes, freePorts } from "./checks.ts";
import { hostToken } from "./process-list.ts";
import { canDieWithParent } from "./spawn-child.ts";

/** Web chats belong to it unless moved. */
const GROUPS = ["main"];
/** What the broker may use beyond the log itself: consumer state and the account of its own metadata. */
const BROKER_EXTRA_BYTES = 64 * 1024 * 1024;

export const channelNames: readonly string[] = declarations.flatMap((access) =>
  access.type === "channel" ? [access.channel] : [],
);

export interface Prepared {
  readonly port: number;
  readonly broker: BrokerPlace;
  readonly brokerVersion: string;
  readonly minted: Minted;
  readonly maxBytes: number;
  readonly host: string;
  readonly dieWithParent: boolean;
}

/**
 * Call with the state folder checked and taken.
 * @throws DISK_FULL, PORT_TAKEN, BROKER_NOT_FOUND, BROKER_TOO_OLD
 */
export async function prepare(config: Config, env: NodeJS.ProcessEnv): Promise<Prepared> {
  const { home } = config;
  const free = checkSpace(home);
  const port = await checkPort(config.port);
  const [program, ports, dieWithParent, minted] = await Promise.all([
    checkBrokerProgram(config.broker.path, env),
    freePorts(2),
    canDieWithParent(),
    mintOpen(home),
  ]);
  const [busPort = 0, monitorPort = 0] = ports;
  const maxBytes = effectiveMaxBytes(config.log.maxBytes, free, folderBytes(brokerFiles(home).store));
  const maxStoreBytes = maxBytes + BROKER_EXTRA_BYTES;
  const files = await writeBrokerConfig({ home, port: busPort, monitorPort, minted, maxStoreBytes });
  return {
    port,
    broker: { path: program.path, config: files.config, port: busPort, monitorPort },
    brokerVersion: program.version,
    minted,
    maxBytes,
    host: hostToken(hostname()),
    dieWithParent,
  };
}

/** A channel that was closed for a flood opens again with the next start: nothing would be left to open it. */
async function mintOpen(home: string): Promise<Minted> {
  for (const channel of channelNames) {
    // There is no account before the first start.
    await resignAccount(home, channelAccountName(channel), false).catch(() => undefined);
  }
  return mintKeys(home);
}

/** Makes and renews keys, accounts and credentials of a state folder. */
export function mintKeys(home: string): Promise<Minted> {
  return mintHome({ home, access: declarations, groups: GROUPS, nowMs: Date.now() });
}
