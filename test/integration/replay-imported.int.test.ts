// The recorded system of this release, imported by the command line: equal with no broker at all, and what a change of the
// configuration shows; each wrong wish is answered with what is wrong.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { version } from "../../ops/config/version.ts";
import type { ReplayReport } from "../../ops/replay/replay.ts";
import { systemFixtureFolder } from "../replay/fixture-logs.ts";
import { CLI, runCli, runProgram } from "../support/cli.ts";
import { runGuarded } from "../support/connections.ts";

const scratch = mkdtempSync(join(tmpdir(), "taffrail-replay-"));
const home = join(scratch, "imported");
const configFile = join(home, "taffrail.yaml");
let config = "";
after(() => rmSync(scratch, { recursive: true, force: true }));

before(async () => {
  const file = join(systemFixtureFolder, `${version}.jsonl`);
  assert.ok(existsSync(file), `release ${version} has no recorded system: see "Record logs" in CONTRIBUTING.md`);
  const { code, stderr } = await runCli("log", "import", file, "--home", home);
  assert.equal(code, 0, stderr);
  config = readFileSync(configFile, "utf8");
});

const replayed = (...args: string[]) => runCli("replay", ...args, "--home", home);

async function report(...args: string[]): Promise<ReplayReport & { equal: boolean; settings: { name: string }[] }> {
  const { stdout } = await replayed(...args, "--json");
  return JSON.parse(stdout) as ReplayReport & { equal: boolean; settings: { name: string }[] };
}

test("the recorded system replays equal where there is no broker, and no connection is made", async () => {
  const nowhere = { TAFFRAIL_NATS_SERVER: join(scratch, "no-nats-server"), PATH: join(scratch, "no-programs") };
  const args = ["replay", "--all", "--home", home];
  const { code, stdout, stderr, connections } = await runGuarded(join(scratch, "connections"), nowhere, ...args);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^EQUAL {2}[\d,]+ events, \d\d turns, \d{3} decisions compared\n/);
  assert.equal(stderr, "");
  assert.deepEqual(connections, []);
  assert.ok(!existsSync(join(home, "keys")) && !existsSync(join(home, "broker")), "nothing was made");
});

test("no process of it asks the kernel for a socket to the network", async (t) => {
  const tried = spawnSync("strace", ["-f", "-e", "trace=socket", "true"]);
  if (tried.error !== undefined || tried.status !== 0) return t.skip("strace does not work here");
  /** The calls of all its processes that name a network or a local socket. */
  const sockets = async (...args: string[]): Promise<string[]> => {
    const trace = join(scratch, "sockets");
    const traced = ["-f", "-e", "trace=socket,connect", "-o", trace, process.execPath, ...args];
    const { code, stderr } = await runProgram({}, "strace", ...traced);
    assert.equal(code, 0, stderr);
    const calls = readFileSync(trace, "utf8").split("\n");
    assert.ok(
      calls.some((line) => line.includes("exited with 0")),
      "it was watched to its end",
    );
    return calls.filter((line) => /AF_INET|AF_UNIX/.test(line));
  };
  assert.deepEqual(await sockets(CLI, "replay", "--all", "--home", home), []);
  const control = await sockets("-e", "require('node:net').connect(9, '127.0.0.1').on('error', () => {})");
  assert.ok(control.length > 0, "a connection would be seen");
});

const CHANGES = [
  {
    what: "prompt",
    change: (text: string) => text.replace("agent:\n", "agent:\n  systemPrompt: Answer like a pirate.\n"),
    key: "agent.systemPrompt",
    differs: /differs +data\.(lastStep\.)?requestHash: the model is asked something else\n/,
  },
  {
    what: "config",
    change: (text: string) => text.replace("queueMode: steer", "queueMode: queue"),
    key: "chat.queueMode",
    differs: /: Steered is recorded; now nothing is decided there\n/,
  },
  {
    what: "config",
    change: (text: string) => text.replace("maxSteps: 5", "maxSteps: 2"),
    key: "agent.maxSteps",
    differs: /recorded +("ModelStepCompleted"|"TurnCompleted")\n +now +"TurnFailed"\n/,
  },
];

