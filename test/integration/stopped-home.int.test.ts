// A state folder that does not run: its log is read by its own broker, started for that alone, which never stays behind.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { hasCode } from "../../bus/errors.ts";
import { build } from "../../ops/setup/build.mjs";
import { readStretch, withSource } from "../../ops/source/source.ts";
import { isAlive, starter, temporaryHome, until, whenReady } from "../faults/supervisor-support.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const programs = starter();
const folder = mkdtempSync(join(tmpdir(), "taffrail-stopped-"));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function start(home: string, ...args: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const env = { ...process.env, TAFFRAIL_HOME: home, TAFFRAIL_PORT: "0" };
  const child = spawn(process.execPath, [join(root, "dist", "cli.js"), ...args], { env, timeout: 90_000, cwd: folder });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (part: string) => (out += part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => (err += part));
  return {
    child,
    ended: new Promise((resolve) => child.once("close", (code) => resolve({ code: code ?? 128, out, err }))),
  };
}

function cli(home: string, ...args: string[]): Promise<Ended> {
  return start(home, ...args).ended;
}

/** Processes that were started with this broker's configuration. */
function brokersOf(home: string): number[] {
  const config = join(home, "broker", "nats.conf");
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(config) && isAlive(pid);
      } catch {
        return false;
      }
    });
}

/** Every file outside of the broker's own folder, with its content's hash. */
function filesOf(home: string): Record<string, string> {
  const entries = readdirSync(home, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !relative(home, path).startsWith("broker/"));
  return Object.fromEntries(
    entries.map((path) => [relative(home, path), createHash("sha256").update(readFileSync(path)).digest("hex")]),
  );
}

/** A source that is held open until it is let go. */
async function hold(home: string): Promise<{ release(): Promise<void>; failed: Promise<unknown> }> {
  let release: () => void = () => undefined;
  let opened: () => void = () => undefined;
  const open = new Promise<void>((resolve) => (opened = resolve));
  const held = withSource(home, () => {
    opened();
    return new Promise<void>((resolve) => (release = resolve));
  });
  const failed = held.then(
    () => undefined,
    (error: unknown) => error,
  );
  await Promise.race([open, held]);
  return { failed, release: () => (release(), held) };
}

