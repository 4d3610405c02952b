/** Writes the broker's configuration for a state folder. It holds no secret: JWTs are public statements. */
import { join } from "node:path";
import { writeSecret } from "../../bus/accounts/key-files.ts";
import type { Minted } from "../../bus/accounts/minting.ts";
import { MAX_EVENT_BYTES } from "../../bus/log.ts";

export interface BrokerConfigOptions {
  readonly home: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly minted: Pick<Minted, "operatorJwt" | "systemAccount" | "accounts">;
  /** Bytes the broker may use on disk; at least the stream's max_bytes. Absent: three quarters of what is free. */
  readonly maxStoreBytes?: number;
}

export interface BrokerFiles {
  readonly config: string;
  readonly pid: string;
  readonly store: string;
}

/** Where the broker's files lie in a state folder. */
export function brokerFiles(home: string): BrokerFiles {
  const folder = join(home, "broker");
  return { config: join(folder, "nats.conf"), pid: join(folder, "nats.pid"), store: join(folder, "jetstream") };
}

/** JSON strings are strings of the broker's syntax too, whatever stands in a path. */
const quoted = JSON.stringify;

/** The configuration as text. */
export function brokerConfig(options: BrokerConfigOptions): string {
  const { minted, home } = options;
  const files = brokerFiles(home);
  const preload = minted.accounts.map((account) => `  ${account.publicKey}: ${quoted(account.jwt)}`);
  return `# Written at every start; changes here are lost.
server_name: taffrail
listen: "127.0.0.1:${options.port}"
http: "127.0.0.1:${options.monitorPort}"
pid_file: ${quoted(files.pid)}
# To stderr, where the supervisor reads it and adds the time.
logtime: false

max_payload: ${MAX_EVENT_BYTES}
# The accounts allow 128 for core and few per channel and sandbox; more is a defect or an attack.
max_connections: 512
# What one connection may leave unread before it is cut: eight of the largest messages.
max_pending: ${8 * MAX_EVENT_BYTES}
# A peer that takes nothing for this long is gone; core processes read all the time.
write_deadline: "5s"
# A stopped process is noticed within half a minute; work is taken over by leases long before.
ping_interval: "10s"
ping_max: 2
# Without a signature within this time the connection is cut.
authorization: { timeout: 3 }

jetstream: {
  store_dir: ${quoted(files.store)}
  # Each append is on the disk before it is acknowledged (DESIGN 3).
  sync_interval: always
  # The log is on disk; memory streams do not exist here.
  max_memory_store: 0${options.maxStoreBytes === undefined ? "" : `\n  max_file_store: ${options.maxStoreBytes}`}
  # Appends that wait for the disk, 0.3 s of them on a desktop. Those above it are refused at once (10167) and tried
  # again; in the default queue of 10,000 they would wait longer than any publisher does.
  max_buffered_msgs: 512
}

operator: ${quoted(minted.operatorJwt)}
system_account: ${quoted(minted.systemAccount)}
resolver: {
  type: full
  dir: ${quoted(join(home, "broker", "resolver"))}
  # Accounts are closed, never forgotten.
  allow_delete: false
  interval: "2m"
}
# The broker keeps the newer of this and what lies in the resolver folder.
resolver_preload: {
${preload.join("\n")}
}
`;
}

/** Writes the configuration (0600) and returns the files; start the broker with `-c <config>` and nothing else. */
export async function writeBrokerConfig(options: BrokerConfigOptions): Promise<BrokerFiles> {
  const files = brokerFiles(options.home);
  await writeSecret(files.config, brokerConfig(options));
  return files;
}
