/**
 * Who may speak: a signed cookie for the page, a signed bearer for the CLI, both made with the channel's own key, so that a
 * restart of this process ends no session and it holds no state. The link's token works once: its file is removed first.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { readFile, rename, rm } from "node:fs/promises";
import type { Clock } from "../../bus/ports.ts";

/** FEATURES SE1: a session lasts 7 days. */
export const SESSION_MS = 7 * 24 * 3_600_000;
export const COOKIE = "taffrail_session";

export interface Sessions {
  /** Name of the signed-in person or program, undefined for a token that is not ours or has run out. */
  verify(token: string | undefined): string | undefined;
  issue(subject: string): string;
  /** True once per link: consumes the token printed at start. */
  consumeLink(token: string): Promise<boolean>;
}

interface Claims {
  readonly sub: string;
  /** Unix seconds. */
  readonly exp: number;
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

export function createSessions(options: { key: Uint8Array; linkFile: string; clock: Clock }): Sessions {
  const { clock, linkFile } = options;
  const sign = (text: string): string => createHmac("sha256", options.key).update(text).digest("base64url");

  return {
    issue(subject) {
      const claims: Claims = { sub: subject, exp: Math.floor((clock.nowMs() + SESSION_MS) / 1000) };
      const body = Buffer.from(JSON.stringify(claims)).toString("base64url");
      return `${body}.${sign(body)}`;
    },
    verify(token) {
      // A session token has some 120 characters; nobody's longer text is worth hashing.
      if (token === undefined || token.length > 512) return undefined;
      const [body = "", signature = "", more] = token.split(".");
      if (more !== undefined || !equal(sign(body), signature)) return undefined;
      try {
        const { sub, exp } = JSON.parse(Buffer.from(body, "base64url").toString()) as Partial<Claims>;
        return typeof sub === "string" && typeof exp === "number" && exp * 1000 > clock.nowMs() ? sub : undefined;
      } catch {
        return undefined;
      }
    },
    async consumeLink(token) {
      const hash = createHash("sha256").update(token).digest("base64url");
      const read = async (path: string): Promise<{ tokenHash?: string; expiresAtMs?: number }> =>
        JSON.parse(await readFile(path, "utf8")) as { tokenHash?: string; expiresAtMs?: number };
      try {
        // A wrong guess touches nothing.
        if (!equal((await read(linkFile)).tokenHash ?? "", hash)) return false;
        // The rename is the lock: of two at once one finds no file. A link made meanwhile is not ours to take.
        const taken = `${linkFile}.${hash.slice(0, 16)}`;
        await rename(linkFile, taken);
        const link = await read(taken);
        if (!equal(link.tokenHash ?? "", hash)) {
          await rename(taken, linkFile);
          return false;
        }
        await rm(taken);
        return (link.expiresAtMs ?? 0) > clock.nowMs();
      } catch {
        return false;
      }
    },
  };
}
