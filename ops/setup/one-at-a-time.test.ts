import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { lockFileFor, oneAtATime } from "./one-at-a-time.mjs";

const ignore = () => {};

test("two set-ups of one folder never overlap, those of different folders may", async (context) => {
  const lockFolder = temporaryFolder(context);
  let inside = 0;
  const overlaps: number[] = [];
  let bothInside: () => void = ignore;
  const work = async () => {
    overlaps.push(++inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside--;
  };
  await Promise.all([1, 2].map(() => oneAtATime("/one", ignore, work, { lockFolder })));
  assert.deepEqual(overlaps, [1, 1]);

  const met = new Promise<void>((resolve) => (bothInside = resolve));
  const meet = async () => {
    if (++inside === 2) bothInside();
    await met;
  };
  await Promise.all(["/one", "/two"].map((folder) => oneAtATime(folder, ignore, meet, { lockFolder })));
});

test("the lock of a process that died is taken over, that of a living one is waited for", async (context) => {
  const lockFolder = temporaryFolder(context);
  const lock = lockFileFor("/clone", lockFolder);
  const dead = spawnSync(process.execPath, ["-e", ""]).pid;
  writeFileSync(lock, String(dead));
  assert.equal(await oneAtATime("/clone", ignore, async () => "done", { lockFolder }), "done");

  writeFileSync(lock, String(process.ppid));
  await assert.rejects(
    oneAtATime("/clone", ignore, async () => "done", { lockFolder, maxWaitMs: 0 }),
    /another set-up is still running/,
  );
});

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "taffrail-lock-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}
