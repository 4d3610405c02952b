/**
 * A bundle: JSON lines. The manifest, then one line per event in log order with its own sequence (gaps are allowed), then a
 * trailer with the number of events and the SHA-256 of all lines before it, line ends included. Pure.
 */
import { decodeEvent } from "../../bus/codec.ts";
import type { LogEntry } from "../../bus/event.ts";
import { rawMessage, type StoredMessage } from "../../bus/raw.ts";

export const BUNDLE_FORMAT = "taffrail-bundle";
export const BUNDLE_VERSION = 1;

/** What a replay needs of the configuration; never a secret. */
export interface BundleSettings {
  readonly configuredModel: string;
  readonly systemPrompt?: string;
  readonly maxSteps: number;
  readonly maxOutputTokens: number;
  readonly queueMode: "steer" | "queue" | "interrupt";
}

export type BundleScope =
  | { readonly type: "all" }
  | { readonly type: "chat"; readonly channel: string; readonly chat: string }
  | { readonly type: "turn"; readonly turn: string; readonly channel: string; readonly chat: string };

/** A token of the log with what it was minted from. */
export type BundleToken =
  | readonly ["chat", channel: string, chat: string, token: string]
  | readonly ["turn", triggerId: string, attempt: number, token: string];

export interface BundleCounts {
  readonly events: number;
  readonly unreadable: number;
  /** By type, readable ones only. */
  readonly types: Readonly<Record<string, number>>;
}

export interface BundleManifest {
  readonly format: typeof BUNDLE_FORMAT;
  readonly version: typeof BUNDLE_VERSION;
  /** RFC 3339. */
  readonly exportedAt: string;
  /** Release that wrote it. */
  readonly release: string;
  /** Identity of the log it was taken from. */
  readonly log: { readonly created: string; readonly lastSeq: number };
  readonly scope: BundleScope;
  readonly redacted: boolean;
  readonly settings: BundleSettings;
  readonly tokens: readonly BundleToken[];
  /** JSON Schema by `<Type>:<version>`. */
  readonly schemas: Readonly<Record<string, unknown>>;
  readonly counts: BundleCounts;
  /** Events carry no media in this version. */
  readonly media: readonly [];
}

/** One event as a line holds it. */
export interface BundleEvent {
  readonly seq: number;
  readonly subject: string;
  /** When the broker stored it, milliseconds since the epoch. */
  readonly at: number;
  readonly headers: StoredMessage["headers"];
  /** The payload, where writing it as JSON again gives the same bytes. */
  readonly data?: unknown;
  /** Any other payload, base64. */
  readonly bytes?: string;
  /** Why the release that wrote the bundle could not read it. */
  readonly unreadable?: string;
}

