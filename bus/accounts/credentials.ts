/** Credentials of the processes' users: kept while they fit and last, else made anew with a new key. */
import { createAccount, createUser, encodeUser, fmtCreds, parseCreds, type KeyPair, type User } from "@nats-io/jwt";
import { canonicalJson } from "../ids.ts";
import { keptKey, readSecret, writeSecret, type KeyPaths } from "./key-files.ts";
import { jwtPermissions, type UserPermissions } from "./permissions.ts";

/** Long enough for a machine that is off for a holiday; credentials are renewed at each start anyway. */
const USER_LIFETIME_DAYS = 30;
/** A daily renewal may fail for a week before anybody is locked out. */
const RENEW_BEFORE_DAYS = 7;
const DAY_S = 86_400;

function userClaims(permissions: UserPermissions): Partial<User> {
  return { ...jwtPermissions(permissions), allowed_connection_types: ["STANDARD"] };
}

/** Writes a user's credentials unless those in the file still fit and last; true when they were written. */
export async function keptCreds(
  paths: KeyPaths,
  user: string,
  account: { readonly name: string; readonly publicKey: string },
  permissions: UserPermissions,
  nowMs: number,
): Promise<boolean> {
  const signer = await keptKey(paths.accountSigning(account.name), createAccount);
  const claims = userClaims(permissions);
  const nowS = Math.floor(nowMs / 1000);
  const present = await readSecret(paths.creds(user));
  if (present !== undefined && (await credsFit(present, account, signer, claims, nowS))) return false;
  const key = createUser();
  const exp = nowS + USER_LIFETIME_DAYS * DAY_S;
  const jwt = await encodeUser(user, key, account.publicKey, claims, { exp, signer });
  await writeSecret(paths.creds(user), fmtCreds(jwt, key));
  return true;
}

async function credsFit(
  content: Uint8Array,
  account: { readonly name: string; readonly publicKey: string },
  signer: KeyPair,
  claims: Partial<User>,
  nowS: number,
): Promise<boolean> {
  try {
    const { uc, aid } = await parseCreds(content);
    const present = uc.nats as Record<string, unknown>;
    const wanted = claims as Record<string, unknown>;
    return (
      aid === account.publicKey &&
      uc.iss === signer.getPublicKey() &&
      (uc.exp ?? 0) - nowS > RENEW_BEFORE_DAYS * DAY_S &&
      ["pub", "sub", "resp", "allowed_connection_types"].every(
        (member) => canonicalJson(present[member]) === canonicalJson(wanted[member]),
      )
    );
  } catch {
    // A torn or foreign file is written anew; the keys it needs are not in it.
    return false;
  }
}
