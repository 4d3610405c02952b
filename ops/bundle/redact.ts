/**
 * Covers secrets in texts. Pure: what comes out depends on the text, the known secrets and the table alone. The same secret
 * has the same replacement everywhere, so that who reads the export still sees what belongs together.
 */
import { encodeToken } from "../../bus/subjects.ts";
import { findSecrets, namesSecret, type Finding } from "./patterns.ts";

export interface KnownSecret {
  readonly label: string;
  readonly value: string;
}

export interface Redactor {
  /** First pass: takes note of secrets that only the words around give away; the second covers them everywhere. */
  learn(text: string): void;
  /** Covers what is known, learned or found. Applied twice it changes nothing more. */
  redact(text: string): string;
  /** Covers only the secrets known beforehand: for ids and hashes, which are random by themselves. */
  redactKnown(text: string): string;
  /** Covers a whole value, because of the name it stands under. */
  cover(value: string): string;
  /** Secrets covered so far, each counted once. */
  readonly count: number;
}

/** A known value that is shorter stands in too many harmless words. */
const MIN_KNOWN_CHARS = 6;
/** Alternatives of one expression; the engine is fast with them, but not with a hundred thousand. */
const PER_EXPRESSION = 500;
/** JSON in a text in JSON in a text: deeper is no log of ours. */
const MAX_DEPTH = 4;
/** Each round covers something; more were never seen to be needed than three. */
const MAX_ROUNDS = 8;
const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;
/** Texts kept with their answer: ids and names come again and again. */
const CACHE_TEXTS = 4_096;
const CACHED_CHARS = 256;

/** A value as it may stand in a text: itself, in a URL, in JSON, in base64 at any offset, in hexadecimal. */
function spellings(value: string): string[] {
  const bytes = Buffer.from(value, "utf8");
  const forms = [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)];
  if (value.length < 8) return forms;
  for (const before of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(before), bytes]);
    const whole = padded.toString("base64").replace(/=+$/, "");
    // First and last characters also hold bits of the neighbours.
    const from = before === 0 ? 0 : before + 1;
    const end = whole.length - (padded.length % 3 === 0 ? 0 : 1);
    const inner = whole.slice(from, end);
    forms.push(inner, inner.replaceAll("+", "-").replaceAll("/", "_"));
  }
  forms.push(bytes.toString("hex"), bytes.toString("hex").toUpperCase());
  return forms;
}

interface Spelling {
  readonly value: string;
  readonly label: string;
}

/** Finds any of many values; longer ones first. */
interface Matcher {
  readonly expressions: readonly RegExp[];
  readonly spelled: ReadonlyMap<string, Spelling>;
}