export interface BundleTrailer {
  readonly end: typeof BUNDLE_FORMAT;
  readonly events: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** An event has at most 1 MiB; as base64 with its headers it stays far below. */
export const MAX_LINE_BYTES = 4 * 1024 * 1024;
/** The manifest holds a token per chat and turn, about 80 bytes each: half a million of them. */
export const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
/** Twice the largest log that is configured by default. */
export const MAX_BUNDLE_BYTES = 16 * 1024 ** 3;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function sameJson(payload: Uint8Array): { value: unknown } | undefined {
  try {
    const text = fromUtf8.decode(payload);
    const value = JSON.parse(text) as unknown;
    return JSON.stringify(value) === text ? { value } : undefined;
  } catch {
    return undefined;
  }
}

export function toBundleEvent(message: StoredMessage): BundleEvent {
  const { seq, subject, storedAtMs, headers, payload } = message;
  const entry = decodeEvent(rawMessage(message));
  const json = sameJson(payload);
  return {
    seq,
    subject,
    at: storedAtMs,
    headers,
    ...(json === undefined ? { bytes: Buffer.from(payload).toString("base64") } : { data: json.value }),
    ...(entry.type === "unreadable" ? { unreadable: entry.message } : {}),
  };
}

/** The stored bytes that an event's line stands for. */
export function toMessage(event: BundleEvent): StoredMessage {
  const { seq, subject, at, headers, bytes } = event;
  const payload = bytes === undefined ? utf8.encode(JSON.stringify(event.data)) : Buffer.from(bytes, "base64");
  return { seq, subject, storedAtMs: at, headers, payload };
}

/** The entry as a reader of the log gets it. */
export function toEntry(event: BundleEvent): LogEntry {
  return decodeEvent(rawMessage(toMessage(event)));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

const EVENT_KEYS = new Set(["seq", "subject", "at", "headers", "data", "bytes", "unreadable"]);
const SUBJECT = /^log(\.[!-)+-=?-~]+)+$/;

/** What is wrong with the form of an event's line; undefined when nothing is. */
export function eventProblem(value: unknown): string | undefined {
  if (!isObject(value)) return "it is no object";
  const strange = Object.keys(value).find((key) => !EVENT_KEYS.has(key));
  if (strange !== undefined) return `it has a member "${strange.slice(0, 40)}"`;
  const { seq, subject, at, headers, bytes, unreadable } = value;
  if (!isWhole(seq) || seq === 0) return "its sequence is no whole number from 1";
  if (!isText(subject) || subject.length > 1_024 || !SUBJECT.test(subject)) return "its subject is none of the log";
  if (!isWhole(at)) return "its time is no whole number";
  const isHeader = (one: unknown): boolean => isText(one) || (Array.isArray(one) && one.every(isText));
  if (!isObject(headers) || !Object.values(headers).every(isHeader)) return "its headers are no texts";
  if (Object.hasOwn(value, "data") === Object.hasOwn(value, "bytes")) return "it has not one payload";
  if (bytes !== undefined && (!isText(bytes) || Buffer.from(bytes, "base64").toString("base64") !== bytes))
    return "its bytes are no base64";
  return unreadable === undefined || isText(unreadable) ? undefined : "its mark is no text";
}

const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

function tokenProblem(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 4) return true;
  const [type, first, second, token] = value as unknown[];
  if (!isText(first) || !isText(token) || !TOKEN.test(token)) return true;
  if (type === "chat") return !TOKEN.test(first) || !isText(second) || second.length === 0;
  return type !== "turn" || !isWhole(second);
}

function scopeProblem(scope: unknown): boolean {
  if (!isObject(scope)) return true;
  const { type, channel, chat, turn } = scope;
  if (type === "all") return false;
  if (type !== "chat" && type !== "turn") return true;
  return !isText(channel) || !isText(chat) || (type === "turn" && !isText(turn));
}

const QUEUE_MODES: readonly unknown[] = ["steer", "queue", "interrupt"];

function settingsProblem(settings: unknown): boolean {
  if (!isObject(settings)) return true;
  const { configuredModel, systemPrompt, maxSteps, maxOutputTokens, queueMode } = settings;
  if (!isText(configuredModel) || (systemPrompt !== undefined && !isText(systemPrompt))) return true;
  return !isWhole(maxSteps) || !isWhole(maxOutputTokens) || !QUEUE_MODES.includes(queueMode);
}

/** Which part of a manifest (whose format and version fit) is not of its form; undefined when all is. */
export function manifestProblem(value: Readonly<Record<string, unknown>>): string | undefined {
  const { exportedAt, release, log, scope, redacted, settings, tokens, schemas, counts, media } = value;
  if (!isText(exportedAt) || !isText(release)) return "exportedAt or release";
  if (!isObject(log) || !isText(log["created"]) || !isWhole(log["lastSeq"])) return "log";
  if (scopeProblem(scope)) return "scope";
  if (typeof redacted !== "boolean") return "redacted";
  if (settingsProblem(settings)) return "settings";
  if (!Array.isArray(tokens) || tokens.some(tokenProblem)) return "tokens";
  if (!isObject(schemas) || !Object.values(schemas).every(isObject)) return "schemas";
  if (!isObject(counts) || !isWhole(counts["events"]) || !isWhole(counts["unreadable"]) || !isObject(counts["types"]))
    return "counts";
  return Array.isArray(media) && media.length === 0 ? undefined : "media";
}

/** The trailer, when this line's value is one. */
export function asTrailer(value: unknown): BundleTrailer | undefined {
  if (!isObject(value) || value["end"] !== BUNDLE_FORMAT) return undefined;
  const { events, sha256 } = value;
  if (!isWhole(events) || !isText(sha256) || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  return { end: BUNDLE_FORMAT, events, sha256 };
}
