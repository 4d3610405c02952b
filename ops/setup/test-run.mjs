import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { countsIn } from "./test-files.mjs";

/**
 * How many files run at once, and when a hung one is given up. Integration files start servers that wait for the
 * disk; an end-to-end one drives about ten processes and measures them, so it runs alone. The limits are several
 * times what the slowest file takes: they are there so that a hang ends in a red line and not in a stuck machine.
 * @type {Record<import("./test-files.mjs").Level, { concurrency: number, timeoutMs: number }>}
 */
const LIMITS = {
  unit: { concurrency: availableParallelism(), timeoutMs: 120_000 },
  int: { concurrency: 2, timeoutMs: 300_000 },
  e2e: { concurrency: 1, timeoutMs: 900_000 },
};
/** Full runs make logs of a million events and play a thousand seeds. */
const FULL_FACTOR = 4;

/**
 * Runs test files of one level with node's own runner, its report going straight to the terminal.
 * @param {{ root: string, level: import("./test-files.mjs").Level, files: string[], env: NodeJS.ProcessEnv }} options
 * @returns {Promise<import("./test-files.mjs").Counts>} fail is at least 1 when the runner itself failed
 */
export async function runTests({ root, level, files, env }) {
  const folder = mkdtempSync(join(tmpdir(), "taffrail-test-"));
  // A second report for the counts: the first one keeps the terminal's colours by writing to it directly.
  const tap = join(folder, "report.tap");
  try {
    const code = await runToEnd(process.execPath, runnerArguments(level, files, tap, env), { cwd: root, env });
    const counts = countsIn(readFileSync(tap, "utf8"));
    const red = counts.fail + counts.cancelled > 0;
    return code !== 0 && !red ? { ...counts, fail: 1 } : counts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {import("./test-files.mjs").Level} level
 * @param {string[]} files
 * @param {string} tap
 * @param {NodeJS.ProcessEnv} env
 */
function runnerArguments(level, files, tap, env) {
  const { concurrency, timeoutMs } = LIMITS[level];
  const factor = env["TAFFRAIL_TEST_FULL"] === "1" ? FULL_FACTOR : 1;
  return [
    "--import",
    "tsx",
    "--test",
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=tap",
    `--test-reporter-destination=${tap}`,
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${factor * timeoutMs}`,
    ...files,
  ];
}

/**
 * Runs a program on this terminal; it is ended with this process.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv }} options
 * @returns {Promise<number>} its exit code
 */
export function runToEnd(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: "inherit" });
    const end = () => void child.kill("SIGTERM");
    process.on("exit", end);
    child.once("error", reject);
    child.once("close", (code) => {
      process.off("exit", end);
      resolve(code ?? 1);
    });
  });
}
