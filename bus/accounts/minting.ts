/**
 * Makes keys, accounts and users of a state folder, and is the only module that signs accounts. Comes in: the access
 * declarations. Goes out: files below `<home>/keys` and account JWTs for the broker. Owns: the operator's signing key.
 * Never: needs the root key after the first start, prints a seed, or puts one into an argument of a process.
 */
import { randomBytes } from "node:crypto";
import {
  createAccount,
  createOperator,
  createUser,
  decode,
  encodeAccount,
  encodeOperator,
  encodeUser,
  fmtCreds,
  fromSeed,
  type Account,
  type KeyPair,
} from "@nats-io/jwt";
import { canonicalJson, tokenMint } from "../ids.ts";
import { systemClock } from "../ports.ts";
import { checkAccess, type Access } from "./access.ts";
import {
  CHANNEL_CONNECTIONS,
  GROUP_CONNECTIONS,
  channelAccount,
  coreAccount,
  groupAccount,
  systemAccount,
} from "./claims.ts";
import { keptCreds } from "./credentials.ts";
import { keptKey, keptSecret, keyPaths, readSecret, secretFolder, writeSecret, type KeyPaths } from "./key-files.ts";
import { inboxOf, permissionsOf, type UserPermissions } from "./permissions.ts";

export const SYS_ACCOUNT = "SYS";
export const CORE_ACCOUNT = "CORE";
/** User of the system account: pushes accounts and reads the broker's figures. */
export const SYS_USER = "sys";

/** An account as the broker is told it. */
export interface MintedAccount {
  readonly name: string;
  readonly publicKey: string;
  readonly jwt: string;
}

export interface Minted {
  readonly operatorJwt: string;
  readonly systemAccount: string;
  /** System, core, channels, groups. All go into the broker's preload. */
  readonly accounts: readonly MintedAccount[];
  /** Names of the accounts whose JWT is new: a broker that runs already must be told (pushAccount). */
  readonly changed: readonly string[];
  /** Users whose credentials were written now; the others were kept. */
  readonly renewed: readonly string[];
  /** Path of a user's credentials. */
  readonly credsFile: (user: string) => string;
}

export interface MintOptions {
  readonly home: string;
  readonly access: readonly Access[];
  /** Names of groups, as people write them. */
  readonly groups: readonly string[];
  readonly nowMs: number;
}

/** Name of a channel's account. */
export function channelAccountName(channel: string): string {
  return `channel-${channel}`;
}

/** The group's token in subjects: an HMAC, because foreign accounts can probe for subjects (DESIGN 6, residue). */
export function groupToken(key: Uint8Array, group: string): string {
  return tokenMint(key)("group", group);
}

export function groupAccountName(token: string): string {
  return `group-${token}`;
}

/** Reads the install key of `home`, and makes it (32 random bytes) when there is none. */
export function installKey(home: string): Promise<Uint8Array> {
  return keptSecret(keyPaths(home).installKey, () => randomBytes(32));
}

/** Reads the key of browser sessions, and makes it (32 random bytes) when there is none. */
export function webSessionKey(home: string): Promise<Uint8Array> {
  return keptSecret(keyPaths(home).webSessionKey, () => randomBytes(32));
}

interface Operator {
  readonly jwt: string;
  readonly signing: KeyPair;
}

/** Signed by the root key once, at the first start; from then on the root key may lie elsewhere. */
async function keptOperator(paths: KeyPaths, systemKey: string): Promise<Operator> {
  const found = await readSecret(paths.operatorJwt);
  const seed = await readSecret(paths.operatorSigning);
  if (found !== undefined && seed !== undefined) {
    const jwt = found.toString("utf8").trim();
    const signing = fromSeed(seed);
    const claims = decode<{ signing_keys?: string[]; system_account?: string }>(jwt).nats;
    if (claims.signing_keys?.includes(signing.getPublicKey()) && claims.system_account === systemKey)
      return { jwt, signing };
  }
  const root = await keptKey(paths.operatorRoot, createOperator);
  const signing = await keptKey(paths.operatorSigning, createOperator);
  const jwt = await encodeOperator("taffrail", root, {
    signing_keys: [signing.getPublicKey()],
    system_account: systemKey,
  });
  await writeSecret(paths.operatorJwt, jwt);
  return { jwt, signing };
}

