// Runs the real supervisor over stand-in processes. In: TEST_PROCESSES (JSON). Out: the supervisor's log; `READY` line.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadConfig } from "../../ops/config/load.ts";
import { printFailure } from "../../ops/cli/failure.ts";
import { createOutput } from "../../ops/supervisor/output.ts";
import type { OwnProcess } from "../../ops/supervisor/process-list.ts";
import { Supervisor } from "../../ops/supervisor/supervisor.ts";

const script = join(dirname(fileURLToPath(import.meta.url)), "supervisor-stand-in.mjs");
const wanted = JSON.parse(process.env["TEST_PROCESSES"] ?? "[]") as Pick<OwnProcess, "name" | "stage" | "settings">[];

// Set here and not by the test: the test itself starts this process by its PATH.
process.env["PATH"] = process.env["TEST_PATH"] ?? process.env["PATH"];

async function run(): Promise<number> {
  const supervisor = new Supervisor({
    config: loadConfig(process.env),
    env: process.env,
    output: createOutput({ stream: process.stdout, level: "debug", colours: false }),
    version: "0.0.0-test",
    processes: () => wanted.map((one) => ({ ...one, user: "router", script })),
  });
  process.on("SIGTERM", () => void supervisor.stop());
  process.on("exit", () => supervisor.kill());
  const { run: file } = await supervisor.start();
  console.log(`READY ${JSON.stringify(file)}`);
  await supervisor.stopped;
  return 0;
}

process.exit(await run().catch(printFailure));
