/** The one-time link to the page. Only the token's hash is kept; the web process removes it at the first use. */
import { createHash, randomBytes } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Long enough to set up `ssh -L` and open a browser; `taffrail link` makes a new one at any time. */
const LINK_LIFETIME_MS = 15 * 60_000;

/** Content of `<home>/run/link.json`. `tokenHash` is SHA-256 of the token's text, base64url. */
export interface LinkFile {
  readonly tokenHash: string;
  readonly expiresAtMs: number;
}

/** Writes a new link, which makes the one before invalid, and returns its address. */
export function makeLink(home: string, port: number, nowMs: number): string {
  const token = randomBytes(24).toString("base64url");
  const file: LinkFile = { tokenHash: hashToken(token), expiresAtMs: nowMs + LINK_LIFETIME_MS };
  const path = join(home, "run", "link.json");
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(file), { mode: 0o600 });
  renameSync(temporary, path);
  return `http://127.0.0.1:${port}/#enter=${token}`;
}

export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}
