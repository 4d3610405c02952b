/** The connections of a command and of all it starts, as far as they are Node's. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { CLI, runProgram, type Said } from "./cli.ts";

const guard = pathToFileURL(join(import.meta.dirname, "connection-guard.mjs")).href;

/** Runs the command line; `connections` are `tcp <host>:<port>`, `unix <path>`, `udp`, `name <name>`. `file` is for the guard. */
export async function runGuarded(
  file: string,
  env: NodeJS.ProcessEnv,
  ...args: string[]
): Promise<Said & { connections: string[] }> {
  const guarded = { ...env, NODE_OPTIONS: `--import=${guard}`, TEST_CONNECTIONS: file };
  const said = await runProgram(guarded, process.execPath, CLI, ...args);
  const connections = existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  return { ...said, connections };
}
