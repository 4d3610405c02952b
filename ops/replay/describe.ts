/** A replay's report in words: whether all came out the same, else where it first does not, both sides, and what changed. Pure. */
import type { ReplayDifference, ReplayReport } from "./replay.ts";

/** Characters of a value shown; whole ones are in the JSON. */
const MAX_CHARS = 400;
const KIND: Readonly<Record<ReplayDifference["kind"], string>> = {
  changed: "it is decided differently now",
  missing: "the log has it; now nothing is decided",
  extra: "the log lacks it; now it would be decided after this event",
};

function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : (JSON.stringify(value) ?? "nothing");
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}… (${text.length} characters)` : text;
}

const count = (number: number, one: string): string =>
  `${number.toLocaleString("en-US")} ${one}${number === 1 ? "" : "s"}`;

/** Lines for a person. */
export function describeReplay(report: ReplayReport): string[] {
  const [first] = report.differences;
  const read = `${count(report.events, "event")}, ${count(report.turns, "turn")}, ${count(report.compared, "decision")} compared`;
  const also = [
    ...(report.open > 0 ? [`${count(report.open, "turn")} still at work at the end: compared as far as recorded`] : []),
    ...(report.unreadable > 0
      ? [`${count(report.unreadable, "entry")} cannot be read`.replace("entrys", "entries")]
      : []),
  ];
  if (first === undefined) return [`EQUAL  ${read}`, ...also.map((line) => `       ${line}`)];
  return [...describeDifference(first), "", read, ...also];
}

function describeDifference(difference: ReplayDifference): string[] {
  const { seq, type, turn, channel, chat, path, kind, recorded, computed, changed } = difference;
  const line = (name: string, text: string): string => `  ${name.padEnd(9)} ${text}`;
  const what =
    path === "data.requestHash" || path === "data.lastStep.requestHash"
      ? `${path} (the model would be asked something else)`
      : path;
  return [
    `DIFFERENT at event ${seq}, ${type}: ${KIND[kind]}`,
    ...(turn === undefined ? [] : [line("turn", turn)]),
    ...(chat === undefined ? [] : [line("chat", `${channel}/${chat}`)]),
    ...(path === "" ? [] : [line("what", what)]),
    line("recorded", shown(recorded)),
    line("computed", shown(computed)),
    ...(changed.length === 0
      ? [line("changed", "no version that the log records: the code was changed within a version, or the log was")]
      : changed.map((one) => line("changed", `${one.part}: recorded ${one.recorded}, now ${one.now}`))),
  ];
}
