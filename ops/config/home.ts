/** Where the state folder is: TAFFRAIL_HOME, else by XDG. */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

/** The absolute path of the state folder. `option` (from --home) wins over the environment. */
export function resolveHome(env: NodeJS.ProcessEnv, option?: string): string {
  const named = option ?? env["TAFFRAIL_HOME"];
  if (named !== undefined && named !== "") return resolve(expandTilde(named, env));
  const xdg = env["XDG_STATE_HOME"];
  // The XDG rules say that a relative path is invalid and to be ignored.
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(env["HOME"] ?? homedir(), ".local", "state");
  return join(base, "taffrail");
}

/** systemd units and .env files know no `~`; a folder of that name is never what was meant. */
function expandTilde(path: string, env: NodeJS.ProcessEnv): string {
  return path === "~" || path.startsWith("~/") ? join(env["HOME"] ?? homedir(), path.slice(1)) : path;
}
