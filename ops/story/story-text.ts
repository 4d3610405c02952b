/** A story as text. Pure. */
import { printable } from "../supervisor/log-lines.ts";
import { costText } from "./cost.ts";
import type { Story, StoryRow } from "./story.ts";
import { clockText, counted, cut, grouped, oneLine, span } from "./text.ts";

const SEQ_WIDTH = 6;
const AFTER_WIDTH = 10;
const GUTTER = 2;
/** Where the words begin; what stands below them is indented alike. */
const TEXT_AT = SEQ_WIDTH + AFTER_WIDTH + GUTTER;
const INDENT = 2;

/**
 * The story, line by line. With `columns` each line is cut to that width and texts are on one line; without (a pipe)
 * texts are whole, their further lines indented.
 */
export function storyText(story: Story, columns?: number): string {
  const fit = (line: string): string => (columns === undefined ? line : cut(line, columns));
  const rows = story.rows.flatMap((row, index) => rowLines(row, story, index, columns));
  const head = `${"seq".padStart(SEQ_WIDTH)}${"after".padStart(AFTER_WIDTH)}  what`;
  return [...headLines(story), "", head, ...rows, "", ...sumLines(story)].map(fit).join("\n");
}

function headLines(story: Story): string[] {
  const { turn, channel, chat, group, attempt = 1, retryOf, replyTo } = story;
  const where = [
    `chat ${printable(chat)} on ${channel}`,
    ...(group === undefined ? [] : [`group ${group}`]),
    ...(replyTo === undefined ? [] : [`answer to ${printable(replyTo.chat)} on ${replyTo.channel}`]),
  ];
  const again = retryOf === undefined ? [] : [`attempt ${attempt}, after turn ${retryOf}`];
  return [`turn ${turn}`, where.join(", "), ...again, `began ${clockText(story.startMs)}, ${outcomeText(story)}`];
}

function outcomeText({ outcome, sum }: Story): string {
  if (outcome === "open") return "not ended yet";
  if (outcome === "parked") return "parked";
  return `${outcome} after ${span(sum.tookMs ?? 0)}`;
}

function rowLines(row: StoryRow, story: Story, index: number, columns: number | undefined): string[] {
  // The last step and the end are one event: its place is said once.
  const again = index > 0 && story.rows[index - 1]?.seq === row.seq;
  const place = again
    ? " ".repeat(TEXT_AT)
    : `${String(row.seq).padStart(SEQ_WIDTH)}${offset(row.atMs - story.startMs).padStart(AFTER_WIDTH)}${" ".repeat(GUTTER)}`;
  const under = " ".repeat(TEXT_AT + (row.depth + 1) * INDENT);
  const text = printable(columns === undefined ? row.text.trimEnd() : oneLine(row.text));
  const lines = text.split("\n").join(`\n${under}`);
  const figures = row.figures === undefined ? [] : [`${under}${row.figures}`];
  return [`${place}${" ".repeat(row.depth * INDENT)}${lines}`, ...figures];
}

function offset(ms: number): string {
  if (ms === 0) return "0";
  return `${ms < 0 ? "-" : "+"}${span(Math.abs(ms))}`;
}

function sumLines({ sum, outcome }: Story): string[] {
  const { spent, modelMs, toolMs, toolCalls, tookMs, brokenOffCalls, takeovers, events } = sum;
  const took = tookMs === undefined ? outcome : span(tookMs);
  const tools = toolCalls === 0 ? "no tool call" : `tools ${span(toolMs)} in ${counted(toolCalls, "call")}`;
  const cached = spent.cachedInputTokens === 0 ? "" : ` (${grouped(spent.cachedInputTokens)} cached)`;
  const thought = spent.reasoningTokens === 0 ? "" : ` (${grouped(spent.reasoningTokens)} reasoning)`;
  return [
    `  took  ${took}; model ${span(modelMs)} in ${counted(spent.steps, "step")}; ${tools}`,
    `tokens  ${grouped(spent.inputTokens)}${cached} in, ${grouped(spent.outputTokens)}${thought} out; ${costText(spent)}`,
    ...(brokenOffCalls === 0
      ? []
      : [`        ${counted(brokenOffCalls, "broken-off call")} left no figures and may have cost more`]),
    `events  ${events}${takeovers === 0 ? "" : `, ${counted(takeovers, "takeover")}`}`,
  ];
}
