// `taffrail rebuild` on a running system with a log of some thousand events.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { RebuildOutcome } from "../../bus/rebuild.ts";
import { fileSnapshots } from "../../bus/snapshot.ts";
import { whileHeld } from "../../ops/supervisor/control.ts";
import { openConnection } from "../../services/ui-projection/sqlite.ts";
import { back, kill, rowOf } from "../faults/processes.ts";
import { openSpy } from "../faults/spy.ts";
import { makeBulkHome } from "../support/bulk-home.ts";
import { startSystem, until, type System } from "../support/system.ts";

const CLI = join(fileURLToPath(import.meta.url), "..", "..", "..", "dist", "cli.js");
const EVENTS = 6_000;

let home: string;
let system: System;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "taffrail-rebuild-"));
  await makeBulkHome(home, { seed: 3, count: EVENTS, chats: 25 });
  system = await startSystem({ home, model: "demo:fast" });
  await until("the projection to have read the log", async () => (await system.process("ui-projection")).lag === 0);
});

after(async () => {
  await system?.stop();
  await rm(home, { recursive: true, force: true });
});

type Told = RebuildOutcome & { view: string; equal: boolean };

async function rebuild(...args: string[]): Promise<{ code: number | null; told: Told[]; stderr: string }> {
  const { code, stdout, stderr } = await system.cli("rebuild", "--json", ...args);
  const lines = stdout.split("\n").filter(Boolean);
  return { code, told: lines.map((line) => JSON.parse(line) as Told), stderr };
}

const views = (): string => join(home, "state", "views.sqlite");
const inode = (): number => statSync(views()).ino;

async function answers(text: string): Promise<void> {
  const chat = randomUUID();
  await system.api("POST", `/api/chats/${chat}/messages`, { id: randomUUID(), text: `echo ${text}` });
  await until("the answer on the page", async () => {
    const { body } = await system.api("GET", `/api/chats/${chat}/items`);
    return JSON.stringify(body).includes(`"text":"${text}"`);
  });
}

test("every view built anew equals the live one, is put in its place, and the system goes on answering", async () => {
  await answers("before");
  const { pid } = await rowOf(home, "ui-projection");
  const old = inode();
  const { code, told, stderr } = await rebuild();
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    told.map(({ view }) => view),
    ["views", "router", "scheduler"],
  );
  assert.ok(told.every(({ difference }) => difference === undefined));
  const [built] = told;
  assert.ok(built?.equal && built.swapped && built.events > EVENTS, JSON.stringify(built));
  assert.notEqual(inode(), old, "the file is another one");
  assert.notEqual((await rowOf(home, "ui-projection")).pid, pid, "its process was started again");
  assert.equal(existsSync(`${views()}.before`), false);
  assert.equal(existsSync(`${views()}.rebuild`), false);
  await answers("after");
});

test("--check compares and leaves the live view as it is", async () => {
  const old = inode();
  const { pid } = await rowOf(home, "ui-projection");
  const { code, told } = await rebuild("views", "--check");
  assert.equal(code, 0);
  assert.equal(told[0]?.equal, true);
  assert.equal(told[0]?.swapped, false);
  assert.equal(inode(), old);
  assert.equal((await rowOf(home, "ui-projection")).pid, pid);
  assert.equal(existsSync(`${views()}.rebuild`), false);
});

