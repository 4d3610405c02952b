/** Lines of children and broker to one kind of entry, and entries to text. Pure. */

export type Level = "debug" | "info" | "warn" | "error";

export interface LogLine {
  readonly timeMs: number;
  readonly process: string;
  readonly level: Level;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A line longer than this is cut: one broken process must not fill terminal and disk. */
const MAX_LINE_CHARS = 4_000;
/** Names up to `agent-runner-1` stand in one column. */
const NAME_WIDTH = 14;

function levelOf(pinoLevel: unknown): Level {
  const level = Number(pinoLevel);
  if (level >= 50) return "error";
  if (level >= 40) return "warn";
  return level < 30 ? "debug" : "info";
}

/** A child's line: pino JSON, or whatever else it printed (a stack trace of a crash comes on stderr). */
export function parseChildLine(process: string, line: string, fromStderr: boolean, nowMs: number): LogLine {
  const text = line.length > MAX_LINE_CHARS ? `${line.slice(0, MAX_LINE_CHARS)}…` : line;
  if (line.startsWith("{") && line.length <= MAX_LINE_CHARS) {
    try {
      const {
        level,
        time,
        msg,
        process: _process,
        pid: _pid,
        hostname: _hostname,
        ...fields
      } = JSON.parse(line) as Record<string, unknown>;
      const timeMs = typeof time === "string" ? Date.parse(time) : Number(time);
      const message = typeof msg === "string" ? msg : "";
      return { timeMs: Number.isFinite(timeMs) ? timeMs : nowMs, process, level: levelOf(level), message, fields };
    } catch {
      // Not JSON after all: shown as it is.
    }
  }
  return { timeMs: nowMs, process, level: fromStderr ? "warn" : "info", message: text, fields: {} };
}

const BROKER_LEVELS: Readonly<Record<string, Level>> = {
  INF: "debug",
  DBG: "debug",
  TRC: "debug",
  WRN: "warn",
  ERR: "error",
  FTL: "error",
};

/** A line of nats-server: `[pid] [INF] text`. Its start-up chatter is of no use to a reader: debug. */
export function parseBrokerLine(process: string, line: string, nowMs: number): LogLine {
  const match = /^\[\d+\] (?:\S+ \S+ )?\[([A-Z]{3})\] (.*)$/.exec(line.slice(0, MAX_LINE_CHARS));
  const level = BROKER_LEVELS[match?.[1] ?? ""] ?? "warn";
  return { timeMs: nowMs, process, level, message: match?.[2] ?? line.slice(0, MAX_LINE_CHARS), fields: {} };
}

export function toJson(line: LogLine): string {
  const { timeMs, process, level, message, fields } = line;
  return JSON.stringify({ time: new Date(timeMs).toISOString(), level, process, msg: message, ...fields });
}

const COLOUR: Readonly<Record<Level, string>> = {
  debug: "\u001b[2m",
  info: "",
  warn: "\u001b[33m",
  error: "\u001b[31m",
};

function shortFields(fields: LogLine["fields"]): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}

/** `12:03:04 router         ready`; a level word for warnings and errors; wrapped under the text at `columns`. */
export function toText(line: LogLine, options: { colours: boolean; columns: number }): string {
  const time = new Date(line.timeMs).toTimeString().slice(0, 8);
  const word = line.level === "warn" || line.level === "error" ? `${line.level} ` : "";
  const head = `${time} ${line.process.padEnd(NAME_WIDTH)} `;
  const fields = shortFields(line.fields);
  const text = wrap(
    `${word}${printable(line.message)}${fields === "" ? "" : ` ${printable(fields)}`}`,
    options.columns,
    head.length,
  );
  if (!options.colours) return head + text;
  const colour = COLOUR[line.level];
  return `\u001b[2m${head}\u001b[0m${colour}${text}${colour === "" ? "" : "\u001b[0m"}`;
}

/** What outside text may not do: move the cursor or recolour the terminal. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are exactly what is meant
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\u00b7").replaceAll("\t", "  ");
}

/** Breaks at blanks where there are any; further lines are indented by `indent`. */
export function wrap(text: string, columns: number, indent: number): string {
  const room = Math.max(20, columns - indent);
  const lines = text.split("\n").flatMap((line) => {
    const parts: string[] = [];
    let rest = line;
    while (rest.length > room) {
      const blank = rest.lastIndexOf(" ", room);
      const at = blank > room / 2 ? blank : room;
      parts.push(rest.slice(0, at));
      rest = rest.slice(at).trimStart();
    }
    return [...parts, rest];
  });
  return lines.join(`\n${" ".repeat(indent)}`);
}
