/** A graph as a Mermaid flowchart. Pure. */
import type { EdgeType, Graph } from "./graph.ts";
import { cut } from "./text.ts";

/** Columns of an event's words in its box: two lines of a readable width. */
const MAX_WORDS = 60;

/** Mermaid draws no more unless the page that shows it allows it (`maxEdges`, `maxTextSize`). */
export const MERMAID_MAX_EDGES = 500;
export const MERMAID_MAX_CHARS = 50_000;

const ARROWS: Readonly<Record<EdgeType, string>> = {
  causation: "-->",
  answers: "-.->|answers|",
  steered: "-.->|joins|",
  "dead-letter": "-.->|failed|",
};

/** Signs that mean nothing to Mermaid within quotation marks, nor to the Markdown it reads there. */
const PLAIN = /^[\p{L}\p{Nd} ,!?'()/=+…-]$/u;

/**
 * What Mermaid reads after it has decoded a label: formulas (`$$`), icons (`fa:fa-car`), a written line end (`\n`, as in
 * JSON) and its own placeholders. A word joiner, which nobody sees, parts them.
 */
const PARTED = /(?<=\$)(?=\$)|(?<=:)(?=fa-)|(?<=\\)(?=n)|(?<=\ufb02)(?=°)|(?<=¶)(?=ß)/g;
const WORD_JOINER = "\u2060";

/**
 * Text for a quoted label. Mermaid decodes `#<code point>;`, and every sign goes that way that its grammar, comments and
 * directives (`%%{init}%%`), HTML, its own entities or Markdown could take for theirs: it reads labels as Markdown, and
 * shows "Unsupported markdown" for a list (`1. `, `- ` at the beginning) or an address (`www.`). The colon too: a line
 * with `style`, a colon and an entity loses its last semicolon in Mermaid.
 */
export function mermaidText(text: string): string {
  let escaped = "";
  for (const character of text.replaceAll(PARTED, WORD_JOINER)) {
    const first = escaped === "" && !/\p{L}/u.test(character);
    if (/\p{Surrogate}/u.test(character)) escaped += "\ufffd";
    else if (/\s/.test(character)) escaped += escaped === "" ? "" : " ";
    else if (PLAIN.test(character) && !first) escaped += character;
    else escaped += `#${character.codePointAt(0) ?? 0xfffd};`;
  }
  return escaped;
}

/** `flowchart TD` with a box per event and an arrow from cause to effect. Ends with a line end. */
export function graphMermaid(graph: Graph): string {
  const twice = new Set(graph.edges.filter(({ type }) => type !== "causation").map(({ from, to }) => `${from} ${to}`));
  const boxes = graph.nodes.map(
    // No node is called `end`, `x…` or `o…`: those mean something else behind an arrow.
    ({ seq, type, words }) => `  e${seq}["${seq} ${type}<br/>${mermaidText(cut(words, MAX_WORDS))}"]`,
  );
  const arrows = graph.edges
    .filter(({ from, to, type }) => type !== "causation" || !twice.has(`${from} ${to}`))
    .map(({ from, to, type }) => `  e${from} ${ARROWS[type]} e${to}`);
  return `${["flowchart TD", ...boxes, ...arrows].join("\n")}\n`;
}
