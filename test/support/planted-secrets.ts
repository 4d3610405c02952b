/** A hundred secrets of many kinds, and a log with one in every place where somebody can put one. */
import { createHash } from "node:crypto";
import type { StoredMessage } from "../../bus/raw.ts";
import { lanes } from "../../bus/subjects.ts";
import { mint, storedEvent } from "./memory-source.ts";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGITS = "0123456789";
const MIXED = LETTERS + DIGITS;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** Characters drawn from a seed: the same secrets in every run. */
function drawn(seed: string, length: number, alphabet = MIXED): string {
  let text = "";
  for (let block = 0; text.length < length; block++) {
    const bytes = createHash("sha256").update(`${seed}:${block}`).digest();
    for (const byte of bytes) text += alphabet[byte % alphabet.length] ?? "";
  }
  // A digit and a letter at least, as any generator of keys gives sooner or later.
  return alphabet === MIXED ? `${text.slice(0, length - 2)}x7` : text.slice(0, length);
}

function luhnClosed(digits: string): string {
  const sum = digits
    .split("")
    .toReversed()
    .reduce((total, digit, index) => {
      const doubled = index % 2 === 0 ? Number(digit) * 2 : Number(digit);
      return total + (doubled > 9 ? doubled - 9 : doubled);
    }, 0);
  return `${digits}${(10 - (sum % 10)) % 10}`;
}

function germanIban(account: string): string {
  const rest = BigInt(`${account}131400`) % 97n;
  return `DE${String(98n - rest).padStart(2, "0")}${account}`;
}

interface Kind {
  /** The secret itself. */
  make(seed: string): string;
  /** The words it stands in; absent: it is known by its looks. */
  say?(secret: string): string;
  /** Needs words around it, so it cannot be an id by itself. */
  readonly spoken?: true;
}

const password = (words: string): Kind => ({
  make: (seed) => `${drawn(seed, 6, LETTERS)}${drawn(seed, 3, DIGITS)}`,
  say: (secret) => `${words} ${secret}`,
  spoken: true,
});

const kinds: readonly Kind[] = [
  { make: (seed) => `sk-ant-api03-${drawn(seed, 80)}` },
  { make: (seed) => `sk-proj-${drawn(seed, 48)}` },
  { make: (seed) => `ghp_${drawn(seed, 36)}` },
  { make: (seed) => `github_pat_${drawn(seed, 60)}` },
  { make: (seed) => `xoxb-${drawn(seed, 12, DIGITS)}-${drawn(seed, 24)}` },
  { make: (seed) => `AKIA${drawn(seed, 16, BASE32)}` },
  { make: (seed) => `AIza${drawn(seed, 35)}` },
  { make: (seed) => `sk_live_${drawn(seed, 24)}` },
  { make: (seed) => `glpat-${drawn(seed, 20)}` },
  { make: (seed) => `hf_${drawn(seed, 34)}` },
  { make: (seed) => `npm_${drawn(seed, 36)}` },
  { make: (seed) => `SG.${drawn(seed, 22)}.${drawn(seed, 43)}` },
  { make: (seed) => `7${drawn(seed, 8, DIGITS)}:AA${drawn(seed, 33)}` },
  { make: (seed) => `SU${drawn(seed, 56, BASE32)}` },
  { make: (seed) => `eyJhbGciOiJIUzI1NiJ9.eyJ${drawn(seed, 30)}.${drawn(seed, 43)}` },
  { make: (seed) => `${drawn(seed, 7, LETTERS).toLowerCase()}.${drawn(seed, 5, LETTERS).toLowerCase()}@example.org` },
  { make: (seed) => `+49 170 ${drawn(seed, 7, "123456789")}` },
  { make: (seed) => `0${drawn(seed, 2, "123456789")} ${drawn(seed, 7, "123456789")}` },
  { make: (seed) => luhnClosed(`4${drawn(seed, 14, DIGITS)}`) },
  { make: (seed) => germanIban(drawn(seed, 18, DIGITS)) },
  { make: (seed) => drawn(seed, 40) },
  { make: (seed) => createHash("sha256").update(seed).digest("hex") },
  {
    make: (seed) => `${drawn(seed, 5, LETTERS)}:${drawn(seed, 9)}`,
    say: (secret) => `see postgres://${secret}@db.example.org/x`,
    spoken: true,
  },
  {
    make: (seed) => drawn(seed, 60, MIXED),
    say: (secret) => `-----BEGIN RSA PRIVATE KEY-----\n${secret}\n-----END RSA PRIVATE KEY-----`,
    spoken: true,
  },
  { make: (seed) => drawn(seed, 18), say: (secret) => `Authorization: Bearer ${secret}`, spoken: true },
  { make: (seed) => drawn(seed, 14), say: (secret) => `export SERVICE_API_KEY="${secret}"`, spoken: true },
  password("my password is"),
  password("mein Passwort lautet"),
  password("mon mot de passe est"),
  password("la contraseña es"),
  password("a senha é"),
  password("мой пароль:"),
  password("pw="),
  { ...password("PIN:"), make: (seed) => drawn(seed, 6, "123456789") },
  // Known to this machine, and nothing to look at.
  { make: (seed) => `plain ${drawn(seed, 4, "abc").toLowerCase()} "words" \\ ${drawn(seed, 6, "xyz")}` },
];
const KNOWN_KIND = kinds.length - 1;

