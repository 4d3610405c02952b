/**
 * A broker with the accounts of the present declarations, a second channel made up for the attacks, and a group; and
 * the credentials of everybody, among them those of attackers who got hold of more than they should.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { createUser, encodeUser, fmtCreds, fromSeed, type User } from "@nats-io/jwt";
import type { Access, ChannelAccess } from "../../bus/accounts/access.ts";
import { ownDirectGet } from "../../bus/accounts/access.ts";
import { keyPaths, writeSecret } from "../../bus/accounts/key-files.ts";
import { CORE_ACCOUNT, mintHome, mintTurnCredentials, type Minted } from "../../bus/accounts/minting.ts";
import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import { ensureLog } from "../../bus/jetstream-setup.ts";
import { checkStream } from "../../bus/stream-checks.ts";
import { checkBroker } from "../../ops/nats/checks.ts";
import { writeBrokerConfig } from "../../ops/nats/config.ts";
import { declarations } from "../../ops/nats/declarations.ts";
import { findNatsServer } from "../../ops/setup/nats-server.mjs";
import { freePort, spawnTied } from "./broker.ts";
import { WireClient } from "./attack-wire.ts";

/** Made up: a channel like those to come, with an outbox of its own. */
export const otherChannel: ChannelAccess = {
  type: "channel",
  channel: "other",
  services: ["log.in.other.>", "log.cmd.other.*", "log.out.other.*", "stats.*.other", ownDirectGet("in", "other")],
  streams: ["live.other.>", "feed.>", "intake.pause"],
};

export const stageAccess: readonly Access[] = [...declarations, otherChannel];
export const GROUP = "main";
const MAX_LOG_BYTES = 512 * 1024 * 1024;

export interface Stage {
  readonly monitorPort: number;
  readonly home: string;
  readonly port: number;
  readonly minted: Minted;
  readonly groupToken: string;
  /** Everything that can be done in core: sees all, for proofs only. */
  readonly admin: NatsConnection;
  readonly system: NatsConnection;
  /** A client with a user's credentials from its file. */
  as(user: string): Promise<WireClient>;
  /** A client with these credentials. Both throw when it is refused: an attack that never got in proves nothing. */
  wire(creds: Uint8Array): Promise<WireClient>;
  /** A client that may be refused. */
  attempt(creds: Uint8Array | undefined): Promise<WireClient>;
  /** Closes all clients made by `as`, `wire` and `attempt`, so that accounts' connection limits do not add up. */
  dismiss(): void;
  connect(user: string): Promise<NatsConnection>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Credentials that a stolen signing key of an account can make: by default without any restriction. */
export async function forgedCreds(
  home: string,
  account: string,
  accountKey: string,
  name: string,
  claims: Partial<User> = {},
  exp?: number,
): Promise<Uint8Array> {
  const signer = fromSeed(readFileSync(keyPaths(home).accountSigning(account)));
  const key = createUser();
  return fmtCreds(
    await encodeUser(name, key, accountKey, claims, { signer, ...(exp === undefined ? {} : { exp }) }),
    key,
  );
}

export function accountOf(minted: Minted, name: string): { name: string; publicKey: string } {
  const found = minted.accounts.find((account) => account.name === name);
  if (found === undefined) throw new Error(`no account ${name}`);
  return found;
}

/** Runs the broker for a home until `stop`; resolves when it takes clients. */
export async function runServer(
  config: string,
  monitorPort: number,
): Promise<{ stop(signal?: NodeJS.Signals): Promise<void> }> {
  const found = await findNatsServer();
  if (found === undefined) throw new Error("no nats-server");
  const child = spawnTied(found.path, ["-c", config]);
  let output = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(-4000)));
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const deadlineMs = performance.now() + 20_000;
  for (;;) {
    const healthy = await fetch(`http://127.0.0.1:${monitorPort}/healthz`).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) break;
    if (child.exitCode !== null || performance.now() > deadlineMs)
      throw new Error(`the broker does not start: ${output}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    async stop(signal = "SIGKILL") {
      child.kill(signal);
      await gone;
    },
  };
}

export async function openStage(): Promise<Stage> {
  const home = mkdtempSync(join(tmpdir(), "taffrail-attacks-"));
  // Also when the start fails half-way.
  process.once("exit", () => rmSync(home, { recursive: true, force: true }));
  const port = await freePort();
  const monitorPort = await freePort();
  const minted = await mintHome({ home, access: stageAccess, groups: [GROUP], nowMs: Date.now() });
  const files = await writeBrokerConfig({ home, port, monitorPort, minted });
  let server = await runServer(files.config, monitorPort);
  await checkBroker(`http://127.0.0.1:${monitorPort}`);
  const address = `127.0.0.1:${port}`;
  const opened: { close(): unknown }[] = [];
  const keep = <T extends { close(): unknown }>(client: T): T => {
    opened.push(client);
    return client;
  };
  const connectAs = async (user: string): Promise<NatsConnection> =>
    keep(await connectBus({ server: address, credsFile: minted.credsFile(user), name: user }));

  // By the supervisor's own rights, so that they are shown to be enough.
  await ensureLog(await connectAs("supervisor"), { replicas: 1, maxBytes: MAX_LOG_BYTES });
  const adminFile = join(home, "admin.creds");
  await writeSecret(
    adminFile,
    await forgedCreds(home, CORE_ACCOUNT, accountOf(minted, CORE_ACCOUNT).publicKey, "admin"),
  );
  const admin = keep(await connectBus({ server: address, credsFile: adminFile, name: "admin" }));
  checkStream((await (await jetstreamManager(admin)).streams.info("LOG")).config);
  const { groupToken } = await mintTurnCredentials(home, GROUP, 60, Date.now());
  let wires: WireClient[] = [];
  const attempt = async (creds: Uint8Array | undefined): Promise<WireClient> => {
    const client = await WireClient.open(port, creds);
    wires.push(client);
    return client;
  };
  const wire = async (creds: Uint8Array): Promise<WireClient> => {
    const client = await attempt(creds);
    if (client.closed) throw new Error(`refused: ${client.errors.join("; ")}`);
    return client;
  };
  const dismiss = (): void => {
    for (const client of wires) client.close();
    wires = [];
  };
  return {
    home,
    port,
    monitorPort,
    minted,
    groupToken,
    admin,
    system: await connectAs("sys"),
    as: (user) => wire(readFileSync(minted.credsFile(user))),
    wire,
    attempt,
    dismiss,
    connect: connectAs,
    async restart() {
      await server.stop();
      server = await runServer(files.config, monitorPort);
    },
    async stop() {
      dismiss();
      for (const client of opened) await client.close();
      await server.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
