/** The whole product as a person runs it: real broker, real processes from `dist/`, a state folder and a port of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { HealthView, ProcessView } from "../../schemas/views.ts";

const CLI = join(fileURLToPath(import.meta.url), "..", "..", "..", "dist", "cli.js");

export interface System {
  readonly home: string;
  readonly port: number;
  readonly address: string;
  readonly supervisor: ChildProcess;
  /** Everything the supervisor printed. */
  output(): string;
  health(): Promise<HealthView | undefined>;
  /** Process by name, from /health. */
  process(name: string): Promise<ProcessView>;
  whenReady(): Promise<void>;
  /** Calls the HTTP API as the local owner. */
  api(method: string, path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
  /** A signed owner token, as the CLI makes it. */
  bearer(): string;
  /** Runs the CLI against this system; resolves with its output and exit code. */
  cli(...args: string[]): Promise<{ stdout: string; stderr: string; code: number | null }>;
  stop(): Promise<void>;
}

export interface SystemOptions {
  readonly model?: string;
  readonly env?: Record<string, string>;
  /** A state folder that is there; made and removed when absent. */
  readonly home?: string;
}

/** A port nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Polls until `check` gives something; the deadline only ends a test that would hang. */
export async function until<T>(
  what: string,
  check: () => Promise<T | undefined | false>,
  limitMs = 60_000,
): Promise<T> {
  const endMs = Date.now() + limitMs;
  while (Date.now() < endMs) {
    const value = await check().catch(() => undefined);
    if (value !== undefined && value !== false) return value;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`waited too long for: ${what}`);
}

/** Starts the product and waits until it is ready. `npm run build` must have run. */
export async function startSystem(options: SystemOptions = {}): Promise<System> {
  const home = options.home ?? (await mkdtemp(join(tmpdir(), "taffrail-test-")));
  const port = await freePort();
  const env = {
    ...process.env,
    TAFFRAIL_HOME: home,
    TAFFRAIL_PORT: String(port),
    TAFFRAIL_MODEL: options.model ?? "demo:fast",
    ...options.env,
  };
  // Dies with this process: the supervisor's own children hang on it the same way.
  const supervisor = spawn("setpriv", ["--pdeathsig", "TERM", process.execPath, CLI, "up"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [supervisor.stdout, supervisor.stderr])
    stream.on("data", (data: Buffer) => (printed += data.toString()));
  const exited = new Promise<number | null>((resolve) => supervisor.once("exit", (code) => resolve(code)));
  const address = `http://127.0.0.1:${port}`;

  const bearer = (): string => {
    const body = Buffer.from(JSON.stringify({ sub: "cli", exp: Math.floor(Date.now() / 1000) + 3600 })).toString(
      "base64url",
    );
    const key = readFileSync(join(home, "keys", "web-session.key"));
    return `${body}.${createHmac("sha256", key).update(body).digest("base64url")}`;
  };

  const system: System = {
    home,
    port,
    address,
    supervisor,
    output: () => printed,
    bearer,
    async health() {
      const response = await fetch(`${address}/health`, { signal: AbortSignal.timeout(2_000) });
      return (await response.json()) as HealthView;
    },
    async process(name) {
      const found = (await system.health())?.processes.find((one) => one.name === name);
      if (found === undefined) throw new Error(`there is no process ${name}`);
      return found;
    },
    async whenReady() {
      await until("readiness", async () => {
        if (supervisor.exitCode !== null) throw new Error("the supervisor ended");
        return (await system.health())?.ready === true;
      });
    },
    async api(method, path, body) {
      const response = await fetch(`${address}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${bearer()}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    cli(...args) {
      return new Promise((resolve) => {
        const child = spawn(process.execPath, [CLI, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
        let stdout = "";
        let stderr = "";
        child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
        child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
        child.once("exit", (code) => resolve({ stdout, stderr, code }));
      });
    },
    async stop() {
      supervisor.kill("SIGTERM");
      await exited;
      if (options.home === undefined) await rm(home, { recursive: true, force: true });
    },
  };
  const failed = exited.then((code) => {
    throw new Error(`the supervisor ended with ${code}:\n${printed.slice(-4_000)}`);
  });
  failed.catch(() => undefined);
  await Promise.race([system.whenReady(), failed]);
  return system;
}
