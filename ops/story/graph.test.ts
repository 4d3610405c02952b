import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { simulate } from "../../test/sim/simulation.ts";
import { readerOf } from "../../test/support/entries-reader.ts";
import { claimed, completed, received, requested, steered, stored } from "../../test/support/stored-events.ts";
import { readTurn } from "../source/turn-events.ts";
import { graphOf, graphText } from "./graph.ts";
import { widthOf } from "./text.ts";

const a = received(1, "a");
const b = received(2, "b");
const request = {
  ...requested(3, "t", [
    ["a", 1],
    ["b", 2],
  ]),
  causationId: a.id,
};
const claim = { ...claimed(4, "t", 1), causationId: request.id };
const c = received(5, "c");
const steer = { ...steered(6, "t", "c", 5), causationId: c.id };
const end = { ...completed(7, "t", ["a", "b", "c"]), causationId: claim.id };
const turn = [a, b, request, claim, c, steer, end];

void describe("the causation graph", () => {
  void it("has an edge from each cause, each answered message and each steered one", () => {
    assert.deepEqual(
      graphOf(turn).edges.map(({ from, to, type }) => `${from}>${to} ${type}`),
      ["1>3 causation", "1>3 answers", "2>3 answers", "3>4 causation", "5>6 causation", "5>6 steered", "4>7 causation"],
    );
  });

  void it("is text in log order, indented by distance, with where each comes from", () => {
    assert.equal(
      graphText(graphOf(turn)),
      [
        "   seq  from  event",
        "     1        MessageReceived  owner: text of a",
        "     2        MessageReceived  owner: text of b",
        "     3  1,2     TurnRequested  turn for 2 messages, attempt 1",
        "     4  3         TurnClaimed  runner/1 took it, epoch 1 (new), demo",
        "     5        MessageReceived  owner: text of c",
        "     6  5       Steered  a message joined the running turn",
        "     7  4           TurnCompleted  answer: the answer",
      ].join("\n"),
    );
  });

  void it("marks a cause that is not there, and ties a dead letter to its event", () => {
    const orphan = { ...claim, causationId: "elsewhere" };
    const letter = { process: "router", seq: 4, subject: "s", code: "HANDLER_FAILED", message: "no" };
    const graph = graphOf([orphan, stored("DeadLettered", 8, letter)]);
    assert.match(graphText(graph), /^ +4 {2}\? +TurnClaimed/m);
    assert.deepEqual(graph.edges, [{ from: 4, to: 8, type: "dead-letter" }]);
    assert.equal(graph.nodes[0]?.causationId, "elsewhere");
  });

  void it("survives causes that make a circle and ids that stand twice", () => {
    const self = { ...claimed(4, "t", 1), causationId: claim.id };
    const early = { ...received(1, "x"), causationId: end.id };
    const twin = { ...received(9, "y"), id: end.id };
    const graph = graphOf([early, self, end, twin]);
    assert.deepEqual(
      graph.edges.map(({ from, to }) => `${from}>${to}`),
      ["7>1", "4>4", "4>7"],
    );
    assert.equal(graphText(graph, 80).split("\n").length, 5);
  });

  void it("is connected and within 80 columns for the turns of simulated logs, with commands and timers", async () => {
    const types = new Set<string>();
    for (const seed of [5, 12, 24]) {
      const { facts } = await simulate(seed);
      const log = readerOf(facts.entries);
      for (const one of facts.turns.values()) {
        const graph = graphOf((await readTurn(log, one.turn)).entries);
        const reached = new Set(graph.edges.map(({ to }) => to));
        for (const { seq, type, causationId } of graph.nodes) {
          types.add(type);
          if (causationId !== undefined) assert.ok(reached.has(seq), `${type} ${seq} of seed ${seed} has no cause`);
        }
        const wide = graphText(graph, 80)
          .split("\n")
          .filter((line) => widthOf(line) > 80);
        assert.deepEqual(wide, []);
      }
    }
    for (const type of ["RetryTurn", "CancelTurn", "TimerFired", "TaskFired", "ScheduleTask", "TurnResumed"])
      assert.ok(types.has(type), `${type} was in no graph`);
  });
});
