/** The verbs, their options and the help text; parses a command line. Pure. */
import { calledAs } from "./called.ts";
import { suggestion } from "../config/nearest.ts";

/** A wrong command line: one line, exit 2. */
export class UsageError extends Error {}

interface Option {
  /** Name of the value in the help; absent: a switch. */
  readonly value?: string;
  /** The value may be left out; given, it stands behind "=". */
  readonly optional?: readonly string[];
  readonly help: string;
}

interface Verb {
  /** Words after the verb, as the help shows them. */
  readonly operands: string;
  /** Least and most words after the verb. */
  readonly count: readonly [number, number];
  readonly help: string;
  /** A second line, in the verb's own help. */
  readonly more?: string;
  readonly options: Readonly<Record<string, Option>>;
}

const home = { home: { value: "FOLDER", help: "state folder (TAFFRAIL_HOME)" } } as const;
const oneChat = { chat: { value: "ID", help: "the conversation" } } as const;
const logOptions = {
  chat: { value: "ID", help: "only this chat" },
  group: { value: "NAME", help: "only this group" },
  turn: { value: "ID", help: "only this turn; the beginning of its id will do" },
  type: { value: "TYPE", help: "only events of this type, such as MessageReceived" },
  from: { value: "WHEN", help: "first: a sequence, a time, or an age such as 10m" },
  to: { value: "WHEN", help: "last, written alike" },
  json: { help: "one event a line as JSON" },
} as const;

export const verbs: Readonly<Record<string, Verb>> = {
  up: {
    operands: "",
    count: [0, 0],
    help: "start, and stay until Ctrl-C",
    options: { verbose: { help: "show debug lines too" } },
  },
  down: { operands: "", count: [0, 0], help: "stop the running one", options: {} },
  status: {
    operands: "",
    count: [0, 0],
    help: "the processes; exit 0 when all are ready",
    options: { json: { help: "as JSON" } },
  },
  send: {
    operands: '"TEXT"',
    count: [1, 1],
    help: "send a message and print the answer as it comes",
    options: {
      chat: { value: "ID", help: "conversation to go on with (a new one unless given)" },
      model: { value: "MODEL", help: "such as demo or ollama:llama3.2" },
    },
  },
  "log show": {
    operands: "[TURN]",
    count: [0, 1],
    help: "print events, or the story of one turn",
    more: "TURN is the beginning of a turn's id, or the sequence of an event of it.",
    options: {
      ...logOptions,
      story: { help: "tell a turn: --turn, or the last one, of --chat or of all" },
      graph: { value: "FORM", help: "what caused what, in a turn or --chat: text, json, mermaid" },
    },
  },
  "log tail": { operands: "", count: [0, 0], help: "follow the log", options: logOptions },
  "log export": {
    operands: "",
    count: [0, 0],
    help: "write a part of the log to a file that others can read",
    options: {
      chat: { value: "ID", help: "one conversation" },
      channel: { value: "NAME", help: "its channel (web)" },
      turn: { value: "ID", help: "one turn, with the conversation it saw" },
      all: { help: "the whole log" },
      redact: { optional: ["text"], help: "cover secrets and personal data; =text blanks all words too" },
      out: { value: "FILE", help: "where to (a new file here; - for stdout)" },
    },
  },
  "log import": {
    operands: "FILE",
    count: [1, 1],
    help: "check such a file and lay it into a folder of its own",
    options: {},
  },
  "log stats": {
    operands: "",
    count: [0, 0],
    help: "count events, turns, tokens; time to the end of a turn",
    options: { from: logOptions.from, to: logOptions.to, json: { help: "as JSON" } },
  },
  replay: {
    operands: "[TURN|CHAT]",
    count: [0, 1],
    help: "decide recorded turns again, offline, and compare",
    options: {
      turn: { value: "ID", help: "one turn: its id, the beginning of it, or a sequence in it" },
      chat: { value: "ID", help: "all turns of a conversation" },
      from: { value: "WHEN", help: "first: a sequence, a time, or an age such as 10m" },
      to: { value: "WHEN", help: "last, written alike" },
      all: { help: "the whole log" },
      requests: { help: "print each full model request as it is computed, as JSON" },
      json: { help: "the report as JSON" },
    },
  },
  rebuild: {
    operands: "[VIEW]",
    count: [0, 1],
    help: "build views anew from the log, compare, replace",
    options: {
      check: { help: "compare only; the live one stays" },
      json: { help: "one line of JSON a view" },
    },
  },
  link: { operands: "", count: [0, 0], help: "print a new one-time link to the page", options: {} },
  "tasks add": {
    operands: '"TEXT"',
    count: [1, 1],
    help: "run a text once at a later time",
    options: {
      in: { value: "AGE", help: "after 10s, 5m, 2h or 1d" },
      at: { value: "TIME", help: "at 18:30 or 2031-01-31T18:30:00Z" },
      chat: { value: "ID", help: "conversation that gets the answer" },
    },
  },
  "tasks cancel": { operands: "TASK", count: [1, 1], help: "take a task off the list", options: {} },
  stop: { operands: "", count: [0, 0], help: "stop the answer that is being written", options: oneChat },
  retry: { operands: "", count: [0, 0], help: "answer the last message again", options: oneChat },
  model: { operands: "MODEL", count: [1, 1], help: "choose the model of a conversation", options: oneChat },
  help: { operands: "[VERB]", count: [0, 2], help: "this text, or that of one verb", options: {} },
  version: { operands: "", count: [0, 0], help: "print the version", options: {} },
};

