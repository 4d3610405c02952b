/** The figures of a log as text of 80 columns. Pure. */
import { printable } from "../supervisor/log-lines.ts";
import { table } from "../cli/table.ts";
import { costText } from "./cost.ts";
import type { LogStats } from "./stats.ts";
import { bytesText, clockText, counted, cut, grouped, oneLine, span } from "./text.ts";

/** Every line of it stays within. */
const COLUMNS = 80;
const NAME_COLUMNS = 40;

export function statsText(stats: LogStats): string {
  if (stats.events === 0) return "no events";
  const blocks = [summary(stats), turnLines(stats), modelLines(stats), typeTable(stats), chatTable(stats)];
  return blocks
    .filter((block) => block !== "")
    .join("\n\n")
    .split("\n")
    .map((line) => cut(line, COLUMNS))
    .join("\n");
}

const NAME_WIDTH = 12;

function row(name: string, text: string): string {
  return `${name.padEnd(NAME_WIDTH)}${text}`;
}

function summary(stats: LogStats): string {
  const { events, firstSeq = 0, lastSeq = 0, dataBytes, unreadable, deadLetters } = stats;
  const [fromMs, toMs] = [Date.parse(stats.from ?? ""), Date.parse(stats.to ?? "")];
  return [
    row("events", `${grouped(events)}, sequences ${firstSeq} to ${lastSeq}`),
    row("bytes", `${bytesText(dataBytes)} of data, without headers`),
    row("time", `${clockText(fromMs)} to ${clockText(toMs)} (${span(Math.max(0, toMs - fromMs))})`),
    row("faults", `${counted(deadLetters, "dead letter")}, ${counted(unreadable, "unreadable event")}`),
  ].join("\n");
}

function turnLines({ turns, toolCalls }: LogStats): string {
  const { requested, completed, failed, cancelled, open, takeovers, timeToEndMs } = turns;
  const { count, p50, p95, max } = timeToEndMs;
  const outcomes = `${grouped(completed)} completed, ${grouped(failed)} failed, ${grouped(cancelled)} cancelled, ${grouped(open)} open`;
  return [
    row("turns", `${grouped(requested)}: ${outcomes}`),
    row("takeovers", grouped(takeovers)),
    row("tool calls", grouped(toolCalls)),
    ...(p50 === undefined || p95 === undefined || max === undefined
      ? []
      : [row("to the end", `p50 ${span(p50)}, p95 ${span(p95)}, longest ${span(max)} (${counted(count, "turn")})`)]),
  ].join("\n");
}

function modelLines({ spent, models, failedModelCalls }: LogStats): string {
  if (spent.steps === 0 && failedModelCalls === 0) return "";
  const failed = failedModelCalls === 0 ? "" : `; ${counted(failedModelCalls, "call")} failed, of unknown cost`;
  const rows = models.map((one) => [
    cut(oneLine(printable(one.model)), NAME_COLUMNS),
    grouped(one.steps),
    grouped(one.inputTokens),
    grouped(one.cachedInputTokens),
    grouped(one.outputTokens),
    costText(one).replace(/^cost /, ""),
  ]);
  const head = ["model", "steps", "in", "cached", "out", "cost"];
  return [
    row("tokens", `${grouped(spent.inputTokens)} in, ${grouped(spent.outputTokens)} out; ${costText(spent)}${failed}`),
    ...(rows.length === 0 ? [] : ["", table(head, rows, [1, 2, 3, 4, 5])]),
  ].join("\n");
}

function typeTable({ types, events }: LogStats): string {
  const rows = types.map(({ type, count, dataBytes }) => [
    type,
    grouped(count),
    `${((100 * count) / events).toFixed(1)} %`,
    bytesText(dataBytes),
  ]);
  return table(["type", "events", "share", "data"], rows, [1, 2, 3]);
}

function chatTable({ chats }: LogStats): string {
  if (chats.top.length === 0) return "";
  const exact = chats.countsTooLowBy === 0;
  const many = exact ? `${chats.top.length} of ${grouped(chats.count)}` : `${chats.top.length} of very many`;
  const rows = chats.top.map(({ name, count }) => [cut(oneLine(printable(name)), COLUMNS - 20), grouped(count)]);
  const note = exact ? [] : [`counts of chats may be up to ${grouped(chats.countsTooLowBy)} too low`];
  return [table([`chat (${many})`, "events"], rows, [1]), ...note].join("\n");
}
