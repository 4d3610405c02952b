import { mkdirSync, mkdtempSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * Taffrail's cache folder. Everything in it can be deleted and is fetched or built again.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string} an absolute path, not created
 */
export function cacheFolder(env = process.env) {
  const configured = env.XDG_CACHE_HOME;
  // The XDG specification says that a relative path is to be ignored.
  const base = configured !== undefined && isAbsolute(configured) ? configured : join(homedir(), ".cache");
  return join(base, "taffrail");
}

/**
 * A new folder inside `folder`: on the same file system, so that the finished result is moved in by one rename and
 * no other process ever sees half of it.
 * @param {string} folder
 * @returns {string}
 */
export function workFolderIn(folder) {
  mkdirSync(folder, { recursive: true });
  return mkdtempSync(join(folder, ".new-"));
}
