/** A replay's report in words: whether all came out the same, else where it first does not, both sides, and what changed. Pure. */
import { counted } from "../story/text.ts";
import { wrap } from "../supervisor/log-lines.ts";
import type { ReplayDifference, ReplayReport, Versions } from "./replay.ts";

/** Characters of a value shown; whole ones are in the JSON. */
const MAX_CHARS = 400;
/** Of a text whose beginning is the same on both sides, so much of it stands before the place where they part. */
const LEAD_CHARS = 30;
/** Enough of a hash to tell two apart. */
const HASH_CHARS = 10;
const NAME_WIDTH = 9;
/** So much of its id names a turn. */
const TURN_CHARS = 8;

const KIND: Readonly<Record<ReplayDifference["kind"], string>> = {
  changed: "is decided differently now",
  missing: "is recorded; now nothing is decided there",
  extra: "would be decided now, behind this event; nothing is recorded",
};

const PART: Readonly<Record<keyof Versions, string>> = {
  code: "code (release and build)",
  prompt: "prompt (agent.systemPrompt, or the one built in)",
  tools: "tools (their descriptions)",
  policy: "policy",
  config: "config (model, limits, queue mode)",
};

const MEANING: Readonly<Record<string, string>> = {
  "data.requestHash": "the model is asked something else",
  "data.lastStep.requestHash": "the model is asked something else",
  type: "another kind of event",
  subject: "another place in the log",
};

/** What a report is told with, beside itself. */
export interface Telling {
  /** How a command begins here that reads the same log: program, verb, its --home. */
  readonly command: (words: string) => string;
  /** How long it took. */
  readonly seconds: number;
  /** The turn as it was named, when it was one alone. */
  readonly turn?: string | undefined;
  /** Configuration that a bundle was exported with and that is another now. */
  readonly settings: readonly { readonly name: string; readonly recorded: unknown; readonly now: unknown }[];
  /** Columns to stay within; as wide as it gets when absent. */
  readonly columns?: number | undefined;
}

function isHash(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text);
}

function whole(value: unknown): string {
  if (value === undefined) return "nothing";
  return typeof value === "string" && isHash(value) ? `${value.slice(0, HASH_CHARS)}…` : JSON.stringify(value);
}

function cutAt(text: string): string {
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}… (${counted(text.length, "character")})` : text;
}

/** Both sides; long ones from shortly before the place where they part. */
function bothSides(recorded: unknown, computed: unknown): [string, string] {
  const [left, right] = [whole(recorded), whole(computed)];
  let same = 0;
  while (same < left.length && left[same] === right[same]) same++;
  const from = same - LEAD_CHARS;
  if (from <= LEAD_CHARS) return [cutAt(left), cutAt(right)];
  return [cutAt(`…${left.slice(from)}`), cutAt(`…${right.slice(from)}`)];
}

/** Lines for a person. */
export function describeReplay(report: ReplayReport, telling: Telling): string[] {
  const [first] = report.differences;
  const figures = `${counted(report.events, "event")}, ${counted(report.turns, "turn")}, ${counted(report.compared, "decision")} compared`;
  const unreadable =
    report.unreadable > 0 ? [`${counted(report.unreadable, "entry", "entries")} of no schema, left out`] : [];
  if (first !== undefined)
    return [
      ...describeDifference(first, telling),
      "",
      `Up to there ${figures}.`,
      ...unreadable,
      "",
      ...nextCommands(first, telling),
    ];
  if (report.compared === 0)
    return [`NOTHING was decided in this part of the log (${counted(report.events, "event")} read)`, ...unreadable];
  const rate = report.events / Math.max(telling.seconds, 0.001);
  const also = [
    `${telling.seconds.toFixed(1)} s, ${counted(Math.round(rate), "event")} a second; no model, tool or network was used`,
    ...(report.open > 0 ? [`${counted(report.open, "turn")} without an end: compared as far as recorded`] : []),
    ...unreadable,
  ];
  const next =
    telling.turn === undefined
      ? []
      : ["", `The model was asked:   ${telling.command(`replay ${telling.turn} --requests`)}`];
  return [`EQUAL  ${figures}`, ...also.map((line) => `       ${line}`), ...next];
}

function describeDifference(difference: ReplayDifference, telling: Telling): string[] {
  const { seq, type, turn, channel, chat, path, kind, changed } = difference;
  const [recorded, computed] = bothSides(difference.recorded, difference.computed);
  const line = (name: string, text: string): string => {
    const [columns, indent] = [telling.columns, NAME_WIDTH + 3];
    return `  ${name.padEnd(NAME_WIDTH)} ${columns === undefined ? text : wrap(text, columns, indent)}`;
  };
  const meaning = MEANING[path];
  // Two hashes tell a reader no more than that they are two.
  const parts = changed.map(({ part, recorded: then, now }) =>
    line("changed", isHash(then) && isHash(now) ? PART[part] : `${PART[part]}: ${then} then, ${now} now`),
  );
  const settings = telling.settings.map(({ name, recorded: then, now }) => {
    const [left, right] = bothSides(then, now);
    return line("", `${name}: ${left} then, ${right} now`);
  });
  return [
    `DIFFERENT at event ${seq}: ${type} ${KIND[kind]}`,
    ...(turn === undefined ? [] : [line("turn", turn)]),
    ...(chat === undefined ? [] : [line("chat", `${chat} on ${channel ?? "?"}`)]),
    ...(path === "" ? [] : [line("differs", meaning === undefined ? path : `${path}: ${meaning}`)]),
    line("recorded", recorded),
    line("now", computed),
    ...(parts.length > 0
      ? [...parts, ...settings]
      : [line("changed", "none of the recorded versions: the log was changed, or this is a defect")]),
  ];
}

/** What to type next. */
function nextCommands({ seq, turn, path }: ReplayDifference, { command }: Telling): string[] {
  const line = (what: string, words: string): string => `${what.padEnd(22)} ${command(words)}`;
  if (turn === undefined) return [line("The event:", `log show --from ${seq} --to ${seq}`)];
  const short = turn.slice(0, TURN_CHARS);
  const [shown, named] = short.startsWith("-") ? [`--story --turn=${short}`, `--turn=${short}`] : [short, short];
  return [
    line("What was said there:", `log show ${shown}`),
    ...(path.endsWith("requestHash") ? [line("What is asked now:", `replay ${named} --requests`)] : []),
    line("The whole difference:", `replay ${named} --json`),
  ];
}
