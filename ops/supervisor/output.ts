/** The one combined log: readable on a terminal, JSON lines otherwise. */
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { parseChildLine, toJson, toText, type Level, type LogLine } from "./log-lines.ts";

export interface Output {
  line(line: LogLine): void;
  /** A line of the supervisor itself. */
  say(level: Level, message: string, fields?: Record<string, unknown>): void;
  /** Text for the person at the terminal; elsewhere `fields` as a line of JSON. */
  announce(text: string, message: string, fields: Record<string, unknown>): void;
}

export interface OutputOptions {
  readonly stream: NodeJS.WriteStream;
  /** Lines below this are left out. */
  readonly level: Level;
  readonly colours: boolean;
}

const RANK: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export function createOutput({ stream, level, colours }: OutputOptions): Output {
  // A reader that went away (`taffrail up | head`) must not end the supervisor.
  stream.on("error", () => undefined);
  const terminal = stream.isTTY;
  const write = (text: string): void => void stream.write(`${text}\n`);
  const line = (entry: LogLine): void => {
    if (RANK[entry.level] < RANK[level]) return;
    write(terminal ? toText(entry, { colours, columns: stream.columns }) : toJson(entry));
  };
  const say: Output["say"] = (lineLevel, message, fields = {}) =>
    line({ timeMs: Date.now(), process: "supervisor", level: lineLevel, message, fields });
  return {
    line,
    say,
    announce: (text, message, fields) => {
      if (terminal) write(text);
      else say("info", message, fields);
    },
  };
}

/** Passes each line of a child's pipe on; the stream's end ends it. */
export function followLines(stream: Readable | null, onLine: (line: string) => void): void {
  if (stream === null) return;
  stream.on("error", () => undefined);
  createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => {
    if (line.trim() !== "") onLine(line);
  });
}

/** Parses a child's lines into `output`. */
export function childLines(output: Output, name: string, fromStderr: boolean): (line: string) => void {
  return (line) => output.line(parseChildLine(name, line, fromStderr, Date.now()));
}
