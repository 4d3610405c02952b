/** Ready: from `taffrail up` to the first 200 of /health, with a state folder that has been used. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/system.ts";
import { figure, type ScenarioResult } from "./figures.ts";

const CLI = join(fileURLToPath(import.meta.url), "..", "..", "..", "dist", "cli.js");
const POLL_MS = 10;
const LIMIT_MS = 60_000;

function status(url: string): Promise<number> {
  return new Promise((resolve) => {
    get(url, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).once("error", () => resolve(0));
  });
}

/** Starts, measures, stops. @throws when it does not get ready. */
async function startOnce(home: string): Promise<number> {
  const port = await freePort();
  const startedMs = performance.now();
  const child = spawn("setpriv", ["--pdeathsig", "TERM", process.execPath, CLI, "up"], {
    env: { ...process.env, TAFFRAIL_HOME: home, TAFFRAIL_PORT: String(port), TAFFRAIL_MODEL: "demo:fast" },
    stdio: "ignore",
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  try {
    for (;;) {
      if ((await status(`http://127.0.0.1:${port}/health`)) === 200) return performance.now() - startedMs;
      if (child.exitCode !== null || performance.now() - startedMs > LIMIT_MS) throw new Error("it does not get ready");
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

export async function ready(options: { rounds: number }): Promise<ScenarioResult> {
  const home = await mkdtemp(join(tmpdir(), "taffrail-bench-"));
  try {
    const firstMs = await startOnce(home);
    const timesMs: number[] = [];
    for (let round = 0; round < options.rounds; round++) timesMs.push(await startOnce(home));
    return {
      scenario: "ready",
      figures: [
        figure("up to /health 200, warm", "s", timesMs.map(seconds), { atMost: 2 }),
        figure("the same on a new state folder", "s", [seconds(firstMs)]),
      ],
      notes: [],
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

function seconds(ms: number): number {
  return ms / 1000;
}
