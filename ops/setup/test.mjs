// What comes in: a clone, fresh or used; names of test files, --full. What goes out: the checks and all tests, in
// order, each with its time; the first red step ends it. Ends with node's own summary and a line with the totals.
import { join } from "node:path";
import { requireNode } from "./node-version.mjs";

requireNode();

const { runEntry } = await import("./entry.mjs");
const { projectRoot } = await import("./project-root.mjs");
const { run, SetupError } = await import("./run.mjs");
const { setUp } = await import("./set-up.mjs");
const { createStep, stepLine, toStdout } = await import("./steps.mjs");
const { addCounts, closingLines, testFiles } = await import("./test-files.mjs");
const { runTests } = await import("./test-run.mjs");

const CHECKS = [
  { name: "format", command: "prettier", args: ["--check", "."] },
  { name: "lint", command: "oxlint", args: ["--type-aware"] },
  { name: "unused code", command: "knip", args: [] },
  { name: "types", command: "tsc", args: ["--noEmit"] },
];

/** @type {import("./test-files.mjs").Level[]} */
const LEVELS = ["unit", "int", "e2e"];

await runEntry(async () => {
  const names = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
  const files = testFiles(projectRoot, names);
  const wanted = LEVELS.filter((level) => files[level].length > 0);
  const step = createStep(toStdout);
  const paths = await setUp({ root: projectRoot, report: toStdout, chromium: wanted.includes("e2e") });
  // A name asks for one file's answer, now; the gate is the run without one.
  if (names.length === 0) for (const check of CHECKS) await step(check.name, () => runCheck(check));
  if (wanted.length === 0)
    throw new SetupError(`no test file ${names.length === 0 ? "was found" : `matches ${names.join(", ")}`}`);
  const env = testEnvironment(paths, process.argv.includes("--full"));
  return runLevels(wanted, files, env);
});

/**
 * @param {import("./test-files.mjs").Level[]} levels
 * @param {Record<import("./test-files.mjs").Level, string[]>} files
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} exit code
 */
async function runLevels(levels, files, env) {
  const firstMs = performance.now();
  /** @type {import("./test-files.mjs").Counts[]} */
  const parts = [];
  /** @type {string[]} */
  const times = [];
  for (const level of levels) {
    toStdout(`\n  ${level} tests: ${files[level].length} files`);
    const startMs = performance.now();
    const counts = await runTests({ root: projectRoot, level, files: files[level], env });
    times.push(stepLine(`${level} tests`, performance.now() - startMs));
    parts.push(counts);
    if (counts.fail + counts.cancelled > 0) break;
  }
  const total = addCounts(parts);
  const lines = [...times, ...closingLines(total, performance.now() - firstMs)];
  toStdout(`\n${lines.join("\n")}`);
  return total.fail + total.cancelled > 0 || total.pass === 0 ? 1 : 0;
}

/** @param {{ name: string, command: string, args: string[] }} check */
async function runCheck({ name, command, args }) {
  const program = join(projectRoot, "node_modules", ".bin", command);
  const { code, output } = await run(program, args, { cwd: projectRoot });
  if (code !== 0) throw new SetupError(`${output.trimEnd()}\n\n${name} failed: ${[command, ...args].join(" ")}`);
}

/**
 * The developer's own settings stay out: a test must neither use a real state folder nor a real model.
 * @param {{ natsServer: string | undefined, chromium: string | undefined }} paths
 * @param {boolean} full
 * @returns {NodeJS.ProcessEnv}
 */
function testEnvironment({ natsServer, chromium }, full) {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("TAFFRAIL_") || name.startsWith("TAFFRAIL_TEST_"),
  );
  return {
    ...Object.fromEntries(inherited),
    ...(natsServer === undefined ? {} : { TAFFRAIL_NATS_SERVER: natsServer }),
    ...(chromium === undefined ? {} : { TAFFRAIL_TEST_CHROMIUM: chromium }),
    ...(full ? { TAFFRAIL_TEST_FULL: "1" } : {}),
  };
}
