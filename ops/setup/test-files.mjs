import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const FOLDERS = ["bus", "schemas", "services", "channels", "ops", "ui", "test"];

/**
 * @typedef {"unit" | "int" | "e2e"} Level
 *   unit: pure code; int: real processes, a nats-server; e2e: the whole product and a Chromium
 */

/**
 * The project's test files by the level in their names, each list in order of path.
 * @param {string} root
 * @param {string[]} [names] when given, only files whose path contains one of them
 * @returns {Record<Level, string[]>}
 */
export function testFiles(root, names = []) {
  const all = FOLDERS.flatMap((folder) => filesBelow(root, folder))
    .filter((file) => /\.test\.tsx?$/.test(file))
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
    .toSorted();
  /** @type {Record<Level, string[]>} */
  const files = { unit: [], int: [], e2e: [] };
  for (const file of all) files[levelOf(file)].push(file);
  return files;
}

/**
 * @param {string} file
 * @returns {Level}
 */
export function levelOf(file) {
  if (/\.e2e\.test\./.test(file)) return "e2e";
  return /\.int\.test\./.test(file) ? "int" : "unit";
}

/** What node's test runner counts, in the order of its own summary. */
const KINDS = /** @type {const} */ (["tests", "suites", "pass", "fail", "cancelled", "skipped", "todo"]);

/** @typedef {Record<typeof KINDS[number], number>} Counts */

/**
 * The counts at the end of a TAP report of node's test runner. A test's own output can look the same, so the last
 * line of each kind is the one.
 * @param {string} tap
 * @returns {Counts} all zero for a report without an end
 */
export function countsIn(tap) {
  return countsBy((kind) => {
    const found = [...tap.matchAll(new RegExp(`^# ${kind} (\\d+)$`, "gm"))].at(-1);
    return Number(found?.[1] ?? 0);
  });
}

/**
 * @param {Counts[]} parts
 * @returns {Counts}
 */
export function addCounts(parts) {
  return countsBy((kind) => parts.reduce((total, part) => total + part[kind], 0));
}

/**
 * The end of a whole run: node's own summary over all levels, then one plain line. Cancelled tests count as failed,
 * todo ones as skipped.
 * @param {Counts} counts
 * @param {number} elapsedMs
 * @returns {string[]}
 */
export function closingLines(counts, elapsedMs) {
  const failed = counts.fail + counts.cancelled;
  return [
    ...KINDS.map((kind) => `ℹ ${kind} ${counts[kind]}`),
    `ℹ duration_ms ${elapsedMs.toFixed(0)}`,
    `${counts.pass} passed, ${failed} failed, ${counts.skipped + counts.todo} skipped`,
  ];
}

/**
 * @param {(kind: typeof KINDS[number]) => number} count
 * @returns {Counts}
 */
function countsBy(count) {
  return {
    tests: count("tests"),
    suites: count("suites"),
    pass: count("pass"),
    fail: count("fail"),
    cancelled: count("cancelled"),
    skipped: count("skipped"),
    todo: count("todo"),
  };
}

/**
 * @param {string} root
 * @param {string} folder
 * @returns {string[]}
 */
function filesBelow(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : filesBelow(root, path);
    return [path];
  });
}