async function keptAccountJwt(paths: KeyPaths, name: string): Promise<string | undefined> {
  return (await readSecret(paths.accountJwt(name)))?.toString("utf8").trim();
}

/** Public key of an account: from its JWT when there is one, so that the identity seed may lie offline. */
async function accountPublicKey(paths: KeyPaths, name: string): Promise<string> {
  const jwt = await keptAccountJwt(paths, name);
  if (jwt !== undefined) return decode(jwt).sub;
  return (await keptKey(paths.accountIdentity(name), createAccount)).getPublicKey();
}

interface Signed {
  readonly account: MintedAccount;
  readonly changed: boolean;
}

/** True for an account that was closed (closeAccount): a restart does not open it again. */
function isClosed(jwt: string | undefined): boolean {
  if (jwt === undefined) return false;
  return (decode<Account>(jwt).nats.limits?.conn ?? 0) === 0;
}

function sameClaims(jwt: string, claims: Partial<Account>, signer: KeyPair): boolean {
  const present = decode<Record<string, unknown>>(jwt);
  const { type: _type, version: _version, ...nats } = present.nats;
  return present.iss === signer.getPublicKey() && canonicalJson(nats) === canonicalJson(claims);
}

/**
 * The broker keeps the newer of two accounts by the second they were issued in, and of two equally old ones that in its
 * configuration: what replaces an account must be a second younger. After a clock that was set back it does not wait.
 */
async function waitToBeYounger(jwt: string): Promise<void> {
  const untilMs = (decode(jwt).iat + 1) * 1000;
  const waitMs = untilMs - Date.now();
  if (waitMs > 0 && waitMs <= 1000) await systemClock.sleep(waitMs);
}

/** Signs an account when its claims differ from the file's, or it has none. */
async function signAccount(
  paths: KeyPaths,
  operator: KeyPair,
  name: string,
  claimsOf: (closed: boolean) => Partial<Account>,
): Promise<Signed> {
  const publicKey = await accountPublicKey(paths, name);
  const present = await keptAccountJwt(paths, name);
  const claims = claimsOf(isClosed(present));
  if (present !== undefined && sameClaims(present, claims, operator))
    return { account: { name, publicKey, jwt: present }, changed: false };
  if (present !== undefined) await waitToBeYounger(present);
  const jwt = await encodeAccount(name, publicKey, claims, { signer: operator });
  await writeSecret(paths.accountJwt(name), jwt);
  return { account: { name, publicKey, jwt }, changed: true };
}

function signingPublicKey(paths: KeyPaths, name: string): Promise<string> {
  return keptKey(paths.accountSigning(name), createAccount).then((key) => key.getPublicKey());
}

/** Rights of the system account's user: push accounts, look them up, read the server's figures. */
const sysPermissions: UserPermissions = {
  publish: [
    "$SYS.REQ.CLAIMS.UPDATE",
    "$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP",
    "$SYS.REQ.SERVER.PING.VARZ",
    "$SYS.REQ.SERVER.PING.JSZ",
    "$SYS.REQ.SERVER.PING.HEALTHZ",
    "$SYS.REQ.ACCOUNT.PING.STATZ",
  ],
  publishDenied: [],
  subscribe: [`${inboxOf(SYS_USER)}.>`],
  answers: false,
};

/**
 * Makes what is missing in `home`, renews what is about to expire or no longer fits its declaration, keeps the rest.
 * Safe to call again at any time, also while the broker runs (then push the accounts named in `changed`).
 * @throws BUS_SUBJECT_INVALID when a declaration asks for too much; file errors as they are.
 */
