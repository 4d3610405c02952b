// What comes in: a clone, fresh or used, and the benchmarks' own arguments. What goes out: on stdout only what the
// benchmarks print, since `npm run --silent bench -- --json` is read by programs; progress goes to stderr.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { requireNode } from "./node-version.mjs";

requireNode();

const { runEntry } = await import("./entry.mjs");
const { projectRoot } = await import("./project-root.mjs");
const { SetupError } = await import("./run.mjs");
const { setUp } = await import("./set-up.mjs");
const { toStderr } = await import("./steps.mjs");
const { runToEnd } = await import("./test-run.mjs");

const main = join("test", "bench", "main.ts");

await runEntry(async () => {
  const { natsServer } = await setUp({ root: projectRoot, report: toStderr });
  if (!existsSync(join(projectRoot, main))) throw new SetupError(`${main} is missing`);
  const env = { ...process.env, ...(natsServer === undefined ? {} : { TAFFRAIL_NATS_SERVER: natsServer }) };
  return runToEnd(process.execPath, ["--import", "tsx", main, ...process.argv.slice(2)], { cwd: projectRoot, env });
});
