/**
 * Derived ids: none is guessed or counted, so a repeat of the same work makes the same id and the log refuses it.
 * Tokens that a foreign account could probe for are HMACs under the install key (DESIGN 6, residue).
 */
import { createHash, createHmac } from "node:crypto";

/** 132 bits of the digest: far beyond accidental collision, short enough for subjects and logs. */
const ID_CHARS = 22;

function joined(parts: readonly (string | number)[]): string {
  // Length prefixes: ("a","bc") and ("ab","c") must not meet.
  return parts.map((part) => `${String(part).length}:${part}`).join("|");
}

/** An id of 22 URL-safe characters derived from `parts`. */
export function deriveId(...parts: (string | number)[]): string {
  return createHash("sha256").update(joined(parts)).digest("base64url").slice(0, ID_CHARS);
}

/** Makes unguessable tokens of 22 URL-safe characters under one install key (32 random bytes). */
export type TokenMint = (...parts: (string | number)[]) => string;

export function tokenMint(installKey: Uint8Array): TokenMint {
  return (...parts) => createHmac("sha256", installKey).update(joined(parts)).digest("base64url").slice(0, ID_CHARS);
}

/** SHA-256 of the canonical JSON (object keys sorted) of `value`, URL-safe, 43 characters. */
export function hashJson(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("base64url");
}

/** JSON with sorted object keys and no undefined members, so that equal values have equal bytes. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}
