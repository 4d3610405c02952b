// The command line against the real product: every verb, its text and its exit code.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { HealthView } from "../../schemas/views.ts";
import { build } from "../../ops/setup/build.mjs";
import { isAlive, starter, until, whenReady, type Running } from "../faults/supervisor-support.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const programs = starter();

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Started {
  readonly ended: Promise<Ended>;
  out(): string;
}

function start(home: string, ...args: string[]): Started {
  const env = { ...process.env, TAFFRAIL_HOME: home, TAFFRAIL_PORT: "0" };
  // A hung command fails its test and does not stay.
  const child = spawn(process.execPath, [join(root, "dist", "cli.js"), ...args], {
    env,
    timeout: 90_000,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (out += part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => (err += part));
  const ended = new Promise<Ended>((resolve) =>
    child.once("close", (code) => resolve({ code: code ?? 128, out, err })),
  );
  return { ended, out: () => out };
}

function cli(home: string, ...args: string[]): Promise<Ended> {
  return start(home, ...args).ended;
}

void describe("the command line", () => {
  let one: Running;
  let followed: Started | undefined;
  before(async () => {
    await build(root);
    one = await programs.start({ cli: ["up"] });
    await whenReady(one);
  });
  after(() => programs.endAll());

  void it("prints the address with a one-time link and the line for a tunnel", () => {
    const line = JSON.parse(one.lines.find((text) => text.includes('"Taffrail is ready"')) ?? "{}") as Record<
      string,
      unknown
    >;
    assert.match(String(line["link"]), /^http:\/\/127\.0\.0\.1:\d+\/#enter=[A-Za-z0-9_-]{32}$/);
    if (line["tunnel"] !== undefined)
      assert.match(JSON.stringify(line["tunnel"]), /^"ssh -L (\d+):127\.0\.0\.1:\1 .+@.+"$/);
    const link = join(one.home, "run", "link.json");
    assert.equal(statSync(link).mode & 0o777, 0o600);
    const token = String(line["link"]).split("enter=")[1] ?? "?";
    assert.ok(!readFileSync(link, "utf8").includes(token), "only the token's hash is kept");
  });

  void it("shows every process in 80 columns, and as JSON", async () => {
    const text = await cli(one.home, "status");
    assert.equal(text.code, 0, text.err);
    for (const name of ["broker", "router", "agent-runner-1", "scheduler", "stats", "ui-projection", "web"])
      assert.match(text.out, new RegExp(`^${name} +\\d+  +yes`, "m"));
    assert.ok(text.out.split("\n").every((line) => line.length <= 80));
    const health = JSON.parse((await cli(one.home, "status", "--json")).out) as HealthView;
    assert.equal(health.ready, true);
    assert.ok(health.processes.every(({ pid, rssBytes }) => isAlive(pid) && rssBytes > 0));
  });

  void it("prints an answer as it comes and ends with 0", async () => {
    const sent = start(one.home, "send", "count to 40");
    await until(
      "a part of the answer before its end",
      () => (sent.out().startsWith("1 2 3") && !sent.out().includes("40")) || undefined,
    );
    const { code, out } = await sent.ended;
    assert.equal(code, 0);
    assert.equal(out, `${Array.from({ length: 40 }, (_, index) => index + 1).join(" ")}\n`);
  });

  void it("prints one answer once although the web process is killed in the middle", async () => {
    const sent = start(one.home, "send", "--chat", "killed", "count to 100");
    await until("the first words", () => sent.out().includes("5 6") || undefined);
    process.kill((await one.row("web"))?.pid ?? 0, "SIGKILL");
    const { code, out } = await sent.ended;
    assert.equal(code, 0);
    assert.equal(
      out.trim().split(/\s+/).map(Number).join(),
      Array.from({ length: 100 }, (_, index) => index + 1).join(),
    );
    assert.ok(((await one.row("web"))?.restarts ?? 0) >= 1);
  });

  void it("shows tool calls on stderr and the answer alone on stdout", async () => {
    const { code, out, err } = await cli(one.home, "send", "what time is it");
    assert.equal(code, 0);
    assert.match(err, /^· time \{\}: ok/m);
    assert.match(out, /^It is /m);
  });

  void it("ends with 3 when the answer failed", async () => {
    const { code, out, err } = await cli(one.home, "send", "--model", "openai:nobody", "hello");
    assert.equal(code, 3, `${out}${err}`);
    assert.equal(out, "");
    assert.notEqual(err, "");
  });

  void it("shows and follows the log by chat, type, place and turn", async () => {
    const { code } = await cli(one.home, "send", "--chat", "seen", "hello");
    assert.equal(code, 0);
    const shown = await cli(one.home, "log", "show", "--chat", "seen");
    const lines = shown.out.trim().split("\n");
    assert.match(lines[0] ?? "", /^ *\d+ \d\d:\d\d:\d\d MessageReceived +.*hello$/);
    assert.match(lines.at(-1) ?? "", /TurnCompleted +answer: /);
    const json = (await cli(one.home, "log", "show", "--chat", "seen", "--type", "TurnCompleted", "--json")).out;
    const event = JSON.parse(json) as { seq: number; data: { turn: string } };
    const turn = await cli(one.home, "log", "show", "--turn", event.data.turn, "--to", String(event.seq - 1));
    assert.doesNotMatch(turn.out, /TurnCompleted/);
    assert.match(turn.out, /TurnClaimed/);
    assert.equal((await cli(one.home, "log", "show", "--chat", "nobody")).out, "");
    assert.equal((await cli(one.home, "log", "show", "--from", "0s")).out, "");
    assert.equal((await cli(one.home, "log", "show", "--group", "nobody")).out, "");
  });

  void it("follows the log as it grows", async () => {
    followed = start(one.home, "log", "tail", "--chat", "followed", "--json");
    // It shows what comes behind its own start, so that is repeated until it does.
    await until("an answer in the followed log", async () => {
      await cli(one.home, "send", "--chat", "followed", "hello");
      return followed?.out().includes('"TurnCompleted"') || undefined;
    });
    const seqs = followed
      .out()
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { seq: number }).seq);
    assert.deepEqual(
      seqs,
      seqs.toSorted((a, b) => a - b),
    );
  });

  void it("schedules a task, whose answer comes by the log, and refuses one in the past", async () => {
    const added = await cli(one.home, "tasks", "add", "--in", "1s", "--chat", "later", "hello");
    assert.equal(added.code, 0, added.err);
    assert.match(added.out, /^task \S+ runs at /);
    await until(
      "the task's answer",
      async () =>
        (await cli(one.home, "log", "show", "--chat", "later", "--type", "TurnCompleted")).out !== "" || undefined,
    );
    const past = await cli(one.home, "tasks", "add", "--at", "2020-01-01T00:00:00Z", "hello");
    assert.equal(past.code, 1);
    assert.match(past.err, /^TASK_IN_PAST: /);
  });

  void it("asks again, chooses a model and stops by command, and prints a refusal with what to do", async () => {
    assert.equal((await cli(one.home, "send", "--chat", "orders", "hello")).code, 0);
    const again = await cli(one.home, "retry", "--chat", "orders");
    assert.equal(again.code, 0, again.err);
    const chosen = await cli(one.home, "model", "demo:slow", "--chat", "orders");
    assert.match(chosen.out, /uses demo:slow/);
    const wrong = await cli(one.home, "model", "nonsense", "--chat", "orders");
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /REQUEST_INVALID/);
    const long = start(one.home, "send", "--chat", "orders", "count to 500");
    await until("the first words", () => long.out().length > 0 || undefined);
    assert.equal((await cli(one.home, "stop", "--chat", "orders")).code, 0);
    assert.equal((await long.ended).code, 3);
    const nothing = await cli(one.home, "stop", "--chat", "orders");
    assert.equal(nothing.code, 1);
    assert.match(nothing.err, /TURN_NOT_RUNNING/);
    assert.match((await cli(one.home, "tasks", "cancel", "none")).err, /TASK_UNKNOWN/);
  });

  void it("answers a wrong command line with one line and the nearest name, exit 2", async () => {
    const wrong: [string[], RegExp][] = [
      [["stauts"], /"stauts" is not a verb; did you mean "status"\?/],
      [["status", "--jsn"], /"--jsn" is not an option; did you mean "--json"\?/],
      [["log", "sho"], /did you mean "show"\?/],
      [["log", "show", "--type", "TurnCompletd"], /did you mean "TurnCompleted"\?/],
      [["log", "show", "--from", "soon"], /neither a sequence, a time nor an age/],
      [["send", "a", "b"], /put the text in quotes/],
      [["send"], /"TEXT" is missing/],
      [["tasks", "add", "x"], /give either --in or --at/],
    ];
    for (const [args, expected] of wrong) {
      const { code, err } = await cli(one.home, ...args);
      assert.equal(code, 2, args.join(" "));
      assert.match(err, expected);
      assert.equal(err.trim().split("\n").length, 1);
    }
  });

  void it("stops everything with down, after which there is nothing to ask, and the log can still be read", async () => {
    const { processes } = await one.status();
    const { code } = await cli(one.home, "down");
    assert.equal(code, 0);
    assert.equal(await one.exited, 0);
    assert.equal((await followed?.ended)?.code, 1, "who follows the log is told");
    assert.ok(processes.every(({ pid }) => !isAlive(pid)));
    assert.ok(!existsSync(join(one.home, "run", "supervisor.sock")));
    for (const verb of [["down"], ["link"], ["send", "x"], ["log", "tail"]]) {
      const refused = await cli(one.home, ...verb);
      assert.equal(refused.code, 1, verb.join(" "));
      assert.match(refused.err, /^NOT_RUNNING: /);
    }
    const past = await cli(one.home, "log", "show", "--type", "TurnCompleted");
    assert.equal(past.code, 0, past.err);
    assert.match(past.out, /answer: /);
    assert.equal((JSON.parse((await cli(one.home, "status", "--json")).out) as HealthView).ready, false);
  });
});