void describe("a state folder that does not run", () => {
  let home = "";
  let whole: string[] = [];
  before(async () => {
    await build(root);
    const one = await programs.start({ cli: ["up"] });
    await whenReady(one);
    home = one.home;
    assert.equal((await cli(home, "send", "--chat", "kept", "hello there")).code, 0);
    const exported = await cli(home, "log", "export", "--chat", "kept", "--out", "-");
    whole = exported.out.split("\n").slice(1, -2);
    assert.equal(whole.length, 4, exported.err);
    assert.equal((await cli(home, "down")).code, 0);
    await one.exited;
  });
  after(async () => {
    await programs.endAll();
    rmSync(folder, { recursive: true, force: true });
  });

  void it("gives the same log as before, byte by byte, changes nothing but the broker's files and leaves no process", async () => {
    const unread = filesOf(home);
    const { code, out, err } = await cli(home, "log", "export", "--chat", "kept", "--out", "-");
    assert.equal(code, 0, err);
    assert.deepEqual(out.split("\n").slice(1, -2), whole);
    await withSource(home, async ({ type, log }) => {
      assert.equal(type, "stopped");
      assert.equal(brokersOf(home).length, 1, "control: a broker that runs is found");
      const types: string[] = [];
      for await (const page of readStretch(log, 1, (await log.identity()).lastSeq))
        types.push(...page.map((entry) => entry.type));
      assert.ok(types.includes("MessageReceived") && types.includes("TurnCompleted"));
    });
    assert.deepEqual(filesOf(home), unread);
    assert.deepEqual(brokersOf(home), []);
  });

  void it("is read by one at a time: a start and a second reader are told who has it, and `down` ends the reader", async () => {
    const reader = await hold(home);
    const up = await cli(home, "up");
    assert.equal(up.code, 1);
    assert.match(up.err, new RegExp(`^HOME_IN_USE: a command \\(process ${process.pid}\\) reads the stopped log`));
    assert.match((await cli(home, "log", "export", "--all", "--out", "-")).err, /^HOME_IN_USE: a command/);
    assert.match((await cli(home, "send", "x")).err, /^NOT_RUNNING: /);
    assert.equal((await cli(home, "down")).code, 0);
    assert.ok(hasCode(await reader.failed, "NOT_RUNNING"));
    await until("the end of its broker", () => brokersOf(home).length === 0 || undefined);
  });

  void it("has no broker left when its reader is killed or interrupted, and can then be read and started", async () => {
    for (const signal of ["SIGKILL", "SIGINT", "SIGTERM"] as const) {
      // It holds the log as long as nobody takes its output.
      const script = `import { withSource } from ${JSON.stringify(join(root, "ops", "source", "source.ts"))};
        await withSource(${JSON.stringify(home)}, () => { console.log("open"); return new Promise(() => setInterval(() => {}, 1000)); });`;
      const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
        cwd: root,
        stdio: ["ignore", "pipe", "inherit"],
        timeout: 90_000,
      });
      const exited = new Promise((resolve) => child.once("exit", (code, by) => resolve(code ?? by)));
      await new Promise((resolve) => child.stdout.once("data", resolve));
      assert.equal(brokersOf(home).length, 1);
      child.kill(signal);
      assert.equal(await exited, { SIGKILL: "SIGKILL", SIGINT: 130, SIGTERM: 143 }[signal]);
      await until(`no broker after ${signal}`, () => brokersOf(home).length === 0 || undefined);
    }
    assert.equal((await cli(home, "log", "export", "--chat", "kept", "--out", "-")).code, 0);
    const again = await programs.start({ home, cli: ["up"] });
    await whenReady(again);
    await withSource(home, ({ type }) => Promise.resolve(assert.equal(type, "running")));
    assert.equal((await cli(home, "down")).code, 0);
    await again.exited;
  });

  void it("goes elsewhere as a bundle, redacted or not, which replays equal there and is never started", async () => {
    for (const redact of [[], ["--redact"]]) {
      const [file, elsewhere] = [join(folder, `kept${redact.length}.jsonl`), join(folder, `elsewhere${redact.length}`)];
      const exported = await cli(home, "log", "export", "--chat", "kept", "--out", file, ...redact);
      assert.equal(exported.code, 0, exported.err);
      assert.match((await cli(home, "log", "export", "--all", "--out", file)).err, /^BUNDLE_FILE_EXISTS: /);
      const imported = await cli(home, "log", "import", file, "--home", elsewhere);
      assert.match(imported.out, /^4 events of one conversation /, imported.err);
      const replayed = await cli(elsewhere, "replay", "--all");
      assert.match(replayed.out, /^EQUAL /, replayed.out + replayed.err);
      assert.match((await cli(elsewhere, "log", "show")).out, /hello there/);
      assert.match((await cli(elsewhere, "up")).err, /^HOME_IMPORTED: /);
      assert.match((await cli(home, "log", "import", file, "--home", elsewhere)).err, /^HOME_NOT_EMPTY: /);
    }
    assert.match(
      (await cli(home, "log", "import", join(folder, "kept0.jsonl"), "--home", home)).err,
      /^HOME_NOT_EMPTY: /,
    );
    const cut = join(folder, "cut.jsonl");
    writeFileSync(cut, readFileSync(join(folder, "kept0.jsonl")).subarray(0, 5_000));
    const refused = await cli(home, "log", "import", cut);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /^BUNDLE_(CUT|DAMAGED): /);
    assert.ok(!existsSync(join(folder, "cut-imported")));
  });

  void it("that never ran, or lost its keys, is answered in a sentence and stays as it is", async () => {
    const never = join(temporaryHome(), "not", "there");
    assert.match((await cli(never, "log", "export", "--all")).err, /^NOT_RUNNING: .*it holds no log/);
    assert.ok(!existsSync(dirname(never)));
    rmSync(join(home, "keys", "accounts"), { recursive: true });
    assert.match((await cli(home, "log", "export", "--all")).err, /^NOT_RUNNING: .*its keys are not there/);
    assert.ok(!existsSync(join(home, "keys", "accounts")));
  });
});