function matcherOf(values: readonly Spelling[]): Matcher {
  const spelled = new Map<string, Spelling>();
  for (const one of values)
    for (const form of spellings(one.value))
      if (form.length >= MIN_KNOWN_CHARS && !spelled.has(form)) spelled.set(form, one);
  const all = [...spelled.keys()].toSorted((a, b) => b.length - a.length);
  const expressions: RegExp[] = [];
  for (let from = 0; from < all.length; from += PER_EXPRESSION) {
    const some = all
      .slice(from, from + PER_EXPRESSION)
      .map((form) => form.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`));
    expressions.push(new RegExp(some.join("|"), "g"));
  }
  return { expressions, spelled };
}

interface Range extends Finding {
  /** What the replacement is numbered by; absent: the covered text itself. */
  readonly value?: string;
}

function matchesOf({ expressions, spelled }: Matcher, text: string): Range[] {
  return expressions.flatMap((expression) =>
    [...text.matchAll(expression)].map((match) => {
      const { value, label } = spelled.get(match[0]) ?? { value: match[0], label: "secret" };
      return { start: match.index, end: match.index + match[0].length, label, value };
    }),
  );
}

/** Ranges that overlap become one, with the label of the one that begins first. */
function merged(ranges: readonly Range[]): Range[] {
  const sorted = ranges.toSorted((a, b) => a.start - b.start || b.end - a.end);
  const all: Range[] = [];
  for (const range of sorted) {
    const last = all.at(-1);
    if (last === undefined || range.start >= last.end) all.push(range);
    else if (range.end > last.end) all[all.length - 1] = { start: last.start, end: range.end, label: last.label };
  }
  return all;
}

/** A password that is a common word must not cover that word everywhere. */
function isDistinctive(value: string, label: string): boolean {
  if (value.length < MIN_KNOWN_CHARS) return false;
  return label !== "password" || value.length >= 12 || /[^\p{L}]/u.test(value);
}

const ESCAPED = /\\u00([2-7][0-9a-f])/gi;
const PERCENT = /%[0-9a-f]{2}/i;

/** The same text with characters that are written by their number. */
function views(text: string): string[] {
  const found: string[] = [];
  if (text.includes("\\u"))
    found.push(text.replaceAll(ESCAPED, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))));
  if (PERCENT.test(text)) {
    try {
      found.push(decodeURIComponent(text));
    } catch {
      // It is no percent encoding.
    }
  }
  return found.filter((view) => view !== text);
}

/** Ids stand in subjects, and subjects in messages of errors. */
const ENCODED_TOKEN = /(?<![A-Za-z0-9_-])_b([A-Za-z0-9_-]{4,62})(?![A-Za-z0-9_-])/g;

export function createRedactor(known: readonly KnownSecret[]): Redactor {
  const numbers = new Map<string, string>();
  const perLabel = new Map<string, number>();
  const learned = new Map<string, string>();
  const knownMatcher = matcherOf(known.filter(({ value }) => value.length >= MIN_KNOWN_CHARS));
  let learnedMatcher: Matcher | undefined;
  const cache = new Map<string, string>();

  function nameOf(value: string, label: string): string {
    let name = numbers.get(value);
    if (name === undefined) {
      const number = (perLabel.get(label) ?? 0) + 1;
      perLabel.set(label, number);
      numbers.set(value, (name = `${label}-${number}`));
    }
    return name;
  }

  function rangesOf(text: string): Range[] {
    return [
      ...matchesOf(knownMatcher, text),
      ...(learnedMatcher === undefined ? [] : matchesOf(learnedMatcher, text)),
      ...findSecrets(text),
    ];
  }

  function replace(text: string, ranges: readonly Range[]): string {
    if (ranges.length === 0) return text;
    // An id must stay one.
    const isToken = TOKEN.test(text);
    let result = "";
    let from = 0;
    for (const { start, end, label, value } of merged(ranges)) {
      const name = nameOf(value ?? text.slice(start, end), label);
      result += text.slice(from, start) + (isToken ? `redacted-${name}` : `[redacted:${name}]`);
      from = end;
    }
    const covered = result + text.slice(from);
    return isToken ? covered.slice(0, 64) : covered;
  }

  function redactText(text: string, depth: number): string {
    const inner = depth < MAX_DEPTH ? redactJson(text, depth) : undefined;
    if (inner !== undefined && inner !== text) return inner;
    const tokens = text.includes("_b")
      ? text.replaceAll(ENCODED_TOKEN, (whole, encoded: string) => {
          const id = Buffer.from(encoded, "base64url").toString("utf8");
          const covered = encodeToken(id) === whole ? redactText(id, depth + 1) : id;
          return covered === id ? whole : encodeToken(covered);
        })
      : text;
    for (const view of views(tokens)) {
      const covered = replace(view, rangesOf(view));
      // Only then its spelling changes.
      if (covered !== view && rangesOf(view).length > rangesOf(tokens).length) return redactText(covered, depth + 1);
    }
    return replace(tokens, rangesOf(tokens));
  }

  /** A text that is JSON: its strings are looked at without their escapes. */
  function redactJson(text: string, depth: number): string | undefined {
    if (!/^\s*["[{]/.test(text)) return undefined;
    try {
      const value = JSON.parse(text) as unknown;
      const covered = redactTree(value, (leaf) => redactText(leaf, depth + 1), cover);
      return JSON.stringify(covered) === JSON.stringify(value) ? text : JSON.stringify(covered);
    } catch {
      return undefined;
    }
  }

  function cover(value: string): string {
    if (/^\W*redacted[:-]/.test(value) || value === "") return value;
    const name = nameOf(value, "secret");
    if (isDistinctive(value, "password")) learned.set(value, "secret");
    return TOKEN.test(value) ? `redacted-${name}` : `[redacted:${name}]`;
  }

  return {
    learn(text) {
      cache.clear();
      learnedMatcher = undefined;
      const take = (one: string, depth: number): void => {
        for (const { start, end, label, byContext } of findSecrets(one)) {
          const value = one.slice(start, end);
          if (byContext !== true || !isDistinctive(value, label)) continue;
          learned.set(value, label);
          // Said again without the sign at its end, which may have been the sentence's.
          const stem = value.replace(/[!?.,)\]}]+$/, "");
          if (stem !== value && isDistinctive(stem, label) && !learned.has(stem)) learned.set(stem, label);
        }
        if (depth >= MAX_DEPTH) return;
        for (const view of views(one)) take(view, depth + 1);
        if (!/^\s*["[{]/.test(one)) return;
        try {
          redactTree(JSON.parse(one) as unknown, (leaf) => (take(leaf, depth + 1), leaf), cover);
        } catch {
          // It is no JSON.
        }
      };
      take(text, 0);
    },
    redact(text) {
      learnedMatcher ??= matcherOf([...learned].map(([value, label]) => ({ value, label })));
      const kept = cache.get(text);
      if (kept !== undefined) return kept;
      let covered = redactText(text, 0);
      // A text with something covered reads differently: what is beside it may be one only now.
      for (let round = 1, before = text; covered !== before && round < MAX_ROUNDS; round++)
        covered = redactText((before = covered), 0);
      if (text.length <= CACHED_CHARS) {
        if (cache.size >= CACHE_TEXTS) cache.clear();
        cache.set(text, covered);
      }
      return covered;
    },
    redactKnown: (text) => replace(text, matchesOf(knownMatcher, text)),
    cover,
    get count() {
      return numbers.size;
    },
  };
}

/** Every string and every member's name of a free value; members that name a secret are covered whole. */
export function redactTree(value: unknown, redact: (text: string) => string, cover: (text: string) => string): unknown {
  if (typeof value === "string") return redact(value);
  if (typeof value === "number") {
    // Long numbers are cards and the like; a figure is short.
    const text = String(value);
    const covered = text.length >= 7 ? redact(text) : text;
    return covered === text ? value : covered;
  }
  if (Array.isArray(value)) return value.map((one) => redactTree(one, redact, cover));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      const isSecret = namesSecret(key) && (typeof member === "string" || typeof member === "number");
      return [redact(key), isSecret ? cover(String(member)) : redactTree(member, redact, cover)];
    }),
  );
}
