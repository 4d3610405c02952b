/** A real nats-server for tests: free port, own folder, fsync per append, dead as soon as its parent is. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNatsServer, noServerMessage } from "../../ops/setup/nats-server.mjs";

/** A cold start with an empty store takes 30 ms; a shared machine may take its time. */
const START_DEADLINE_MS = 20_000;
/** Its last words are shown when it does not start. */
const KEPT_OUTPUT_CHARS = 8_000;

export interface Broker {
  /** `host:port` for clients; stays the same over restarts. */
  readonly server: string;
  readonly port: number;
  readonly storeDir: string;
  readonly pid: number;
  /** What it wrote last. */
  output(): string;
  /** kill -9; resolves when the process is gone. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and store, killing it first when it runs; resolves when it accepts clients. */
  restart(): Promise<void>;
  /** SIGSTOP: the connection stays open and says nothing. */
  pause(): void;
  resume(): void;
  /** Ends it and removes what was made for it. */
  stop(): Promise<void>;
}

export interface BrokerOptions {
  /** Kept by `stop` when given. */
  readonly storeDir?: string;
  readonly port?: number;
  /** Lines appended to the configuration, for accounts and limits. */
  readonly config?: string;
}

export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const found = await findNatsServer();
  if (found === undefined) throw new Error(noServerMessage([]));
  const folder = mkdtempSync(join(tmpdir(), "taffrail-broker-"));
  const storeDir = options.storeDir ?? join(folder, "store");
  const port = options.port ?? (await freePort());
  const configFile = join(folder, "nats.conf");
  writeFileSync(configFile, configuration(port, storeDir, options.config ?? ""));
  let child: ChildProcess | undefined;
  let output = "";

  async function start(): Promise<void> {
    const started = spawnTied(found!.path, ["-c", configFile]);
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        output = (output + text).slice(-KEPT_OUTPUT_CHARS);
      });
    }
    const deadlineMs = performance.now() + START_DEADLINE_MS;
    while (!(await accepts(port))) {
      const dead = started.exitCode !== null || started.signalCode !== null;
      if (dead || performance.now() > deadlineMs) {
        started.kill("SIGKILL");
        throw new Error(`nats-server ${dead ? "ended" : "does not answer"}:\n${output}`);
      }
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ended = child;
    child = undefined;
    if (ended === undefined || ended.exitCode !== null || ended.signalCode !== null) return;
    const gone = once(ended, "exit");
    // A stopped process takes no signal but SIGKILL and SIGCONT.
    ended.kill("SIGCONT");
    ended.kill(signal);
    await gone;
  }

  try {
    await start();
  } catch (error) {
    await end("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    server: `127.0.0.1:${port}`,
    port,
    storeDir,
    get pid() {
      if (child?.pid === undefined) throw new Error("the broker does not run");
      return child.pid;
    },
    output: () => output,
    kill9: () => end("SIGKILL"),
    async restart() {
      await end("SIGKILL");
      await start();
    },
    pause: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    async stop() {
      await end("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configuration(port: number, storeDir: string, extra: string): string {
  return [
    `host: 127.0.0.1`,
    `port: ${port}`,
    `server_name: taffrail-test`,
    `jetstream { store_dir: ${JSON.stringify(storeDir)}, sync_interval: always }`,
    extra,
    "",
  ].join("\n");
}

let hasSetpriv: boolean | undefined;

/** Spawns a child that the kernel kills with this process; without setpriv only when this process exits by itself. */
export function spawnTied(command: string, args: readonly string[]): ChildProcess {
  hasSetpriv ??= spawnSync("setpriv", ["--pdeathsig", "KILL", "true"]).status === 0;
  const [file, all] = hasSetpriv ? ["setpriv", ["--pdeathsig", "KILL", command, ...args]] : [command, [...args]];
  const child = spawn(file, all, { stdio: ["ignore", "pipe", "pipe"] });
  const killIt = (): void => void child.kill("SIGKILL");
  process.once("exit", killIt);
  child.once("exit", () => process.off("exit", killIt));
  return child;
}

/** A TCP port of the loopback interface that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** True when the server greets: it accepts connections a little before it is ready to. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(port, "127.0.0.1");
    const finish = (greeted: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      // A refused connection comes back at once; the pause keeps the loop from eating a core.
      if (greeted) resolve(true);
      else setTimeout(resolve, 10, false);
    };
    const timer = setTimeout(finish, 500, false);
    socket.once("data", (data) => finish(data.toString().startsWith("INFO ")));
    socket.once("error", () => finish(false));
    socket.once("close", () => finish(false));
  });
}
