import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hostileTexts } from "../../test/support/hostile-texts.ts";
import { received, requested } from "../../test/support/stored-events.ts";
import { graphOf, type Graph } from "./graph.ts";
import { graphMermaid, mermaidText } from "./mermaid.ts";

/**
 * Lines of the flowchart grammar that this output keeps to: a box whose quoted text has no sign but letters, digits,
 * blanks, harmless ones and numeric entities, or an arrow. Stricter than Mermaid, which took and drew all of these texts
 * (11.x, in a browser) as they were meant.
 */
const BOX = /^ {2}e\d+\["\d+ [A-Za-z]+<br\/>(?:[\p{L}\p{Nd} ,!?'()/=+…\ufffd-]|#\d+;)*"\]$/u;
const ARROW = /^ {2}e\d+ (?:-->|-\.->\|(?:answers|joins|failed)\|) e\d+$/;

function faultsOf(text: string): string[] {
  const [head, ...lines] = text.trimEnd().split("\n");
  return [
    ...(head === "flowchart TD" ? [] : [head ?? ""]),
    ...lines.filter((line) => !BOX.test(line) && !ARROW.test(line)),
  ];
}

/** What a reader sees of a label. */
function shown(label: string): string {
  return label.replaceAll(/#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)));
}

function oneBox(words: string): Graph {
  return { nodes: [{ seq: 1, type: "MessageReceived", storedAt: "", words }], edges: [] };
}

void describe("a graph for Mermaid", () => {
  for (const [name, text] of Object.entries(hostileTexts)) {
    void it(`keeps its grammar with ${name}`, () => {
      const message = received(1, "a", { text });
      const graph = graphOf([message, requested(2, "t", [["a", 1]])]);
      assert.deepEqual(faultsOf(graphMermaid(graph)), []);
      assert.deepEqual(faultsOf(graphMermaid(oneBox(text))), []);
    });
  }

  void it("shows the words as they are", () => {
    for (const text of [`a "b" [c] <d> #e; \`f\` %%g :h; & | {i}`, "1. first", "- x", "end", "漢字 🙂"])
      assert.equal(shown(mermaidText(text)), text);
    // Parted by a sign nobody sees: Mermaid reads these after it has decoded them.
    for (const text of ["$$x$$", "fa:fa-car", "a\\nb", "ﬂ°34¶ß"]) {
      assert.notEqual(shown(mermaidText(text)), text);
      assert.equal(shown(mermaidText(text)).replaceAll("\u2060", ""), text);
    }
  });

  void it("begins no label with a list, a heading or a rule of Markdown", () => {
    for (const text of ["1. a", "- a", "+ a", "* a", "# a", "===", "---", "    code", "> a"])
      assert.match(mermaidText(text), /^(?:#\d+;|\p{L})/u);
  });

  void it("draws one arrow between two events, the one that says more", () => {
    const message = received(1, "a");
    const request = { ...requested(2, "t", [["a", 1]]), causationId: message.id };
    assert.deepEqual(
      graphMermaid(graphOf([message, request]))
        .trimEnd()
        .split("\n")
        .slice(-2),
      [`  e2["2 TurnRequested<br/>turn for 1 message, attempt 1"]`, "  e1 -.->|answers| e2"],
    );
  });

  void it("control: the grammar check finds text that was not escaped", () => {
    const raw = (text: string): string => `flowchart TD\n  e1["1 MessageReceived<br/>${text}"]\n`;
    for (const name of ["quotation marks", "a way out of the box", "a directive", "backticks", "an entity", "html"])
      assert.notDeepEqual(faultsOf(raw(hostileTexts[name] ?? "")), [], name);
  });
});
