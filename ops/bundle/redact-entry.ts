/**
 * Redacts whole lines: data, headers, subject, and the manifest's own words. Pure. What an event is (types, times, sequences,
 * derived ids and hashes) stays; what people, models and programs wrote is gone through.
 */
import { encodeToken, lanes, parseSubject } from "../../bus/subjects.ts";
import type { BundleEvent, BundleScope, BundleSettings, BundleToken } from "./format.ts";
import { redactTree, type Redactor } from "./redact.ts";

export interface EntryRedactor {
  /** First pass over every event, before the first `redact`. */
  learn(event: BundleEvent): void;
  /** The same for the settings: a secret told there is said in events without its words. */
  learnSettings(settings: BundleSettings): void;
  redact(event: BundleEvent): BundleEvent;
  settings(settings: BundleSettings): BundleSettings;
  scope(scope: BundleScope): BundleScope;
  tokens(tokens: readonly BundleToken[]): BundleToken[];
  /** What is left in a redacted event, as "a phone in data.text"; empty when it is clean. */
  leftovers(event: BundleEvent): string[];
}

/** Members with free content of tools and providers. */
const FREE: readonly string[] = ["arguments", "rawUsage"];
/** Members that hold what a person, a model or a provider said. */
const SPOKEN: readonly string[] = ["text", "prompt", "partialText", "result", "name", "message", "systemPrompt"];
/** Messages of these were written by us. */
const OWN_WORDS: readonly string[] = ["DeadLettered", "CommandRefused"];
/** Members and headers that hold ids and hashes which we derive. A chat's and a message's id is chosen by others. */
const STRUCTURAL: readonly string[] = [
  "turn",
  "id",
  "reply",
  "retryOf",
  "task",
  "requestHash",
  "prompt",
  "tools",
  "policy",
  "config",
  "code",
  "ce-id",
  "ce-correlationid",
  "ce-causationid",
];
/** Such an id: 22 characters, or the 43 of a SHA-256. They are random: patterns would find keys in some of them. */
const DERIVED = /^(?:[A-Za-z0-9_-]{22}|[A-Za-z0-9_-]{43})$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
/** W3C trace context. */
const TRACE = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const OUR_HEADER = /^(?:ce-[a-z]+|content-type)$/;

/** Letters to x, digits to 0; length, blanks and punctuation stay, and so does what is covered already. */
export function blankText(text: string): string {
  return text
    .split(/(\[redacted:[a-z0-9-]+\])/)
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll(/[\p{L}\p{M}]/gu, "x").replaceAll(/\p{N}/gu, "0")))
    .join("");
}

/** Ids have bounds of 64, 128 and 256 characters in the schemas. */
function bounded(text: string, original: string): string {
  const limit = [64, 128, 256].find((one) => original.length <= one) ?? Math.max(256, original.length);
  return text.slice(0, limit);
}

