/**
 * The only place that builds or parses a subject (DESIGN 4). A lane is where one entity's events go together with the
 * fence that guards it; both come from the same call, because the server accepts a fence that does not match its subject.
 */
import { createHash } from "node:crypto";
import { TaffrailError } from "./errors.ts";

export const STREAM = "LOG";
export const LOG_ROOT = "log.>";

/** Where an event is appended, and the subject filter whose last sequence the append expects. */
export interface Lane {
  readonly subject: string;
  readonly fence: string;
}

const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;
const PLAIN = /^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$/;

/**
 * Encodes an outside id as one subject token of at most 64 characters: plain ids stay, others become `_b` + base64url,
 * those that are then too long `_h` + SHA-256, those that are no Unicode text `_u` + SHA-256. Plain ids never begin with `_`, so two ids never share a token.
 */
export function encodeToken(id: string): string {
  if (PLAIN.test(id)) return id;
  // UTF-8 has no bytes for half a surrogate pair: such ids would all become the same replacement character.
  if (/\p{Surrogate}/u.test(id))
    return `_u${createHash("sha256").update(Buffer.from(id, "utf16le")).digest("base64url")}`;
  const bytes = Buffer.from(id, "utf8");
  // "_b" + 4/3 of the length must stay within 64 characters.
  if (id.length > 0 && bytes.length <= 46) return `_b${bytes.toString("base64url")}`;
  return `_h${createHash("sha256").update(bytes).digest("base64url")}`;
}

function token(value: string): string {
  if (!TOKEN.test(value)) throw new TaffrailError("BUS_SUBJECT_INVALID", `"${value.slice(0, 80)}" is no subject token`);
  return value;
}

function own(subject: string): Lane {
  return { subject, fence: subject };
}

/** A turn's place: channel name, HMAC token of the chat, HMAC token of the turn. */
export interface TurnKey {
  readonly channel: string;
  readonly chatToken: string;
  readonly turn: string;
}

function turnRoot(key: TurnKey): string {
  return `log.turn.${token(key.channel)}.${token(key.chatToken)}.${token(key.turn)}`;
}

/** Lanes to append to. Ids of platforms are given as they are and encoded here. */
export const lanes = {
  message: (channel: string, chat: string, message: string): Lane =>
    own(`log.in.${token(channel)}.${encodeToken(chat)}.${encodeToken(message)}.0`),
  edit: (channel: string, chat: string, message: string, revision: string): Lane =>
    own(`log.in.${token(channel)}.${encodeToken(chat)}.${encodeToken(message)}.${encodeToken(`e${revision}`)}`),
  deletion: (channel: string, chat: string, message: string, revision: string): Lane =>
    own(`log.in.${token(channel)}.${encodeToken(chat)}.${encodeToken(message)}.${encodeToken(`d${revision}`)}`),
  command: (channel: string, command: string): Lane => own(`log.cmd.${token(channel)}.${encodeToken(command)}`),
  /** TurnRequested: fenced by the whole chat, so that one chat has one turn at a time. */
  turnRequest: (key: TurnKey): Lane => ({
    subject: `${turnRoot(key)}.wake`,
    fence: `log.turn.${token(key.channel)}.${token(key.chatToken)}.>`,
  }),
  /** TurnResumed: fenced by the whole turn, like a signal. */
  turnResume: (key: TurnKey): Lane => ({ subject: `${turnRoot(key)}.wake`, fence: `${turnRoot(key)}.>` }),
  signal: (key: TurnKey): Lane => ({ subject: `${turnRoot(key)}.signal`, fence: `${turnRoot(key)}.>` }),
  /** TurnClaimed: fenced by the whole turn, so that the runner knows every signal before its claim. */
  claim: (key: TurnKey): Lane => ({ subject: `${turnRoot(key)}.run.step`, fence: `${turnRoot(key)}.>` }),
  step: (key: TurnKey): Lane => ({ subject: `${turnRoot(key)}.run.step`, fence: `${turnRoot(key)}.run.>` }),
  out: (key: TurnKey, channel: string): Lane => ({
    subject: `${turnRoot(key)}.run.out.${token(channel)}`,
    fence: `${turnRoot(key)}.run.>`,
  }),
  /** The one end: fenced by the whole turn, so that no signal stands behind it. */
  end: (key: TurnKey, channel: string): Lane => ({
    subject: `${turnRoot(key)}.run.out.${token(channel)}`,
    fence: `${turnRoot(key)}.>`,
  }),
  task: (group: string, task: string): Lane => own(`log.task.${token(group)}.${token(task)}`),
  chat: (channel: string, chat: string): Lane => own(`log.chat.${token(channel)}.${encodeToken(chat)}`),
  process: (name: string): Lane => own(`log.process.${token(name)}`),
  deadLetter: (process: string, seq: number): Lane => own(`log.dead.${token(process)}.${seq}`),
};

