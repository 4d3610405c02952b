/** The built command line as a person runs it, without this machine's own settings. */
import { spawn } from "node:child_process";
import { join } from "node:path";

export const CLI = join(import.meta.dirname, "..", "..", "dist", "cli.js");

export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Everything of Taffrail taken out of the environment, but where its broker lies. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("TAFFRAIL_") || name === "TAFFRAIL_NATS_SERVER"),
  );
}

export function runCli(...args: string[]): Promise<Said> {
  return runProgram({}, process.execPath, CLI, ...args);
}

/** Any program in that environment, with `more` in it. */
export function runProgram(more: NodeJS.ProcessEnv, program: string, ...args: string[]): Promise<Said> {
  return new Promise((resolve, reject) => {
    const env = { ...cleanEnvironment(), ...more };
    const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}
