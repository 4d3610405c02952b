/** Reads what was minted for a state folder and changes nothing there: for a broker that is started to be read only. */
import { readdir, readFile } from "node:fs/promises";
import { basename } from "node:path";
import { createUser, decode, encodeUser, fmtCreds, fromSeed } from "@nats-io/jwt";
import type { CoreAccess } from "./access.ts";
import { keyPaths } from "./key-files.ts";
import { CORE_ACCOUNT, SYS_ACCOUNT, type Minted, type MintedAccount } from "./minting.ts";
import { jwtPermissions, permissionsOf } from "./permissions.ts";

/** Longer than any reading of a log; it dies with its broker anyway. */
const READER_LIFETIME_S = 86_400;

export interface Kept extends Pick<Minted, "operatorJwt" | "systemAccount" | "accounts"> {
  /** Credentials of a core user that is made now and written nowhere: those on the disk may have expired. */
  readonly readerCreds: Uint8Array;
}

/** @returns undefined when a key is missing. @throws file errors other than that. */
export async function readKept(home: string, access: CoreAccess, nowMs: number): Promise<Kept | undefined> {
  const paths = keyPaths(home);
  try {
    const operatorJwt = await readText(paths.operatorJwt);
    const names = (await readdir(`${paths.keys}/accounts`)).filter((name) => name.endsWith(".jwt"));
    const accounts = await Promise.all(
      names.map(async (file): Promise<MintedAccount> => {
        const name = basename(file, ".jwt");
        const jwt = await readText(paths.accountJwt(name));
        return { name, publicKey: decode(jwt).sub, jwt };
      }),
    );
    const core = accounts.find(({ name }) => name === CORE_ACCOUNT);
    const system = accounts.find(({ name }) => name === SYS_ACCOUNT);
    if (core === undefined || system === undefined) return undefined;
    const signer = fromSeed(await readFile(paths.accountSigning(CORE_ACCOUNT)));
    const key = createUser();
    const claims = { ...jwtPermissions(permissionsOf(access)), allowed_connection_types: ["STANDARD" as const] };
    const exp = Math.floor(nowMs / 1000) + READER_LIFETIME_S;
    const jwt = await encodeUser(access.user, key, core.publicKey, claims, { exp, signer });
    return { operatorJwt, systemAccount: system.publicKey, accounts, readerCreds: fmtCreds(jwt, key) };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function readText(file: string): Promise<string> {
  return (await readFile(file, "utf8")).trim();
}