export interface Planted {
  readonly secret: string;
  readonly place: string;
}

export interface PlantedLog {
  readonly messages: StoredMessage[];
  readonly planted: Planted[];
  /** Those that the machine knows. */
  readonly known: string[];
  readonly systemPrompt: string;
}

type Write = (seq: number, words: string, secret: string) => StoredMessage;

const HERE = { channel: "web", chat: "c" };
const OWNER = { id: "owner", owner: true };
const BY = { id: "owner", channel: "web" };
const CHAT_TOKEN = mint("chat", "web", "c");

function turnOf(seq: number): { turn: string; key: { channel: string; chatToken: string; turn: string } } {
  const turn = mint("turn", "trigger", seq);
  return { turn, key: { channel: "web", chatToken: CHAT_TOKEN, turn } };
}

function stepOf(text: string, more: object = {}) {
  return {
    step: 0,
    attempt: 0,
    model: "demo",
    requestHash: drawn(text, 43),
    signalsThrough: 0,
    text,
    toolCalls: [],
    finishReason: "stop" as const,
    firstTokenMs: 1,
    durationMs: 2,
    usage: {
      inputTokens: 1,
      outputTokens: 1,
      cachedInputTokens: 0,
      reasoningTokens: 0,
    },
    ...more,
  };
}

function received(
  seq: number,
  more: { chat?: string; message?: string; text?: string; name?: string },
  trace?: string,
) {
  const { chat = "c", message = `m${seq}`, text = "hello", name } = more;
  const from = { ...OWNER, ...(name === undefined ? {} : { name }) };
  const subject = lanes.message("web", chat, message).subject;
  const data = { channel: "web", chat, message, from, text };
  return storedEvent("MessageReceived", seq, subject, data, trace === undefined ? {} : { traceparent: trace });
}

/** Where a person, a model, a tool or a provider can put a text. */
const spokenPlaces: Readonly<Record<string, Write>> = {
  "message text": (seq, words) => received(seq, { text: `before ${words}, after` }),
  "a name": (seq, words) => received(seq, { name: words }),
  "an edit": (seq, words) => {
    const data = { ...HERE, message: `m${seq}`, revision: "1", from: OWNER, text: words };
    return storedEvent("MessageEdited", seq, lanes.edit("web", "c", `m${seq}`, "1").subject, data);
  },
  "a task's command": (seq, words) => {
    const data = { command: `k${seq}`, by: BY, group: "main", due: "2027-01-01T00:00:00Z", replyTo: HERE, text: words };
    return storedEvent("ScheduleTask", seq, lanes.command("web", `k${seq}`).subject, data);
  },
  "a fired task": (seq, words) => {
    const data = { group: "main", task: `t${seq}`, due: "2027-01-01T00:00:00Z", replyTo: HERE, text: words, lateMs: 0 };
    return storedEvent("TaskFired", seq, lanes.task("main", `t${seq}`).subject, data);
  },
  "a task's prompt": (seq, words) => {
    const { turn, key } = turnOf(seq);
    const trigger = { type: "TaskFired", id: "i", seq: 1 };
    const data = { ...HERE, turn, attempt: 1, group: "main", trigger, messages: [], historyFrom: 1, replyTo: HERE };
    return storedEvent("TurnRequested", seq, lanes.turnRequest(key).subject, { ...data, prompt: words });
  },
  "a model's text": (seq, words) => {
    const { turn, key } = turnOf(seq);
    const data = {
      ...HERE,
      turn,
      epoch: 1,
      reply: "r",
      replyTo: HERE,
      text: words,
      answers: [],
      lastStep: stepOf(words),
    };
    return storedEvent("TurnCompleted", seq, lanes.end(key, "web").subject, data);
  },
  "a tool's argument": (seq, words) => {
    const { turn, key } = turnOf(seq);
    const data = {
      ...HERE,
      turn,
      epoch: 1,
      step: 0,
      callId: "c1",
      name: "tool",
      arguments: { deep: [{ note: words }] },
    };
    return storedEvent("ToolCalled", seq, lanes.step(key).subject, { ...data, effect: "pure" });
  },
  "a model's call": (seq, words) => {
    const { turn, key } = turnOf(seq);
    const toolCalls = [{ callId: "c1", name: "tool", arguments: { [words]: "as a member's name" } }];
    const data = { ...HERE, turn, epoch: 1, ...stepOf("", { toolCalls }) };
    return storedEvent("ModelStepCompleted", seq, lanes.step(key).subject, data);
  },
  "a provider's figures": (seq, words) => {
    const { turn, key } = turnOf(seq);
    const data = { ...HERE, turn, epoch: 1, ...stepOf("", { rawUsage: { service: { tier: words } } }) };
    return storedEvent("ModelStepCompleted", seq, lanes.step(key).subject, data);
  },
  "a tool's result": (seq, words) => {
    const { turn, key } = turnOf(seq);
    const data = {
      ...HERE,
      turn,
      epoch: 1,
      step: 0,
      callId: "c1",
      name: "tool",
      outcome: "ok" as const,
      result: words,
    };
    return storedEvent("ToolCompleted", seq, lanes.step(key).subject, { ...data, durationMs: 1 });
  },
  "a result that is JSON": (seq, words) => {
    const { turn, key } = turnOf(seq);
    // JSON in JSON, with characters by their number.
    const inner = JSON.stringify({ page: [JSON.stringify({ body: words })] }).replace(/e/, String.raw`\u0065`);
    const data = {
      ...HERE,
      turn,
      epoch: 1,
      step: 0,
      callId: "c1",
      name: "tool",
      outcome: "ok" as const,
      result: inner,
    };
    return storedEvent("ToolCompleted", seq, lanes.step(key).subject, { ...data, durationMs: 1 });
  },
  "an error": (seq, words) => {
    const { turn, key } = turnOf(seq);
    const why = { code: "MODEL_AUTH", message: `refused: ${words}`, retryable: false, durationMs: 1 };
    const step = { step: 0, attempt: 1, model: "demo", requestHash: drawn("h", 43) };
    return storedEvent("ModelStepFailed", seq, lanes.step(key).subject, { ...HERE, turn, epoch: 1, ...step, ...why });
  },
};