export function createEntryRedactor(redactor: Redactor, options: { readonly blank: boolean }): EntryRedactor {
  const { blank } = options;

  let learning = false;

  function leaf(text: string, key: string): string {
    if (TIME.test(text)) return text;
    const isOurs = STRUCTURAL.includes(key) && DERIVED.test(text);
    if (isOurs || (key === "ce-traceparent" && TRACE.test(text))) return redactor.redactKnown(text);
    if (learning) redactor.learn(text);
    const covered = learning ? text : redactor.redact(text);
    return SPOKEN.includes(key) && key !== "name" ? covered : bounded(covered, text);
  }

  function spoken(text: string, key: string, type: string): string {
    const covered = leaf(text, key);
    const isSpoken = SPOKEN.includes(key) && !(key === "message" && OWN_WORDS.includes(type));
    return blank && isSpoken ? blankText(covered) : covered;
  }

  function free(value: unknown): unknown {
    const cover = (text: string): string => redactor.cover(text);
    const text = (one: string): string => {
      if (learning) redactor.learn(one);
      return learning ? one : redactor.redact(one);
    };
    const covered = redactTree(value, text, cover);
    return blank ? blankTree(covered) : covered;
  }

  function data(value: unknown, type: string, key = ""): unknown {
    if (typeof value === "string") return key === "subject" ? subjectText(value) : spoken(value, key, type);
    if (Array.isArray(value)) return value.map((one) => data(one, type, key));
    if (value === null || typeof value !== "object") return value;
    const members = value as Readonly<Record<string, unknown>>;
    return Object.fromEntries(
      Object.entries(members).map(([name, member]) => {
        if (FREE.includes(name)) return [name, free(member)];
        if (typeof member !== "string") return [name, data(member, type, name)];
        const as = chosenAs(name, key, type, members["channel"]);
        return [name, as === undefined ? data(member, type, name) : leaf(member, as)];
      }),
    );
  }

  function token(one: string): string {
    if (/^_[hu]/.test(one)) return redactor.redactKnown(one);
    if (!one.startsWith("_b")) return redactor.redact(one);
    const id = Buffer.from(one.slice(2), "base64url").toString("utf8");
    return encodeToken(bounded(redactor.redact(id), id));
  }

  /** A subject by itself: that of an event whose data cannot be read, or one that a dead letter names. */
  function subjectText(subject: string): string {
    const place = parseSubject(subject);
    if (place?.type === "turn" || place?.type === "task") return redactor.redactKnown(subject);
    const [root = "", kind = "", ...rest] = subject.split(".");
    return [root, kind, ...rest.map((one) => (place?.type === "dead" ? one : token(one)))].join(".");
  }

  /** The subject that the redacted data asks for. */
  function subjectOf(subject: string, type: string, value: unknown): string {
    const place = parseSubject(subject);
    const { chat, message, revision, command, group, task } = value as Record<string, string | undefined>;
    if (place?.type === "in" && chat !== undefined && message !== undefined) {
      if (type === "MessageReceived") return lanes.message(place.channel, chat, message).subject;
      if (type === "MessageEdited") return lanes.edit(place.channel, chat, message, revision ?? "").subject;
      return lanes.deletion(place.channel, chat, message, revision ?? "").subject;
    }
    if (place?.type === "chat" && chat !== undefined) return lanes.chat(place.channel, chat).subject;
    if (place?.type === "cmd" && command !== undefined) return lanes.command(place.channel, command).subject;
    if (place?.type === "task" && group !== undefined && task !== undefined) return lanes.task(group, task).subject;
    return subjectText(subject);
  }

  function headers(event: BundleEvent): BundleEvent["headers"] {
    const known = Object.entries(event.headers).filter(([name]) => OUR_HEADER.test(name));
    const one = (name: string, value: string): string => {
      if (name === "ce-type" || name === "ce-dataschema" || name === "content-type") return redactor.redactKnown(value);
      // Stored escaped by percent.
      const plain = value.includes("%") ? decoded(value) : value;
      const covered = leaf(plain, name);
      return covered === plain
        ? value
        : /^[\x21-\x24\x26-\x7e]*$/.test(covered)
          ? covered
          : encodeURIComponent(covered);
    };
    return Object.fromEntries(
      known.map(([name, value]) => [
        name,
        typeof value === "string" ? one(name, value) : value.map((each) => one(name, each)),
      ]),
    );
  }

  function unreadable(event: BundleEvent): BundleEvent {
    const { seq, at, subject } = event;
    const why = redactor.redact(event.unreadable ?? "");
    // Nobody knows what such bytes hold.
    return { seq, subject: subjectText(subject), at, headers: headers(event), bytes: "", unreadable: why };
  }

  function redact(event: BundleEvent): BundleEvent {
    if (event.unreadable !== undefined) return unreadable(event);
    const { seq, at, subject } = event;
    const type = String(event.headers["ce-type"]);
    const covered = data(payloadOf(event), type);
    return { seq, subject: subjectOf(subject, type, covered), at, headers: headers(event), data: covered };
  }

  return {
    learn(event) {
      learning = true;
      headers(event);
      if (event.unreadable === undefined) data(payloadOf(event), String(event.headers["ce-type"]));
      learning = false;
    },
    learnSettings(settings) {
      learning = true;
      data(settings, "settings");
      learning = false;
    },
    redact,
    settings: (settings) => data(settings, "settings") as BundleSettings,
    scope: (scope) => data(scope, "scope") as BundleScope,
    tokens: (tokens) =>
      tokens.map((one) =>
        one[0] === "chat"
          ? ["chat", one[1], leaf(one[2], one[1] === "sys" ? "task" : "chat"), redactor.redactKnown(one[3])]
          : ["turn", leaf(one[1], "id"), one[2], redactor.redactKnown(one[3])],
      ),
    leftovers(event) {
      const again = redact(event);
      const places = (["subject", "headers", "data", "bytes", "unreadable"] as const).flatMap((part) =>
        differences(event[part], again[part], part),
      );
      const line = JSON.stringify(event);
      return redactor.redactKnown(line) === line || places.length > 0 ? places : ["a known secret in the line"];
    },
  };
}

/** Where the second differs from the first, and by what it covers there: "a phone in data.text". */
export function differences(before: unknown, after: unknown, path: string): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const isTree = typeof before === "object" && before !== null && typeof after === "object" && after !== null;
  const members = isTree ? Object.entries(before) : [];
  const others = new Map(isTree ? Object.entries(after) : []);
  const inside = members.flatMap(([name, member]) =>
    others.has(name) ? differences(member, others.get(name), `${path}.${name}`) : [],
  );
  if (inside.length > 0) return inside;
  const had = new Set(String(isTree ? JSON.stringify(before) : before).match(REPLACEMENT));
  const label = String(isTree ? JSON.stringify(after) : after)
    .match(REPLACEMENT)
    ?.find((one) => !had.has(one))
    ?.replaceAll(/^redacted[:-]|-\d+$/g, "");
  // What was blanked has no label.
  return [`${label === undefined ? "a text" : `${/^[aei]/.test(label) ? "an" : "a"} ${label}`} in ${path}`];
}

const REPLACEMENT = /redacted[:-][a-z-]+-\d+/g;

/** What a member is that its name alone does not say; undefined when it does. */
function chosenAs(name: string, parent: string, type: string, channel: unknown): string | undefined {
  if (name === "id" && (parent === "from" || parent === "by")) return "chosen";
  // The chat of a task is named by it.
  if (name === "chat" && channel === "sys") return "task";
  // Hashes; a member `prompt` elsewhere is a text.
  if (parent === "versions") return "code";
  // A tool's name is no person's; an id of a message is no text.
  if (name === "name" && parent !== "from") return "chosen";
  return name === "message" && type !== "ModelStepFailed" && !OWN_WORDS.includes(type) ? "chosen" : undefined;
}

function payloadOf({ data, bytes }: BundleEvent): unknown {
  if (bytes === undefined) return data;
  return JSON.parse(Buffer.from(bytes, "base64").toString("utf8")) as unknown;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function blankTree(value: unknown): unknown {
  if (typeof value === "string") return blankText(value);
  if (Array.isArray(value)) return value.map(blankTree);
  if (value === null || typeof value !== "object") return value;
  // A member's name is a word of a program, unless it is a sentence.
  const named = (key: string): string => (/\s/.test(key) ? blankText(key) : key);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [named(key), blankTree(member)]));
}