export async function mintHome(options: MintOptions): Promise<Minted> {
  checkAccess(options.access);
  const paths = keyPaths(options.home);
  await secretFolder(paths.keys);
  await secretFolder(paths.resolver);
  const install = await installKey(options.home);
  await webSessionKey(options.home);
  const operator = await keptOperator(paths, await accountPublicKey(paths, SYS_ACCOUNT));

  const signed: Signed[] = [];
  const sign = async (name: string, claimsOf: (signingKey: string, closed: boolean) => Partial<Account>) => {
    const signingKey = await signingPublicKey(paths, name);
    const result = await signAccount(paths, operator.signing, name, (closed) => claimsOf(signingKey, closed));
    signed.push(result);
    return result.account;
  };
  const renewed: string[] = [];
  const user = async (name: string, account: MintedAccount, permissions: UserPermissions): Promise<void> => {
    if (await keptCreds(paths, name, account, permissions, options.nowMs)) renewed.push(name);
  };

  const system = await sign(SYS_ACCOUNT, systemAccount);
  const core = await sign(CORE_ACCOUNT, coreAccount);
  await user(SYS_USER, system, sysPermissions);
  for (const access of options.access) {
    if (access.type === "core") {
      await user(access.user, core, permissionsOf(access));
      continue;
    }
    const claimsOf = (key: string, closed: boolean) => channelAccount(access, core.publicKey, key, closed);
    const account = await sign(channelAccountName(access.channel), claimsOf);
    await user(access.channel, account, permissionsOf(access));
  }
  for (const group of options.groups) {
    const token = groupToken(install, group);
    await sign(groupAccountName(token), (key, closed) => groupAccount(token, core.publicKey, key, closed));
  }
  return {
    operatorJwt: operator.jwt,
    systemAccount: system.publicKey,
    accounts: signed.map((result) => result.account),
    changed: signed.filter((result) => result.changed).map((result) => result.account.name),
    renewed,
    credsFile: paths.creds,
  };
}

/**
 * Signs the present claims of an account with its door shut or open again, and keeps that over restarts. The result is
 * for the broker: pushAccount. System and core are never closed.
 */
export async function resignAccount(home: string, name: string, closed: boolean): Promise<MintedAccount> {
  if (name === SYS_ACCOUNT || name === CORE_ACCOUNT) throw new Error(`${name} is never closed`);
  const paths = keyPaths(home);
  const present = await keptAccountJwt(paths, name);
  const seed = await readSecret(paths.operatorSigning);
  if (present === undefined || seed === undefined) throw new Error(`no account ${name} in this state folder`);
  const { type: _type, version: _version, ...claims } = decode<Account>(present).nats;
  const conn = closed ? 0 : name.startsWith("group-") ? GROUP_CONNECTIONS : CHANNEL_CONNECTIONS;
  const changed: Partial<Account> = { ...claims, limits: { ...claims.limits, conn } };
  const { account } = await signAccount(paths, fromSeed(seed), name, () => changed);
  return account;
}

/** Credentials of one turn's sandbox; they are never written to a file. `user` is also its inbox. */
export interface TurnCredentials {
  readonly user: string;
  readonly creds: Uint8Array;
  readonly groupToken: string;
}

/**
 * Mints a sandbox user of `group` that expires with its turn. Its rights come from the account's sandbox role; the key
 * used here cannot give more. The group's account must exist (mintHome).
 */
export async function mintTurnCredentials(
  home: string,
  group: string,
  expiresInS: number,
  nowMs: number,
): Promise<TurnCredentials> {
  const paths = keyPaths(home);
  const token = groupToken(await installKey(home), group);
  const name = groupAccountName(token);
  const seed = await readSecret(paths.accountSigning(name));
  if (seed === undefined) throw new Error(`no account for the group ${group}`);
  const user = `turn-${randomBytes(12).toString("base64url")}`;
  const key = createUser();
  const jwt = await encodeUser(
    user,
    key,
    await accountPublicKey(paths, name),
    {},
    {
      exp: Math.floor(nowMs / 1000) + expiresInS,
      signer: fromSeed(seed),
      scopedUser: true,
    },
  );
  return { user, creds: fmtCreds(jwt, key), groupToken: token };
}