/** Filters to read by. */
export const filters = {
  inbound: "log.in.>",
  commands: "log.cmd.>",
  turns: "log.turn.>",
  wakes: "log.turn.*.*.*.wake",
  signals: "log.turn.*.*.*.signal",
  steps: "log.turn.*.*.*.run.step",
  outs: "log.turn.*.*.*.run.out.>",
  tasks: "log.task.>",
  chats: "log.chat.>",
  processes: "log.process.>",
  dead: "log.dead.>",
  turn: (key: TurnKey): string => `${turnRoot(key)}.>`,
  /** A turn whose chat is not known. */
  turnById: (turn: string): string => `log.turn.*.*.${token(turn)}.>`,
  chatInbound: (channel: string, chat: string): string => `log.in.${token(channel)}.${encodeToken(chat)}.>`,
  /** A message with all its revisions, also those that came before it. */
  messageRevisions: (channel: string, chat: string, message: string): string =>
    `log.in.${token(channel)}.${encodeToken(chat)}.${encodeToken(message)}.>`,
  /** All turns of a chat. */
  chatTurns: (channel: string, chatToken: string): string => `log.turn.${token(channel)}.${token(chatToken)}.>`,
  chatOuts: (channel: string, chatToken: string): string =>
    `log.turn.${token(channel)}.${token(chatToken)}.*.run.out.>`,
};

/** Ephemeral subjects (core NATS, never the log). */
export const liveSubjects = {
  tokens: (channel: string, chat: string, turn: string): string =>
    `live.${token(channel)}.${encodeToken(chat)}.${token(turn)}`,
  feedChat: (channel: string, chat: string): string => `feed.chat.${token(channel)}.${encodeToken(chat)}`,
  feedChats: "feed.chats",
  query: (service: string, name: string): string => `query.${token(service)}.${token(name)}`,
  stats: (host: string, process: string): string => `stats.${token(host)}.${token(process)}`,
  lease: "lease.runner",
  intakePause: "intake.pause",
};

export type ParsedSubject =
  | { type: "in"; channel: string; chatToken: string; messageToken: string; revision: string }
  | { type: "cmd"; channel: string; commandToken: string }
  | { type: "turn"; key: TurnKey; lane: "wake" | "signal" | "step" | "out" }
  | { type: "task"; group: string; task: string }
  | { type: "chat"; channel: string; chatToken: string }
  | { type: "process"; process: string }
  | { type: "dead"; process: string; seq: number };

/** Parses a subject of the log; undefined for one that does not fit the grammar. */
export function parseSubject(subject: string): ParsedSubject | undefined {
  const parts = subject.split(".");
  if (parts[0] !== "log" || parts.some((part) => !TOKEN.test(part))) return undefined;
  const [, kind, a = "", b = "", c = "", d = "", e = ""] = parts;
  if (kind === "in" && parts.length === 6)
    return { type: "in", channel: a, chatToken: b, messageToken: c, revision: d };
  if (kind === "cmd" && parts.length === 4) return { type: "cmd", channel: a, commandToken: b };
  if (kind === "task" && parts.length === 4) return { type: "task", group: a, task: b };
  if (kind === "chat" && parts.length === 4) return { type: "chat", channel: a, chatToken: b };
  if (kind === "process" && parts.length === 3) return { type: "process", process: a };
  if (kind === "dead" && parts.length === 4) return { type: "dead", process: a, seq: Number(b) };
  if (kind !== "turn") return undefined;
  const key = { channel: a, chatToken: b, turn: c };
  if (parts.length === 6 && (d === "wake" || d === "signal")) return { type: "turn", key, lane: d };
  if (parts.length === 7 && d === "run" && e === "step") return { type: "turn", key, lane: "step" };
  if (parts.length === 8 && d === "run" && e === "out") return { type: "turn", key, lane: "out" };
  return undefined;
}

/** True when `subject` matches a NATS filter with `*` and a final `>`. */
export function matchesFilter(filter: string, subject: string): boolean {
  const want = filter.split(".");
  const have = subject.split(".");
  for (let index = 0; index < want.length; index++) {
    if (want[index] === ">") return have.length > index;
    if (have[index] === undefined || (want[index] !== "*" && want[index] !== have[index])) return false;
  }
  return want.length === have.length;
}

/** A test for "one of these filters matches"; the common shapes need no splitting. */
export function filterTest(filters: readonly string[]): (subject: string) => boolean {
  const tests = filters.map((filter) => {
    if (filter.includes("*")) return (subject: string) => matchesFilter(filter, subject);
    if (!filter.endsWith(".>")) return (subject: string) => subject === filter;
    const prefix = filter.slice(0, -1);
    return (subject: string) => subject.startsWith(prefix);
  });
  return (subject) => tests.some((test) => test(subject));
}