/** Where the secret is an id: it is then part of a subject, too. */
const idPlaces: Readonly<Record<string, Write>> = {
  "a chat's id": (seq, _, secret) => received(seq, { chat: secret }),
  "a message's id": (seq, _, secret) => received(seq, { message: secret }),
  "a command's id": (seq, _, secret) => {
    const data = { command: secret, by: BY, ...HERE };
    return storedEvent("CancelTurn", seq, lanes.command("web", secret).subject, data);
  },
  "a trace": (seq, _, secret) => received(seq, {}, secret),
  "an error that names a subject": (seq, _, secret) => {
    const subject = lanes.message("web", secret, "m").subject;
    const data = { process: "router", seq: 1, subject, code: "X_Y", message: `it failed on ${subject}` };
    return storedEvent("DeadLettered", seq, lanes.deadLetter("router", seq).subject, data);
  },
  "bytes that are no event": (seq, _, secret) => ({
    seq,
    subject: lanes.message("web", "c", `x${seq}`).subject,
    storedAtMs: seq,
    headers: { note: secret },
    payload: Buffer.from(`{"broken": ${secret}`),
  }),
};

/** `count` secrets, kinds and places by turns, each in words that fit it. */
export function plantSecrets(count: number): PlantedLog {
  const messages: StoredMessage[] = [];
  const planted: Planted[] = [];
  const known: string[] = [];
  let systemPrompt = "";
  const spoken = Object.entries(spokenPlaces);
  const ids = Object.entries(idPlaces);
  for (let index = 0; index < count; index++) {
    const number = index % kinds.length;
    const kind = kinds[number] ?? kinds[0]!;
    const secret = kind.make(`secret ${index}`);
    if (number === KNOWN_KIND) known.push(secret);
    const words = kind.say?.(secret) ?? `take ${secret} for it`;
    const asId = kind.spoken !== true && index % 3 === 0 && secret.length < 200;
    const [place, write] = (asId ? ids[(index / 3) % ids.length] : spoken[index % spoken.length]) ?? spoken[0]!;
    // A longer id is a hash in its subject.
    if (place === "an error that names a subject" && secret.length > 46) {
      messages.push(idPlaces["a chat's id"]!(index + 1, words, secret));
      planted.push({ secret, place: "a chat's id" });
      continue;
    }
    if (index === count - 1) {
      systemPrompt = `Be kind. ${words}`;
      planted.push({ secret, place: "the configured prompt" });
      continue;
    }
    messages.push(write(index + 1, words, secret));
    planted.push({ secret, place });
  }
  return { messages, planted, known, systemPrompt };
}

/** Everything that can be read out of a bundle: its lines, their texts without escapes, what is base64 in it. */
export function readable(bundle: string): string {
  const texts: string[] = [bundle];
  const walk = (value: unknown): void => {
    if (typeof value === "number") texts.push(String(value));
    if (typeof value === "string") {
      texts.push(value);
      for (const [, encoded = ""] of value.matchAll(/_b([A-Za-z0-9_-]+)/g))
        texts.push(Buffer.from(encoded, "base64url").toString("utf8"));
      if (value.includes("%")) texts.push(unescaped(value));
      try {
        const inner = JSON.parse(value) as unknown;
        if (inner !== null && typeof inner === "object") walk(inner);
      } catch {
        // It is no JSON.
      }
    }
    if (value === null || typeof value !== "object") return;
    for (const [key, member] of Object.entries(value)) {
      texts.push(key);
      walk(member);
      if (key === "bytes" && typeof member === "string") texts.push(Buffer.from(member, "base64").toString("utf8"));
    }
  };
  for (const line of bundle.trim().split("\n")) walk(JSON.parse(line) as unknown);
  return texts.join("\n");
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
