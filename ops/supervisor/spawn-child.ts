/** Starts a program that dies with its parent, whatever kills the parent. */
import { execFile, spawn, type ChildProcess } from "node:child_process";

export interface ChildCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Opens the channel for {type:"ready"} and {type:"failed"}. */
  readonly ipc: boolean;
}

let setprivWorks: Promise<boolean> | undefined;

/** True where `setpriv --pdeathsig` works (util-linux; the one of busybox does not know it). Asked once. */
export function canDieWithParent(): Promise<boolean> {
  setprivWorks ??= new Promise((resolve) => {
    execFile("setpriv", ["--pdeathsig", "KILL", "true"], { timeout: 5_000 }, (error) => resolve(error === null));
  });
  return setprivWorks;
}

/** Spawns with pipes for stdout and stderr. `dieWithParent` comes from canDieWithParent. */
export function spawnChild(what: ChildCommand, dieWithParent: boolean): ChildProcess {
  // setpriv replaces itself by the program: pid, pipes and channel are the program's own.
  const [command, args] = dieWithParent
    ? ["setpriv", ["--pdeathsig", "KILL", what.command, ...what.args]]
    : [what.command, [...what.args]];
  return spawn(command, args, {
    env: what.env,
    // A session of its own: Ctrl-C reaches the whole group, and nats-server would be gone before those who write to it.
    detached: true,
    stdio: ["ignore", "pipe", "pipe", ...(what.ipc ? (["ipc"] as const) : [])],
  });
}

/** Variables a child keeps; everything else of the person's shell, keys included, stays out. */
const KEPT = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "TZ",
  "LANG",
  "LC_ALL",
  "LC_CTYPE",
  "TMPDIR",
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];
/** A model behind a company's proxy must stay reachable; read by the runner only. */
export const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];

/** The cleaned environment: the kept variables of `env` and `more`. */
export function childEnvironment(
  env: NodeJS.ProcessEnv,
  more: NodeJS.ProcessEnv,
  keep: readonly string[] = [],
): NodeJS.ProcessEnv {
  const kept = [...KEPT, ...keep].flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  return { ...Object.fromEntries(kept), ...more };
}
