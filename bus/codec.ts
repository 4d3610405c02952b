/**
 * The event on the wire: CloudEvents 1.0 attributes in `ce-` headers (binary mode of the NATS binding), JSON payload.
 * Identity is never read from headers: the account-bound subject proves the writer.
 */
import { catalogue, isKnownType, schemaProblem, type MessageType } from "../schemas/index.ts";
import { upcast } from "../schemas/upcasters/index.ts";
import { describeError, TaffrailError } from "./errors.ts";
import type { LogEntry, NewEvent, StoredEvent } from "./event.ts";
import { MAX_EVENT_BYTES } from "./log.ts";
import { encodeToken, parseSubject } from "./subjects.ts";

export interface EncodedEvent {
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
}

const SCHEMA_PREFIX = "taffrail:";
/** In a Unicode pattern this matches only halves without their other half. */
const LONE_SURROGATE = /\p{Surrogate}/u;
const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true });

/** Header values are printable ASCII; the binding escapes the rest by percent, UTF-8 first. */
function escapeHeader(value: string): string {
  if (LONE_SURROGATE.test(value)) throw new TaffrailError("BUS_EVENT_INVALID", "an attribute has half a character");
  return /^[\x21-\x24\x26-\x7e]*$/.test(value) ? value : encodeURIComponent(value);
}

function unescapeHeader(value: string): string {
  return value.includes("%") ? decodeURIComponent(value) : value;
}

/**
 * Encodes and checks an event.
 * @throws BUS_EVENT_INVALID when the data does not fit the schema, BUS_EVENT_TOO_LARGE over the broker's limit.
 */
export function encodeEvent(event: NewEvent, subject: string): EncodedEvent {
  const problem = schemaProblem(event.type, event.version, event.data);
  if (problem !== undefined)
    throw new TaffrailError("BUS_EVENT_INVALID", `${event.type}: ${problem}`, { type: event.type, subject });
  const payload = utf8.encode(JSON.stringify(event.data));
  // A quarter is kept for headers, so that the broker never has to refuse what passed here.
  if (payload.length > MAX_EVENT_BYTES * 0.75) {
    throw new TaffrailError("BUS_EVENT_TOO_LARGE", `${event.type} has ${payload.length} bytes`, { subject });
  }
  const headers: Record<string, string> = {
    "ce-specversion": "1.0",
    "ce-id": escapeHeader(event.id),
    "ce-type": event.type,
    "ce-source": escapeHeader(event.source),
    "ce-time": event.time,
    "ce-dataschema": `${SCHEMA_PREFIX}${event.type}:${event.version}`,
    "ce-correlationid": escapeHeader(event.correlationId),
    "content-type": "application/json",
  };
  if (event.causationId !== undefined) headers["ce-causationid"] = escapeHeader(event.causationId);
  if (event.traceparent !== undefined) headers["ce-traceparent"] = escapeHeader(event.traceparent);
  const encoded = { headers, payload };
  // Refused here, because the client library fails on it like on a lost connection and it would be tried for ever.
  if (encodedBytes(encoded) > MAX_EVENT_BYTES)
    throw new TaffrailError("BUS_EVENT_TOO_LARGE", `${event.type} has too long attributes`, { subject });
  return encoded;
}

/** What the broker counts against its limit: payload, header lines and their preamble. */
export function encodedBytes({ headers, payload }: EncodedEvent): number {
  let bytes = payload.length + "NATS/1.0\r\n\r\n".length;
  for (const [name, value] of Object.entries(headers)) bytes += `${name}: ${value}\r\n`.length;
  return bytes;
}

/** What a stored message is before it is decoded. `header` returns "" for one that is not there. */
export interface RawMessage {
  readonly seq: number;
  readonly subject: string;
  readonly storedAtMs: number;
  readonly payload: Uint8Array;
  header(name: string): string;
}

const lanesOf = new Map(Object.entries(catalogue).map(([type, { lane }]) => [type, lane.split(" or ")]));

