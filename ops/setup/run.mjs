import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

/** A failure the person at the keyboard can act on: shown as its message alone, without a stack. */
export class SetupError extends Error {
  /** @override */
  name = "SetupError";
}

/** Kept of a program's output: enough for a compiler's last errors, bounded for a program that never stops talking. */
const OUTPUT_TAIL_CHARS = 64 * 1024;

/**
 * @typedef {{ code: number, stdout: string, output: string }} RunResult
 *   output is stdout and stderr as they came; code is 127 when the program does not exist, 128 when it was killed
 * @typedef {{ cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number }} RunOptions
 */

/**
 * Runs a program to its end and never rejects: a missing program is code 127.
 * It gets its own process group, which is killed as a whole when the time is up or this process exits: npm and
 * make would otherwise leave their compilers behind.
 * @param {string} command
 * @param {string[]} args
 * @param {RunOptions} [options] timeoutMs: 10 minutes unless given, twice the slowest compile seen
 * @returns {Promise<RunResult>}
 */
export function run(command, args, { cwd, env = process.env, timeoutMs = 600_000 } = {}) {
  return new Promise((resolve) => {
    let stdout = "";
    let output = "";
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const killGroup = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group has already ended.
      }
    };
    const timer = setTimeout(() => {
      output += `\n${command} was stopped: no end after ${Math.round(timeoutMs / 1000)} s\n`;
      killGroup();
    }, timeoutMs);
    process.on("exit", killGroup);
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout = (stdout + text).slice(-OUTPUT_TAIL_CHARS);
      output = (output + text).slice(-OUTPUT_TAIL_CHARS);
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      output = (output + text).slice(-OUTPUT_TAIL_CHARS);
    });
    const finish = (/** @type {number} */ code) => {
      clearTimeout(timer);
      process.off("exit", killGroup);
      resolve({ code, stdout, output });
    };
    child.once("error", (error) => {
      output += `${error.message}\n`;
      finish(127);
    });
    child.once("close", (code) => finish(code ?? 128));
  });
}

/**
 * As run(), but a non-zero end is a SetupError that carries the last lines of the output.
 * @param {string} command
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<RunResult>}
 */
export async function runOrFail(command, args, options) {
  const result = await run(command, args, options);
  if (result.code === 0) return result;
  throw new SetupError(`${[command, ...args].join(" ")} failed (${result.code}):\n${lastLines(result.output, 25)}`);
}

/**
 * @param {string} text
 * @param {number} count
 */
export function lastLines(text, count) {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}

/**
 * The absolute path of a program, or undefined. Debian keeps servers in sbin folders, which are on root's PATH only:
 * the sbin beside each bin is searched last.
 * @param {string} name
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string | undefined}
 */
export function findProgram(name, env = process.env) {
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
  const besides = folders.filter((folder) => folder.endsWith("/bin")).map((folder) => folder.replace(/bin$/, "sbin"));
  return [...folders, ...besides].map((folder) => join(folder, name)).find(isExecutable);
}

/** @param {string} path */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes Ctrl-C and SIGTERM run the exit hooks, so that programs started by run() end with this process.
 * @returns {() => void} gives the signals back
 */
export function endChildrenOnSignals() {
  process.on("SIGINT", exitInterrupted).on("SIGTERM", exitTerminated);
  return () => void process.off("SIGINT", exitInterrupted).off("SIGTERM", exitTerminated);
}

// 128 + the signal's number, as shells have it.
const exitInterrupted = () => process.exit(130);
const exitTerminated = () => process.exit(143);
