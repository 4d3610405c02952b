/** Secret files: written whole or not at all, on the disk before the call returns, readable by their owner only. */
import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fromSeed, type KeyPair } from "@nats-io/nkeys";

/** Makes `folder` with all its parents, 0700 for each part that is new; an existing one is made 0700. */
export async function secretFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
}

/** Writes `file` by a temporary name beside it, so that a power cut leaves the old or the new content. */
export async function writeSecret(file: string, content: string | Uint8Array): Promise<void> {
  const folder = dirname(file);
  await secretFolder(folder);
  // One name per process: two starts at once must not write into each other's file.
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, "w", 0o600);
    try {
      await handle.chmod(0o600);
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  // The new name is in the folder: without this a power cut can take it away again.
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Content of `file`, undefined when there is none. A file that others may read is made 0600 again. */
export async function readSecret(file: string): Promise<Buffer | undefined> {
  try {
    const content = await readFile(file);
    await chmod(file, 0o600);
    return content;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Content of `file`; when there is none it is made from `make` and kept. */
export async function keptSecret(file: string, make: () => Uint8Array): Promise<Uint8Array> {
  const found = await readSecret(file);
  if (found !== undefined) return found;
  const content = make();
  await writeSecret(file, content);
  return content;
}

/** The key whose seed is in `file`, made and kept when there is none. */
export async function keptKey(file: string, make: () => KeyPair): Promise<KeyPair> {
  return fromSeed(await keptSecret(file, () => make().getSeed()));
}

/** Where everything lies in a state folder. */
export interface KeyPaths {
  readonly keys: string;
  readonly operatorRoot: string;
  readonly operatorSigning: string;
  readonly operatorJwt: string;
  readonly installKey: string;
  readonly webSessionKey: string;
  /** Identity seed of an account; needed again only to make its signing key anew, so it lies with the root key. */
  readonly accountIdentity: (account: string) => string;
  readonly accountSigning: (account: string) => string;
  readonly accountJwt: (account: string) => string;
  readonly creds: (user: string) => string;
  readonly resolver: string;
}

export function keyPaths(home: string): KeyPaths {
  const keys = join(home, "keys");
  return {
    keys,
    operatorRoot: join(keys, "backup", "operator-root.nk"),
    operatorSigning: join(keys, "operator-signing.nk"),
    operatorJwt: join(keys, "operator.jwt"),
    installKey: join(keys, "install.key"),
    webSessionKey: join(keys, "web-session.key"),
    accountIdentity: (account) => join(keys, "backup", `account-${account}.nk`),
    accountSigning: (account) => join(keys, "accounts", `${account}-signing.nk`),
    accountJwt: (account) => join(keys, "accounts", `${account}.jwt`),
    creds: (user) => join(keys, "creds", `${user}.creds`),
    resolver: join(home, "broker", "resolver"),
  };
}

/**
 * What a backup must hold of the keys and accounts, relative to the state folder. `offline` is what should then be
 * moved off the machine: the running system does not need it.
 */
export const backupRoles: readonly { readonly path: string; readonly role: string; readonly offline: boolean }[] = [
  { path: "keys/backup", role: "operator root key and account identities", offline: true },
  { path: "keys/operator-signing.nk", role: "signs accounts", offline: false },
  { path: "keys/operator.jwt", role: "trust anchor of the broker", offline: false },
  { path: "keys/accounts", role: "accounts and the keys that sign their users", offline: false },
  {
    path: "keys/install.key",
    role: "tokens in subjects are HMACs under it: without it no chat finds its turns",
    offline: false,
  },
  { path: "keys/web-session.key", role: "browser sessions", offline: false },
  { path: "broker/resolver", role: "accounts as the broker last accepted them", offline: false },
];
