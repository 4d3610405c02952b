// A small run of the real system: replayed while it runs, when it is stopped, and as bundles on "another machine".
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ReplayReport } from "../../ops/replay/replay.ts";
import { withSource } from "../../ops/source/source.ts";
import { FAULTS, SHAPES } from "../replay/system-shapes.ts";
import { openStage, type Stage } from "../replay/system-stage.ts";
import { runCli } from "../support/cli.ts";
import { runGuarded } from "../support/connections.ts";

const scratch = mkdtempSync(join(tmpdir(), "taffrail-replay-"));
let stage: Stage;
let turn = "";

before(async () => {
  stage = await openStage("agent: { runners: 2, maxSteps: 5 }\n");
  await Promise.all(["plain", "tools", "queueing"].map((name) => SHAPES[name]!(stage)));
  await FAULTS["killInStep"]!(stage);
  await stage.quiet();
  const ends = (await stage.spy().events()).filter((event) => event.type === "TurnCompleted");
  turn = ends.findLast(({ data }) => data.chat === "plain")?.data.turn ?? "";
});

after(async () => {
  await stage.close();
  rmSync(scratch, { recursive: true, force: true });
});

async function report(home: string, ...wish: string[]): Promise<ReplayReport & { equal: boolean }> {
  const { code, stdout, stderr } = await runCli("replay", ...wish, "--json", "--home", home);
  assert.equal(code, 0, stdout + stderr);
  const told = JSON.parse(stdout) as ReplayReport & { equal: boolean };
  assert.deepEqual([told.equal, told.differences, told.unreadable], [true, [], 0]);
  return told;
}

test("replays in the middle of an answer as far as it is recorded", async () => {
  stage.model.hold("midway", 2);
  const message = await stage.send("midway", "use echo midway 6");
  await stage.streaming("midway");
  try {
    assert.ok((await report(stage.home, "--all")).open >= 1);
    assert.equal((await report(stage.home, "midway")).turns, 1);
  } finally {
    stage.model.release("midway");
  }
  await stage.ended("midway", message);
  assert.equal((await report(stage.home, "--all")).open, 0);
});

/** The same part of the log, whatever it is read from. */
const PARTS: readonly (readonly string[])[] = [["--all"], ["--chat", "plain"], ["--chat", "killed"]];
const counts = ({ turns, compared }: ReplayReport): number[] => [turns, compared];
let running: number[][] = [];

test("replays while it runs and writes nothing", async () => {
  const { lastSeq } = await stage.spy().log.identity();
  const attempts = stage.spy().attempts.length;
  const reports = [];
  for (const part of PARTS) reports.push(await report(stage.home, ...part));
  running = reports.map(counts);
  const file = join(scratch, "running");
  const { code, connections } = await runGuarded(file, {}, "replay", "--turn", turn, "--home", stage.home);
  assert.equal(code, 0);
  assert.equal((await stage.spy().log.identity()).lastSeq, lastSeq);
  assert.equal(stage.spy().attempts.length, attempts, "nobody tried to append");
  const requested = (await stage.spy().events()).filter(({ type }) => type === "TurnRequested").length;
  assert.equal(reports[0]?.turns, requested);
  assertOwnBroker(connections);
});

/** The control of the imported ones, too: the guard does see connections. */
function assertOwnBroker(connections: readonly string[]): void {
  assert.ok(
    connections.some((line) => line.startsWith("tcp ")),
    "the broker was asked",
  );
  for (const line of connections) assert.match(line, /^(tcp (127\.0\.0\.1|localhost):\d+|unix .+)$/);
}

test("replays when it is stopped, by a broker of its own that is gone afterwards", async () => {
  await stage.stop();
  for (const [index, part] of PARTS.entries())
    assert.deepEqual(counts(await report(stage.home, ...part)), running[index], part.join(" "));
  const file = join(scratch, "stopped");
  const { code, connections } = await runGuarded(file, {}, "replay", "--turn", turn, "--home", stage.home);
  assert.equal(code, 0);
  assertOwnBroker(connections);
  const port = /:(\d+)$/.exec(connections.find((line) => line.startsWith("tcp ")) ?? "")?.[1];
  const [error] = (await once(connect(Number(port), "127.0.0.1"), "error")) as [{ code?: string }];
  assert.equal(error.code, "ECONNREFUSED");
});

test("says who holds the folder while another command reads it", async () => {
  await withSource(stage.home, async () => {
    const { code, stderr } = await runCli("replay", "--all", "--home", stage.home);
    assert.equal(code, 1);
    assert.match(stderr, /^HOME_IN_USE: /);
  });
});

test("a redacted bundle of a turn that comes out differently still does, and does not tell the old prompt's hash", async () => {
  const yaml = join(stage.home, "taffrail.yaml");
  const before = readFileSync(yaml, "utf8");
  const prompts = { secret: "The wifi password is Blau-Kraut77.", other: "You are a pirate." };
  for (const [name, prompt] of Object.entries(prompts)) {
    writeFileSync(yaml, `agent: { maxSteps: 5, systemPrompt: "${prompt}" }\n`);
    const [out, home] = [join(scratch, `${name}.redacted`), join(scratch, "redacted", name)];
    const wanted = ["--turn", turn.slice(0, 8), "--redact", "--out", out, "--home", stage.home];
    const exported = await runCli("log", "export", ...wanted);
    assert.equal(exported.code, 0, exported.stderr);
    assert.equal((await runCli("log", "import", out, "--home", home)).code, 0);
    const { code, stdout } = await runCli("replay", "--all", "--home", home);
    assert.equal(code, 1, stdout);
    assert.match(stdout, /prompt/);
    assert.ok(!readFileSync(out, "utf8").includes("Blau-Kraut77"));
  }
  writeFileSync(yaml, before);
});

test("replays on another machine from bundles of all, of a chat and of a turn", async () => {
  const bundles = [
    { name: "all", wanted: ["--all"], expected: running[0]! },
    { name: "chat", wanted: ["--chat", "plain"], expected: running[1]! },
    { name: "turn", wanted: ["--turn", turn], expected: counts(await report(stage.home, "--turn", turn)) },
  ];
  for (const { name, wanted } of bundles) {
    const out = join(scratch, `${name}.jsonl`);
    const { code, stderr } = await runCli("log", "export", ...wanted, "--out", out, "--home", stage.home);
    assert.equal(code, 0, stderr);
  }
  rmSync(stage.home, { recursive: true });
  for (const { name, expected } of bundles) {
    const home = join(scratch, "another", name);
    const { code, stderr } = await runCli("log", "import", join(scratch, `${name}.jsonl`), "--home", home);
    assert.equal(code, 0, stderr);
    assert.ok(!existsSync(join(home, "keys")), "no key of the first machine");
    const told = await report(home, "--all");
    if (name === "turn") assert.deepEqual(counts(told), expected);
    else assert.equal(told.turns, expected[0], name);
  }
});

test("a bundle of one turn tells of no other turn than its own", async () => {
  const home = join(scratch, "another", "turn");
  assert.equal((await report(home, turn.slice(0, 8))).turns, 1);
  const all = await withSource(home, ({ log }) => log.fetch({ filter: "log.turn.>", fromSeq: 1, limit: 100 }));
  const other = all.find((entry) => entry.type === "TurnCompleted" && entry.data.turn !== turn);
  assert.ok(other, "it holds what its turn saw of others");
  const { code, stderr } = await runCli("replay", String(other.seq), "--home", home);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`^TURN_UNKNOWN: this bundle is of the turn ${turn}; of \\S+ it holds only`));
});
