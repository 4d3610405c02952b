/** What followed from what: events as nodes, causation as edges; as text, JSON or for Mermaid (mermaid.ts). Pure. */
import type { LogEntry } from "../../bus/event.ts";
import { lineOf } from "../../services/ui-projection/lines.ts";
import { printable } from "../supervisor/log-lines.ts";
import { cut, oneLine } from "./text.ts";

export interface GraphNode {
  readonly seq: number;
  readonly type: LogEntry["type"];
  /** Absent for an event that cannot be read. */
  readonly id?: string;
  /** The event it was made from, also when that is not in the graph. */
  readonly causationId?: string;
  /** RFC 3339, when the broker stored it. */
  readonly storedAt: string;
  /** The event in some words, on one line. */
  readonly words: string;
}

/**
 * causation: the event was handled and made the other. answers: a message and the turn that answers it. steered: a
 * message and its joining of a turn. dead-letter: an event and the notice that a process could not handle it.
 */
export type EdgeType = "causation" | "answers" | "steered" | "dead-letter";

/** From cause to effect, by sequence. Two events may have more than one edge, of different types. */
export interface GraphEdge {
  readonly from: number;
  readonly to: number;
  readonly type: EdgeType;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

/** The graph of `entries`, which stand in log order. An edge has both its ends among them. */
export function graphOf(entries: readonly LogEntry[]): Graph {
  const seqs = new Set(entries.map(({ seq }) => seq));
  const byId = new Map<string, number>();
  // An id stands once in a healthy log; of two the first is the one that others could have been made from.
  for (const entry of entries) if (entry.type !== "unreadable" && !byId.has(entry.id)) byId.set(entry.id, entry.seq);
  const edges: GraphEdge[] = [];
  const link = (from: number | undefined, to: number, type: EdgeType): void => {
    if (from !== undefined && seqs.has(from)) edges.push({ from, to, type });
  };
  for (const entry of entries) {
    if (entry.type === "unreadable") continue;
    if (entry.causationId !== undefined) link(byId.get(entry.causationId), entry.seq, "causation");
    if (entry.type === "TurnRequested") for (const { seq } of entry.data.messages) link(seq, entry.seq, "answers");
    if (entry.type === "Steered") link(entry.data.message.seq, entry.seq, "steered");
    if (entry.type === "DeadLettered") link(entry.data.seq, entry.seq, "dead-letter");
  }
  return { nodes: entries.map(nodeOf), edges };
}

function nodeOf(entry: LogEntry): GraphNode {
  const { seq, type } = entry;
  const storedAt = new Date(entry.storedAtMs).toISOString();
  const words = oneLine(printable(lineOf(entry)));
  if (entry.type === "unreadable") return { seq, type, storedAt, words };
  const { id, causationId } = entry;
  return { seq, type, id, ...(causationId === undefined ? {} : { causationId }), storedAt, words };
}

/** Logs of up to a million events; a longer one moves the columns. */
const SEQ_WIDTH = 6;
const INDENT = 2;
/** Deeper ones are not indented further: the words would leave the terminal. */
const MAX_DEPTH = 12;

/**
 * One line per event in log order: its sequence, those it follows from, and its words, indented by how far it is from
 * what came from outside. With `columns` lines are cut to that width.
 */
export function graphText(graph: Graph, columns?: number): string {
  const parents = new Map<number, number[]>();
  for (const { from, to } of graph.edges) {
    const known = parents.get(to) ?? [];
    if (!known.includes(from)) parents.set(to, [...known, from]);
  }
  const depths = new Map<number, number>();
  const rows = graph.nodes.map(({ seq, type, words, causationId }) => {
    const own = (parents.get(seq) ?? []).toSorted((a, b) => a - b);
    // Only what came before it: a forged cause must not make a circle.
    const above = own.filter((from) => from < seq).map((from) => depths.get(from) ?? 0);
    const depth = above.length === 0 ? 0 : Math.max(...above) + 1;
    depths.set(seq, depth);
    const missing = own.length === 0 && causationId !== undefined;
    const from = missing ? "?" : rangesText(own);
    return { seq, from, text: `${" ".repeat(Math.min(depth, MAX_DEPTH) * INDENT)}${type}  ${words}` };
  });
  const seqWidth = Math.max(SEQ_WIDTH, String(graph.nodes.at(-1)?.seq ?? 0).length);
  const width = Math.max("from".length, ...rows.map(({ from }) => from.length));
  const head = `${"seq".padStart(seqWidth)}  ${"from".padEnd(width)}  event`;
  const lines = rows.map(({ seq, from, text }) => `${String(seq).padStart(seqWidth)}  ${from.padEnd(width)}  ${text}`);
  return [head, ...lines].map((line) => (columns === undefined ? line : cut(line, columns))).join("\n");
}

/** Three columns of numbers are enough: a turn for 256 messages must leave room for words. */
const MAX_FROM = 3;

function rangesText(seqs: readonly number[]): string {
  if (seqs.length <= MAX_FROM) return seqs.join(",");
  return `${seqs[0] ?? 0}..${seqs.at(-1) ?? 0}`;
}
