// The story of a turn, its causation graph and the log's figures, by the command line of a running product.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { build } from "../../ops/setup/build.mjs";
import type { LogStats } from "../../ops/story/stats.ts";
import type { Graph } from "../../ops/story/graph.ts";
import type { Story } from "../../ops/story/story.ts";
import { startSystem, until, type System } from "../support/system.ts";

const root = join(import.meta.dirname, "..", "..");

void describe("a turn in the log", () => {
  let system: System;
  let turn = "";
  before(async () => {
    await build(root);
    system = await startSystem();
    const sent = await system.cli("send", "--chat", "told", "echo one then what time is it");
    assert.equal(sent.code, 0, sent.stderr);
  });
  after(() => system.stop());

  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await system.cli(...args);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  };

  void it("is told from the message to the end: claim, steps with figures, tools with outcome, the sum", async () => {
    const text = await ok("log", "show", "--story", "--chat", "told");
    turn = /^turn (\S{22})$/m.exec(text)?.[1] ?? "";
    for (const line of [
      /^chat told on web, group main$/m,
      /^began .*, completed after /m,
      /^ +\d+ +0 {2}\S+: echo one then what time is it$/m,
      /turn requested for message \d+$/m,
      /claimed by agent-runner-1\/\S+, model demo:fast$/m,
      /step 0 calls echo\n +[\d.]+ m?s, first token [\d.]+ m?s, \d+ in, \d+ out$/m,
      /echo \{"text":"one"\}$/m,
      /echo -> ok, [\d.]+ m?s: one$/m,
      /time -> ok, /,
      /step 2 answers\n/,
      /^ +completed: one It is /m,
      /^ {2}took {2}.*; model .* in 3 steps; tools .* in 2 calls$/m,
      /^tokens {2}\d+ in, \d+ out; free$/m,
      /^events {2}\d+$/m,
    ])
      assert.match(text, line);
  });

  void it("is found by the beginning of its id, by a sequence, and as the last of all", async () => {
    const story = JSON.parse(await ok("log", "show", turn, "--json")) as Story;
    assert.equal(story.turn, turn);
    const seqs = story.rows.map(({ seq }) => seq);
    for (const args of [
      [turn.slice(0, 6)],
      ["--turn", turn, "--story"],
      [String(seqs[0])],
      [String(seqs.at(-1))],
      ["--story"],
    ])
      assert.match(await ok("log", "show", ...args), new RegExp(`^turn ${turn}\n`), args.join(" "));
    const events = (await ok("log", "show", "--turn", turn.slice(0, 8))).trim().split("\n");
    assert.equal(events.length, story.sum.events, "without --story: its events");
  });

  void it("is a graph in which every event has its cause, as text, JSON and Mermaid", async () => {
    const graph = JSON.parse(await ok("log", "show", turn, "--graph", "json")) as Graph;
    const reached = new Set(graph.edges.map(({ to }) => to));
    assert.deepEqual(
      graph.nodes.filter(({ seq }) => !reached.has(seq)).map(({ type }) => type),
      ["MessageReceived"],
    );
    assert.match(
      await ok("log", "show", "--graph", "text", "--turn", turn),
      /^ +\d+ +\d+ {2}\s+TurnRequested {2}turn for 1 message/m,
    );
    const mermaid = await ok("log", "show", "--graph=mermaid", turn);
    assert.match(mermaid, /^flowchart TD\n {2}e\d+\["\d+ MessageReceived<br\/>/);
    assert.match(mermaid, /^ {2}e\d+ -\.->\|answers\| e\d+$/m);
    assert.equal(mermaid.match(/^ {2}e\d+\["/gm)?.length, graph.nodes.length);
  });

  void it("that is stopped and asked again shows the commands, and a chat's graph holds both turns", async () => {
    const sending = system.cli("send", "--chat", "again", "--model", "demo:slow", "count to 500");
    await until(
      "the turn is claimed",
      async () => (await ok("log", "show", "--chat", "again", "--type", "TurnClaimed")) !== "",
    );
    await ok("stop", "--chat", "again");
    await sending;
    assert.match(
      await ok("log", "show", "--story", "--chat", "again"),
      /owner asks to stop\n.*stop asked for by owner\n.*cancelled, stopped/,
    );
    await ok("model", "demo:fast", "--chat", "again");
    await ok("retry", "--chat", "again");
    const retried = await until("the end of the second turn", async () => {
      const text = await ok("log", "show", "--story", "--chat", "again");
      return /completed after/.test(text) && text;
    });
    assert.match(retried, /^attempt 2, after turn \S{22}$/m);
    assert.match(retried, /owner asks to answer again\n.*turn requested for message \d+, attempt 2/);
    const graph = JSON.parse(await ok("log", "show", "--chat", "again", "--graph", "json")) as Graph;
    assert.equal(graph.nodes.filter(({ type }) => type === "TurnRequested").length, 2);
    assert.equal(graph.nodes.filter(({ type }) => type === "RetryTurn" || type === "CancelTurn").length, 2);
  });

  void it("costs what the configured prices say, and a faulty configuration hides no story", async () => {
    const file = join(system.home, "taffrail.yaml");
    writeFileSync(file, "prices:\n  ollama:some: { input: 1, output: 2 }\n");
    assert.match(await ok("log", "show", turn), /; free$/m);
    writeFileSync(file, "prices:\n  ollama:some: { input: free }\n");
    const { code, stdout, stderr } = await system.cli("log", "show", turn);
    assert.equal(code, 0);
    assert.match(stdout, /completed: one/);
    assert.match(stderr, /costs are not known: the configuration has/);
    writeFileSync(file, "");
  });

  void it("is counted in the log's figures, in 80 columns and as JSON", async () => {
    const stats = JSON.parse(await ok("log", "stats", "--json")) as LogStats;
    assert.deepEqual(
      [stats.turns.requested, stats.turns.completed, stats.turns.cancelled, stats.turns.open],
      [3, 2, 1, 0],
    );
    assert.deepEqual([stats.deadLetters, stats.unreadable, stats.turns.timeToEndMs.count], [0, 0, 3]);
    assert.ok(stats.dataBytes > 0);
    assert.equal(stats.chats.top.length, 2);
    const text = await ok("log", "stats");
    assert.ok(text.split("\n").every((line) => line.length <= 80));
    assert.match(text, /^turns +3: 2 completed, 0 failed, 1 cancelled, 0 open$/m);
    const some = JSON.parse(await ok("log", "stats", "--json", "--from", "2", "--to", "4")) as LogStats;
    assert.deepEqual([some.events, some.firstSeq, some.lastSeq], [3, 2, 4]);
  });

  void it("answers a wrong wish in one line with what is wrong", async () => {
    const wrong: [string[], number, RegExp][] = [
      [["log", "show", "--graph", "dot"], 2, /--graph "dot" is none of: text, json, mermaid/],
      [["log", "show", "--graph"], 2, /--graph needs a value/],
      [["log", "show", "--graph", "text", "--story"], 2, /either --story or --graph/],
      [["log", "show", turn, "--turn", turn], 2, /both name a turn/],
      [["log", "show", turn, "--chat", "told"], 2, /either a turn or --chat/],
      [["log", "show", "--story", "--type", "Steered"], 2, /--type does not go with a turn/],
      [["log", "show", "a", "b"], 2, /"b" is too much$/m],
      [["log", "show", "nothing"], 1, /^TURN_UNKNOWN: no turn begins with "nothing"/],
      [["log", "show", "--story", "--chat", "nobody"], 1, /^TURN_UNKNOWN: there is no turn in the chat "nobody"/],
      [["log", "show", "999999"], 1, /^TURN_UNKNOWN: event 999999 belongs to no turn/],
    ];
    for (const [args, exit, expected] of wrong) {
      const { code, stdout, stderr } = await system.cli(...args);
      assert.equal(code, exit, `${args.join(" ")}: ${stderr}`);
      assert.match(stderr, expected);
      assert.equal(stdout, "");
    }
  });

  void it("is told the same when Taffrail is stopped", async () => {
    const forms = [[turn], [turn, "--graph", "json"], ["--story", "--chat", "again"]];
    const running = await Promise.all(forms.map((args) => ok("log", "show", ...args)));
    await ok("down");
    // One after the other: a reader of a stopped log holds its state folder.
    for (const [index, args] of forms.entries()) assert.equal(await ok("log", "show", ...args), running[index]);
    assert.equal((JSON.parse(await ok("log", "stats", "--json")) as LogStats).turns.requested, 3);
  });
});
