/** The local owner's way to the page's API: a short-lived token under the session key of the state folder. */
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { keyPaths } from "../../bus/accounts/key-files.ts";
import { TaffrailError } from "../../bus/errors.ts";

/** Each connection takes a new one; nothing that lasts lies in a process list or a log. */
const LIFETIME_S = 60;

/**
 * `base64url(JSON {sub, exp}) . base64url(HMAC-SHA256(key, first part))`; `exp` in seconds. The web process checks the
 * same form in its cookie.
 * @throws NOT_RUNNING when this state folder has no keys yet.
 */
export function ownerToken(home: string, nowMs: number): string {
  let key: Buffer;
  try {
    key = readFileSync(keyPaths(home).webSessionKey);
  } catch (error) {
    throw new TaffrailError(
      "NOT_RUNNING",
      `Taffrail never ran on ${home}, or this user may not read its keys`,
      { home },
      error,
    );
  }
  const claims = JSON.stringify({ sub: "cli", exp: Math.floor(nowMs / 1000) + LIFETIME_S });
  const body = Buffer.from(claims).toString("base64url");
  return `${body}.${createHmac("sha256", key).update(body).digest("base64url")}`;
}