export interface CommandLine {
  readonly verb: string;
  readonly operands: readonly string[];
  readonly options: Readonly<Record<string, string | true>>;
}

/** @throws UsageError */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { verb, rest } = findVerb(args);
  const spec = verbs[verb];
  if (spec === undefined) throw new UsageError(`"${verb}" is not a verb`);
  const known: Readonly<Record<string, Option>> = { ...spec.options, ...home };
  const options: Record<string, string | true> = {};
  const operands: string[] = [];
  for (let index = 0; index < rest.length; index++) {
    const word = rest[index] ?? "";
    if (word === "--") {
      operands.push(...rest.slice(index + 1));
      break;
    }
    if (!word.startsWith("--")) {
      operands.push(word);
      continue;
    }
    const [name, inline] = splitOnce(word.slice(2));
    const option = Object.hasOwn(known, name) ? known[name] : undefined;
    if (option === undefined)
      throw new UsageError(`${verb}: "--${name}" is not an option${dashed(suggestion(name, Object.keys(known)))}`);
    if (option.optional !== undefined) {
      if (inline !== undefined && !option.optional.includes(inline))
        throw new UsageError(`${verb}: --${name} "${inline}" is none of: ${option.optional.join(", ")}`);
      options[name] = inline ?? true;
      continue;
    }
    if (option.value === undefined) {
      if (inline !== undefined) throw new UsageError(`${verb}: --${name} takes no value`);
      options[name] = true;
      continue;
    }
    const value = inline ?? rest[++index];
    if (value === undefined || value === "" || (inline === undefined && value.startsWith("--")))
      throw new UsageError(`${verb}: --${name} needs a value (${option.value})`);
    options[name] = value;
  }
  const [least, most] = spec.count;
  if (operands.length < least)
    throw new UsageError(`${verb}: ${spec.operands} is missing; taffrail ${verb} ${spec.operands}`);
  if (operands.length > most) {
    const extra = operands[most] ?? "";
    throw new UsageError(
      `${verb}: "${extra}" is too much${spec.operands.startsWith('"') ? "; put the text in quotes" : ""}`,
    );
  }
  return { verb, operands, options };
}

function splitOnce(text: string): [string, string | undefined] {
  const at = text.indexOf("=");
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function dashed(text: string): string {
  return text.replaceAll(/(?<=known: |, |")(?=[a-z])/g, "--");
}

function findVerb(args: readonly string[]): { verb: string; rest: readonly string[] } {
  const [first, second = ""] = args;
  if (first === undefined) return { verb: "help", rest: [] };
  if (first === "--help" || first === "-h") return { verb: "help", rest: [] };
  if (first === "--version" || first === "-v") return { verb: "version", rest: [] };
  if (args.slice(1).some((word) => word === "--help" || word === "-h"))
    return { verb: "help", rest: args.filter((word) => !word.startsWith("-")).slice(0, 2) };
  if (Object.hasOwn(verbs, first)) return { verb: first, rest: args.slice(1) };
  const pairs = Object.keys(verbs).filter((name) => name.startsWith(`${first} `));
  if (pairs.length > 0) {
    const pair = `${first} ${second}`;
    if (Object.hasOwn(verbs, pair)) return { verb: pair, rest: args.slice(2) };
    const seconds = pairs.map((name) => name.slice(first.length + 1));
    if (second === "" || second.startsWith("-")) throw new UsageError(`${first}: say which: ${pairs.join(", ")}`);
    throw new UsageError(`"${pair}" is not a verb${suggestion(second, seconds)}`);
  }
  const names = [...new Set(Object.keys(verbs).map((name) => name.split(" ")[0] ?? name))];
  throw new UsageError(`"${first}" is not a verb${suggestion(first, names)}`);
}

/** The help of one verb, or of all. */
export function helpText(words: readonly string[] = []): string {
  const exact = Object.keys(verbs).filter((name) => name === words.join(" "));
  const asked = exact.length > 0 ? exact : Object.keys(verbs).filter((name) => name.split(" ")[0] === words[0]);
  if (words.length > 0 && asked.length === 0)
    throw new UsageError(`"${words.join(" ")}" is not a verb${suggestion(words[0] ?? "", Object.keys(verbs))}`);
  if (asked.length > 0) return asked.map(verbHelp).join("\n\n");
  const lines = Object.entries(verbs).map(
    ([name, { operands, help }]) => `  ${`${name} ${operands}`.padEnd(20)} ${help}`,
  );
  return [
    "Taffrail, a self-hosted assistant whose log is the only truth.",
    "",
    `${calledAs} VERB [options]`,
    "",
    ...lines,
    "",
    `${calledAs} help VERB shows its options. All take --home FOLDER.`,
  ].join("\n");
}

function verbHelp(name: string): string {
  const verb = verbs[name];
  if (verb === undefined) return "";
  const all: Readonly<Record<string, Option>> = { ...verb.options, ...home };
  const options = Object.entries(all).map(([option, { value, optional, help }]) => {
    const given = optional === undefined ? (value === undefined ? "" : ` ${value}`) : `[=${optional.join("|")}]`;
    return `  ${`--${option}${given}`.padEnd(18)} ${help}`;
  });
  const more = verb.more === undefined ? [] : [`  ${verb.more}`];
  return [`taffrail ${name} ${verb.operands}`.trim(), `  ${verb.help}`, ...more, "", ...options].join("\n");
}