for (const { what, change, key, differs } of CHANGES)
  test(`another ${key} is found: the event, both sides, "${what}" as changed, exit 1`, async () => {
    const changed = change(config);
    assert.notEqual(changed, config);
    writeFileSync(configFile, changed);
    try {
      const { code, stdout, stderr } = await replayed("--all");
      assert.equal(code, 1, stderr);
      assert.match(stdout, /^DIFFERENT at event \d+: \w+ .*\n {2}turn +\S{22}\n {2}chat +\S+ on web\n/);
      assert.match(stdout, /\n {2}recorded +\S.*\n {2}now +\S/);
      assert.match(stdout, differs);
      assert.match(stdout, new RegExp(`\n {2}changed +${what} \\(`));
      assert.match(stdout, new RegExp(`\n +${key.replace(".", "\\.")}: .+ then, .+ now\n`));
      const { equal, differences, settings } = await report("--all");
      assert.equal(equal, false);
      assert.deepEqual(
        // It was recorded by another build of this release.
        differences[0]?.changed.map(({ part }) => part).filter((part) => part !== "code"),
        [what],
      );
      assert.deepEqual(
        settings.map(({ name }) => name),
        [key],
      );
      // What it says to type next shows the turn.
      const [, words = ""] = /What was said there: +.*taffrail (log show \S+)/.exec(stdout) ?? [];
      const shown = await runCli(...words.split(" "), "--home", home);
      assert.match(shown.stdout, /^turn \S{22}\n/, shown.stderr);
    } finally {
      writeFileSync(configFile, config);
    }
  });

test("a turn, a chat and a stretch are replayed alone, the requests are printed for a program", async () => {
  const all = await report("--all");
  const chat = await report("plain");
  assert.deepEqual([all.equal, chat.equal], [true, true]);
  assert.ok(chat.turns >= 4 && chat.turns < all.turns);
  assert.deepEqual(await report("--chat", "plain"), chat);
  const asked = await replayed("--chat", "plain", "--requests");
  const requests = asked.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { turn: string; request: { messages: unknown[] } });
  assert.ok(requests.length >= chat.turns);
  assert.match(asked.stderr, /^EQUAL/);
  const turn = await report(requests[0]?.turn.slice(0, 8) ?? "");
  assert.equal(turn.turns, 1);
  assert.ok(requests.at(-1)!.request.messages.length > requests[0]!.request.messages.length, "with its history");
  const stretch = await report("--from", "1", "--to", "60");
  assert.ok(stretch.equal && stretch.turns > 0 && stretch.turns < all.turns);
  assert.match((await replayed("--from", "900000")).stdout, /^NOTHING was decided/);
});

const WRONG: readonly [string[], number, RegExp][] = [
  [[], 2, /^taffrail replay: say what: a turn, a chat, --from and --to, or --all$/m],
  [["--all", "--chat", "plain"], 2, /^taffrail replay: a turn, a chat, --from and --to, or --all: one of them$/m],
  [["plain", "--from", "1"], 2, /one of them$/m],
  [["--from", "9", "--to", "5"], 2, /^taffrail replay: --from lies behind --to$/m],
  [["a", "b"], 2, /"b" is too much/],
  [["--from", "noon"], 2, /^taffrail replay: --from "noon" is neither a sequence, a time nor an age such as 10m$/m],
  [["--trun", "x"], 2, /"--trun" is not an option; did you mean "--turn"/],
  [["nothing"], 1, /^NOT_FOUND: no turn begins with "nothing", and no chat "nothing" has a turn in this log$/m],
  [["999999"], 1, /^NOT_FOUND: event 999999 belongs to no turn, and no chat "999999" has a turn/m],
  [["--turn", "nothing"], 1, /^TURN_UNKNOWN: no turn begins with "nothing"$/m],
  [["--chat", "nobody"], 1, /^NOT_FOUND: no chat "nobody" has a turn in this log$/m],
];

test("a wrong wish is answered in a line with what is wrong", async () => {
  for (const [args, exit, expected] of WRONG) {
    const { code, stdout, stderr } = await replayed(...args);
    assert.equal(code, exit, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, expected);
    assert.equal(stdout, "");
    assert.ok(stderr.trimEnd().split("\n").length <= 2, stderr);
  }
  const none = await runCli("replay", "--all", "--home", join(scratch, "nowhere"));
  assert.equal(none.code, 1);
  assert.match(none.stderr, /^NOT_RUNNING: .*it holds no log: there is no log to read$/m);
});
