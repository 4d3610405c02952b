import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { SetupError } from "./run.mjs";

/** Fifteen minutes: a cold set-up with its compile on a slow machine. */
const MAX_WAIT_MS = 900_000;

/**
 * Runs `work` while no other process on this machine does so for the same folder: `npm start` and `npm test` typed at
 * the same time would otherwise install over each other. The lock lies outside the clone, since `npm ci` empties
 * node_modules; one whose owner is dead is taken over.
 * @template T
 * @param {string} folder
 * @param {import("./steps.mjs").Report} report
 * @param {() => Promise<T>} work
 * @param {{ maxWaitMs?: number, lockFolder?: string }} [options]
 * @returns {Promise<T>}
 * @throws {SetupError} when the other process does not end in time
 */
export async function oneAtATime(folder, report, work, { maxWaitMs = MAX_WAIT_MS, lockFolder = tmpdir() } = {}) {
  const lock = lockFileFor(folder, lockFolder);
  const deadlineMs = performance.now() + maxWaitMs;
  let announced = false;
  while (!tryLock(lock)) {
    if (!announced) report("  waiting for another set-up of this folder ...");
    announced = true;
    if (performance.now() > deadlineMs) throw new SetupError(`another set-up is still running; if not, delete ${lock}`);
    await pause(200);
  }
  const unlock = () => rmSync(lock, { force: true });
  process.on("exit", unlock);
  try {
    return await work();
  } finally {
    process.off("exit", unlock);
    unlock();
  }
}

/**
 * @param {string} folder
 * @param {string} lockFolder
 */
export function lockFileFor(folder, lockFolder) {
  const hash = createHash("sha256").update(folder).digest("hex").slice(0, 16);
  return join(lockFolder, `taffrail-setup-${process.getuid?.() ?? 0}-${hash}.lock`);
}

/** @param {string} lock */
function tryLock(lock) {
  try {
    const file = openSync(lock, "wx");
    writeSync(file, String(process.pid));
    closeSync(file);
    return true;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  if (ownerIsDead(lock)) rmSync(lock, { force: true });
  return false;
}

/** @param {string} lock */
function ownerIsDead(lock) {
  try {
    const pid = Number(readFileSync(lock, "utf8"));
    // Empty for the moment between its creation and its first byte.
    if (pid === 0) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
}
