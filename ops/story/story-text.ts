/** A story as text. Pure. */
import { printable, wrap } from "../supervisor/log-lines.ts";
import { costText } from "./cost.ts";
import type { StoryRow } from "./story-rows.ts";
import type { Story } from "./story.ts";
import { clockText, counted, cut, grouped, oneLine, span } from "./text.ts";

/** Logs of up to a million events; a longer one moves the columns. */
const SEQ_WIDTH = 6;
const AFTER_WIDTH = 10;
const GUTTER = 2;
const INDENT = 2;

/**
 * The story, line by line. With `columns` each line is cut to that width and texts are on one line; without (a pipe)
 * texts are whole, their further lines indented.
 */
export function storyText(story: Story, columns?: number): string {
  const width = Math.max(SEQ_WIDTH, String(story.rows.at(-1)?.seq ?? 0).length);
  const rows = story.rows.map((row, index) => {
    // The last step and the end are one event: its place is said once.
    const again = index > 0 && story.rows[index - 1]?.seq === row.seq;
    const [seq, after] = again ? ["", ""] : [String(row.seq), offset(row.atMs - story.startMs)];
    return rowText(row, placeText(seq, after, width), columns);
  });
  return [...headLines(story), "", `${placeText("seq", "after", width)}what`, ...rows, "", ...sumLines(story)]
    .flatMap((line) => line.split("\n"))
    .map((line) => (columns === undefined ? line : cut(line, columns)))
    .join("\n");
}

function placeText(seq: string, after: string, width: number): string {
  return `${seq.padStart(width)}${after.padStart(AFTER_WIDTH)}${" ".repeat(GUTTER)}`;
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

function rowText(row: StoryRow, place: string, columns: number | undefined): string {
  const at = place.length + (row.depth + 1) * INDENT;
  const under = `\n${" ".repeat(at)}`;
  const text = printable(columns === undefined ? row.text.trimEnd() : oneLine(row.text)).replaceAll("\n", under);
  const figures = row.figures === undefined ? "" : `${under}${figuresText(row.figures, at, columns)}`;
  return `${place}${" ".repeat(row.depth * INDENT)}${text}${figures}`;
}

/** Figures are never cut: what a call cost stands at their end. */
function figuresText(figures: string, at: number, columns: number | undefined): string {
  return columns === undefined ? figures : wrap(figures, columns, at);
}

function offset(ms: number): string {
  if (ms === 0) return "0";
  return `${ms < 0 ? "-" : "+"}${span(Math.abs(ms))}`;
}

function sumLines({ sum, outcome }: Story): string[] {
  const { spent, modelMs, toolMs, toolCalls, tookMs, brokenOffCalls, takeovers, events } = sum;
  const free = spent.steps > 0 && spent.unpricedSteps === 0 && spent.dollars === 0;
  const took = tookMs === undefined ? outcome : span(tookMs);
  const tools = toolCalls === 0 ? "no tool call" : `tools ${span(toolMs)} in ${counted(toolCalls, "call")}`;
  const cached = spent.cachedInputTokens === 0 ? "" : ` (${grouped(spent.cachedInputTokens)} cached)`;
  const thought = spent.reasoningTokens === 0 ? "" : ` (${grouped(spent.reasoningTokens)} reasoning)`;
  const inOut = `${grouped(spent.inputTokens)}${cached} in, ${grouped(spent.outputTokens)}${thought} out`;
  const model = spent.steps === 0 ? "no model step" : `model ${span(modelMs)} in ${counted(spent.steps, "step")}`;
  return [
    `  took  ${took}; ${model}; ${tools}`,
    `tokens  ${spent.steps === 0 ? "none counted" : `${inOut}; ${costText(spent)}`}`,
    ...(brokenOffCalls === 0
      ? []
      : [
          `        ${counted(brokenOffCalls, "broken-off call")} left no figures${free ? "" : " and may have cost more"}`,
        ]),
    `events  ${events}${takeovers === 0 ? "" : `, ${counted(takeovers, "takeover")}`}`,
  ];
}
