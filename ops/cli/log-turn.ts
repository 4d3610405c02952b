/** `taffrail log show` of one turn: its story, and what caused what. */
import { TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import { withSource, type LogReader } from "../source/source.ts";
import { findTurn, lastTurns, parseTurnName, readTurn } from "../source/turn-events.ts";
import { graphOf, graphText, type Graph } from "../story/graph.ts";
import { graphMermaid, MERMAID_MAX_CHARS, MERMAID_MAX_EDGES } from "../story/mermaid.ts";
import { storyText } from "../story/story-text.ts";
import { tellTurn } from "../story/story.ts";
import { stretchOf, placeOption } from "./log-stretch.ts";
import { homeOf, textOption } from "./options.ts";
import { pricesOf } from "./prices.ts";
import { UsageError, type CommandLine } from "./usage.ts";

const FORMS = ["text", "json", "mermaid"] as const;
type GraphForm = (typeof FORMS)[number];

/** Turns of a chat in one graph: about as many boxes as can be read, and as Mermaid draws. */
const MAX_CHAT_TURNS = 20;

/** True when the command line is about a turn, not about a list of events. */
export function asksForTurn(line: CommandLine): boolean {
  const { story, graph } = line.options;
  return line.operands.length > 0 || story !== undefined || graph !== undefined;
}

interface Request {
  readonly form: GraphForm | "story" | "story-json";
  /** As typed. */
  readonly turn?: string;
  readonly chat?: string;
}

/** @throws UsageError */
function readRequest(line: CommandLine): Request {
  const { story, graph, json } = line.options;
  const [operand] = line.operands;
  const [option, chat] = [textOption(line, "turn"), textOption(line, "chat")];
  if (story !== undefined && graph !== undefined) throw new UsageError("log show: give either --story or --graph");
  if (operand !== undefined && option !== undefined)
    throw new UsageError(`log show: "${operand}" and --turn both name a turn; give one`);
  const turn = operand ?? option;
  if (turn !== undefined && chat !== undefined)
    throw new UsageError("log show: give either a turn or --chat, whose last turn is shown");
  const chatGraph = graph !== undefined && chat !== undefined;
  for (const name of ["type", "group", ...(chatGraph ? [] : ["from", "to"])])
    if (line.options[name] !== undefined) throw new UsageError(`log show: --${name} does not go with a turn`);
  const form = FORMS.find((one) => one === graph);
  if (graph !== undefined && form === undefined)
    throw new UsageError(`log show: --graph "${String(graph)}" is none of: ${FORMS.join(", ")}`);
  if (form !== undefined && form !== "json" && json === true)
    throw new UsageError(`log show: give either --json or --graph ${form}`);
  return {
    form: form ?? (json === true ? "story-json" : "story"),
    ...(turn === undefined ? {} : { turn }),
    ...(chat === undefined ? {} : { chat }),
  };
}

export async function showTurn(line: CommandLine): Promise<number> {
  const request = readRequest(line);
  const home = homeOf(line);
  // A terminal that does not say its width (0) is written to like a pipe.
  const columns = (process.stdout.isTTY && process.stdout.columns) || undefined;
  await withSource(home, async ({ log }) => {
    if (request.form !== "story" && request.form !== "story-json") {
      printGraph(request.form, graphOf(await graphEntries(log, line, request)), columns);
      return;
    }
    const turn = await wantedTurn(log, request);
    const story = tellTurn(turn, (await readTurn(log, turn)).entries, pricesOf(home));
    console.log(request.form === "story-json" ? JSON.stringify(story) : storyText(story, columns));
  });
  return 0;
}

/** @throws TURN_UNKNOWN */
async function wantedTurn(log: LogReader, { turn, chat }: Request): Promise<string> {
  if (turn !== undefined) return findTurn(log, parseTurnName(turn));
  const [last] = await lastTurns(log, { chat, count: 1 });
  if (last === undefined) throw noTurn(chat);
  return last.data.turn;
}

function noTurn(chat: string | undefined): TaffrailError {
  return new TaffrailError("TURN_UNKNOWN", `there is no turn ${chat === undefined ? "yet" : `in the chat "${chat}"`}`);
}

async function graphEntries(log: LogReader, line: CommandLine, request: Request): Promise<readonly LogEntry[]> {
  const { turn, chat } = request;
  if (turn !== undefined || chat === undefined) return (await readTurn(log, await wantedTurn(log, request))).entries;
  const range = await stretchOf(log, placeOption(line, "from"), placeOption(line, "to"));
  const turns = await lastTurns(log, { chat, count: MAX_CHAT_TURNS + 1, ...range });
  if (turns.length === 0) throw noTurn(chat);
  if (turns.length > MAX_CHAT_TURNS)
    console.error(`only the last ${MAX_CHAT_TURNS} turns; --from and --to choose others`);
  const entries = new Map<number, LogEntry>();
  for (const { data } of turns.slice(0, MAX_CHAT_TURNS))
    for (const entry of (await readTurn(log, data.turn)).entries) entries.set(entry.seq, entry);
  return [...entries.values()].toSorted((a, b) => a.seq - b.seq);
}

function printGraph(form: GraphForm, graph: Graph, columns: number | undefined): void {
  if (form === "json") console.log(JSON.stringify(graph));
  if (form === "text") console.log(graphText(graph, columns));
  if (form !== "mermaid") return;
  const text = graphMermaid(graph);
  process.stdout.write(text);
  if (graph.edges.length > MERMAID_MAX_EDGES || text.length > MERMAID_MAX_CHARS)
    console.error(
      `Mermaid draws ${MERMAID_MAX_EDGES} edges and ${MERMAID_MAX_CHARS} characters; raise its maxEdges (here ` +
        `${graph.edges.length}) and maxTextSize (${text.length}), or show fewer turns`,
    );
}
