import { basename } from "node:path";
import { runOrFail } from "./run.mjs";

/**
 * Runs npm: the one that started this process when there is one, else the one on PATH.
 * @param {string[]} args
 * @param {import("./run.mjs").RunOptions} options
 */
export function npm(args, options) {
  const started = process.env.npm_execpath;
  // Under yarn or pnpm the variable names those instead.
  if (started !== undefined && basename(started) === "npm-cli.js") {
    return runOrFail(process.execPath, [started, ...args], options);
  }
  return runOrFail("npm", args, options);
}