/** The channel whose chat a command is about. */
function commandTarget(data: Readonly<Record<string, unknown>>): string | undefined {
  const replyTo = data["replyTo"] as { channel?: string } | undefined;
  return (data["channel"] as string | undefined) ?? replyTo?.channel;
}

/**
 * Checks that an event stands where its type and its own words say. A channel's account may append anything below its
 * own subjects; without this it could place a turn's end, or a message of another channel, among its messages.
 * @returns undefined when it does.
 */
function placeProblem(type: MessageType, subject: string, data: Readonly<Record<string, unknown>>): string | undefined {
  const place = parseSubject(subject);
  if (place === undefined) return "the subject does not fit the grammar";
  const lane = place.type === "turn" ? (place.lane === "step" ? "run" : place.lane) : place.type;
  if (lanesOf.get(type)?.includes(lane) !== true) return `${type} must not stand on the lane ${lane}`;
  const by = data["by"] as { channel?: string } | undefined;
  const channel = place.type === "cmd" ? by?.channel : data["channel"];
  // A channel speaks for its own chats only; the machine's owner at the CLI for all.
  const target = place.type === "cmd" && place.channel !== "cli" ? commandTarget(data) : undefined;
  if (target !== undefined && target !== (place as { channel: string }).channel) return "it commands another channel";
  if ("channel" in place && channel !== undefined && channel !== place.channel) return "it names another channel";
  if (place.type === "in" && encodeToken(String(data["chat"])) !== place.chatToken) return "it names another chat";
  if (place.type === "in" && encodeToken(String(data["message"])) !== place.messageToken)
    return "it names another message";
  if (place.type === "in" && revisionToken(type, data) !== place.revision) return "it names another revision";
  if (place.type === "turn" && (data["turn"] !== place.key.turn || data["channel"] !== place.key.channel))
    return "it names another turn";
  return undefined;
}

/** A message stands once in the log because its revision has one place. */
function revisionToken(type: MessageType, data: Readonly<Record<string, unknown>>): string {
  if (type === "MessageReceived") return "0";
  return encodeToken(`${type === "MessageEdited" ? "e" : "d"}${String(data["revision"])}`);
}

/** Decodes a stored message; what cannot be read becomes an `unreadable` entry, never an exception. */
export function decodeEvent(raw: RawMessage): LogEntry {
  const { seq, subject, storedAtMs } = raw;
  try {
    const [, type = "", versionText = ""] = raw.header("ce-dataschema").split(":");
    if (!isKnownType(type) || raw.header("ce-type") !== type)
      throw new Error(`unknown event type "${type.slice(0, 64)}"`);
    const { version, data } = upcast(type, Number(versionText), JSON.parse(fromUtf8.decode(raw.payload)) as unknown);
    const problem = schemaProblem(type, version, data);
    if (problem !== undefined) throw new Error(problem);
    const misplaced = placeProblem(type, subject, data as Record<string, unknown>);
    if (misplaced !== undefined) throw new Error(misplaced);
    const causationId = unescapeHeader(raw.header("ce-causationid"));
    const traceparent = unescapeHeader(raw.header("ce-traceparent"));
    const event = {
      type,
      version,
      seq,
      subject,
      storedAtMs,
      id: unescapeHeader(raw.header("ce-id")),
      source: unescapeHeader(raw.header("ce-source")),
      time: raw.header("ce-time"),
      correlationId: unescapeHeader(raw.header("ce-correlationid")),
      causationId: causationId === "" ? undefined : causationId,
      traceparent: traceparent === "" ? undefined : traceparent,
      data,
    };
    // The schema check above is what makes this cast true.
    return event as unknown as StoredEvent;
  } catch (error) {
    const message = describeError(error).slice(0, 500);
    return { type: "unreadable", seq, subject, storedAtMs, code: "BUS_EVENT_UNREADABLE", message };
  }
}
