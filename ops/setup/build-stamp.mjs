import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Every folder whose files can end up in a bundle; ops/setup is in it, so a changed build counts as well. */
const INPUT_FOLDERS = ["bus", "schemas", "services", "channels", "ui", "ops"];
const INPUT_FILES = ["package-lock.json", "package.json", "tsconfig.json"];

/**
 * A hash over path, size and time of change of every build input. Reads no content: a few hundred files take
 * milliseconds.
 * @param {string} root
 * @returns {string}
 */
export function inputHash(root) {
  const hash = createHash("sha256");
  const files = [...INPUT_FOLDERS.flatMap((folder) => filesBelow(root, folder)), ...INPUT_FILES];
  for (const file of files.toSorted()) {
    const stats = statSync(join(root, file), { throwIfNoEntry: false });
    if (stats !== undefined) hash.update(`${file}\0${stats.size}\0${stats.mtimeMs}\n`);
  }
  return hash.digest("hex");
}

/**
 * True when dist/ does not belong to the sources as they are.
 * @param {string} root
 */
export function buildNeeded(root) {
  const stamp = stampFile(root);
  return !existsSync(stamp) || readFileSync(stamp, "utf8") !== inputHash(root);
}

/** @param {string} root */
export function stampFile(root) {
  return join(root, "dist", ".built-from");
}

/**
 * Relative paths of all files below a folder of the root; tests are left out, they change no bundle.
 * @param {string} root
 * @param {string} folder
 * @returns {string[]}
 */
function filesBelow(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : filesBelow(root, path);
    return entry.name.includes(".test.") ? [] : [path];
  });
}