/** Runs the command and kills it once its file holds more than `seq` events and fewer than all. */
async function killBehind(seq: number): Promise<number> {
  const child = spawn(process.execPath, [CLI, "rebuild", "views"], {
    env: { ...process.env, TAFFRAIL_HOME: home },
    stdio: "ignore",
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let written = 0;
  await until("the new file to grow", async () => {
    if (child.exitCode !== null) throw new Error("it ended before it was killed");
    // Its connection holds the file alone; the size of the log beside it tells as well.
    const bytes = [`${views()}.rebuild`, `${views()}.rebuild-wal`].map((path) =>
      existsSync(path) ? statSync(path).size : 0,
    );
    written = (bytes[0] ?? 0) + (bytes[1] ?? 0);
    return written > seq * 200;
  });
  child.kill("SIGKILL");
  await ended;
  return written;
}

async function builtThrough(): Promise<number> {
  const connection = await openConnection(`${views()}.rebuild`, "write");
  try {
    const [row] = await connection.all<{ seq: number }>("SELECT seq FROM checkpoint");
    return row?.seq ?? 0;
  } finally {
    await connection.close();
  }
}

test("killed twice on the way it goes on where it was, and the result is the same", async () => {
  await killBehind(500);
  const first = await builtThrough();
  await killBehind(3_000);
  const second = await builtThrough();
  assert.ok(second >= first, `${first} ${second}`);
  assert.ok(second > 0, "something was written before the kill");
  const { code, told } = await rebuild("views");
  assert.equal(code, 0);
  assert.equal(told[0]?.equal, true);
  assert.equal(told[0]?.wentOnAt, second);
  // The control: one that ignored its checkpoint would have folded everything again.
  assert.equal(told[0]?.events, (told[0]?.seq ?? 0) - second);
});

test("a file that is damaged, or of another log, is begun anew, and that is said", async () => {
  await killBehind(1_000);
  const connection = await openConnection(`${views()}.rebuild`, "write");
  await connection.exec("UPDATE checkpoint SET created = 'another'");
  await connection.close();
  const foreign = await rebuild("views", "--check");
  assert.equal(foreign.told[0]?.begunAnew, "it is of another log");
  assert.equal(foreign.told[0]?.wentOnAt, undefined);
  assert.equal(foreign.told[0]?.equal, true);
  writeFileSync(`${views()}.rebuild`, "this is no database, but it is long enough to be looked at ".repeat(20));
  const damaged = await rebuild("views", "--check");
  assert.equal(damaged.told[0]?.begunAnew, "it is damaged");
  assert.equal(damaged.told[0]?.equal, true);
});

test("a row changed behind the projection's back is found, named, and healed by the swap", async () => {
  const live = await openConnection(views(), "write");
  const [row] = await live.all<{ key: string }>("SELECT key FROM rows WHERE view LIKE '% the %' ORDER BY key LIMIT 1");
  await live.all("UPDATE rows SET view = replace(view, ' the ', ' teh ') WHERE key = ?", [row?.key]);
  await live.close();
  const checked = await rebuild("views", "--check");
  assert.equal(checked.code, 1);
  assert.equal(checked.told[0]?.difference?.where, `row ${row?.key}`);
  assert.match(checked.told[0]?.difference?.live ?? "", /teh/);
  assert.doesNotMatch(checked.told[0]?.difference?.rebuilt ?? "", /teh/);
  const text = await system.cli("rebuild", "views");
  assert.equal(text.code, 1);
  assert.match(text.stdout, /DIFFERENT at event/);
  for (const line of text.stdout.split("\n")) {
    if (!line.includes(".before")) assert.ok(line.length <= 80, line);
  }
  assert.ok(existsSync(`${views()}.before`), "the replaced file is kept");
  const healed = await rebuild("views", "--check");
  assert.equal(healed.code, 0);
  assert.equal(healed.told[0]?.equal, true);
});

test("a snapshot of the router that knows something else is found and healed", async () => {
  await answers("for the snapshot");
  const file = join(home, "state", "router.json");
  // The drain writes one.
  await back(home, "router", await term("router"));
  const spy = await openSpy(home);
  try {
    const snapshots = fileSnapshots<{ chat: string; model?: string }[]>(file, shapeOf(file));
    const saved = await until("a snapshot", async () => snapshots.load(spy.log));
    const [first] = saved.state;
    assert.ok(first !== undefined);
    first.model = "planted";
    await kill(home, "router").then((pid) => back(home, "router", pid));
    await snapshots.save(spy.log, saved.seq, saved.state);
  } finally {
    await spy.close();
  }
  const found = await rebuild("router");
  assert.equal(found.code, 1, JSON.stringify(found));
  assert.match(found.told[0]?.difference?.live ?? "", /planted/);
  const healed = await rebuild("router", "--check");
  assert.equal(healed.code, 0, JSON.stringify(healed));
  await answers("with the healed router");
});

function shapeOf(file: string): number {
  const [, text = ""] = readFileSync(file, "utf8").split("\n", 2);
  return (JSON.parse(text) as { shape: number }).shape;
}

async function term(name: string): Promise<number> {
  const { pid } = await rowOf(home, name);
  process.kill(pid, "SIGTERM");
  return pid;
}

test("a process that is held is stopped, held once, and started again whatever its holder meets", async () => {
  const { pid } = await rowOf(home, "ui-projection");
  const held = whileHeld(home, "ui-projection", async () => {
    const row = await rowOf(home, "ui-projection");
    assert.equal(row.ready, false);
    assert.throws(() => process.kill(pid, 0), /ESRCH/);
    await assert.rejects(
      whileHeld(home, "ui-projection", () => Promise.resolve()),
      /already/,
    );
    throw new Error("the holder failed");
  });
  await assert.rejects(held, /the holder failed/);
  await back(home, "ui-projection", pid);
  await assert.rejects(
    whileHeld(home, "nobody", () => Promise.resolve()),
    /no process nobody/,
  );
});

test("a view that is not known is a wrong command line", async () => {
  const { code, stderr } = await system.cli("rebuild", "vews");
  assert.equal(code, 2);
  assert.match(stderr, /"vews" is not a view.*views/);
});

test("a stopped home is rebuilt alike: compared, healed, gone on with after a kill, and started on the new file", async () => {
  await system.stop();
  const live = await openConnection(views(), "write");
  await live.exec("DELETE FROM events WHERE seq = 4711");
  await live.close();
  await killBehind(1_000);
  const begun = await builtThrough();
  const { code, told, stderr } = await rebuild("views");
  assert.equal(code, 1, stderr);
  assert.equal(told[0]?.wentOnAt, begun > 0 ? begun : undefined);
  assert.equal(told[0]?.difference?.where, "event 4711");
  assert.equal(told[0]?.difference?.live, undefined);
  assert.ok(told[0]?.swapped);
  const all = await rebuild("--check");
  assert.equal(all.code, 0, all.stderr);
  assert.ok(
    all.told.every(({ equal }) => equal),
    JSON.stringify(all.told),
  );
  system = await startSystem({ home, model: "demo:fast" });
  await answers("on the new file");
});
