// What comes in: a clone, fresh or used. What goes out: a running Taffrail. Does what is missing first (packages,
// nats-server, build), then becomes `taffrail up`. Keeps no state of its own but stamps below node_modules/ and dist/.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { requireNode } from "./node-version.mjs";

requireNode();

// Imported late: these files are written in a language that an old Node cannot read.
const { runEntry } = await import("./entry.mjs");
const { projectRoot } = await import("./project-root.mjs");
const { SetupError } = await import("./run.mjs");
const { setUp } = await import("./set-up.mjs");
const { stepLine, toStdout } = await import("./steps.mjs");

const cli = join(projectRoot, "dist", "cli.js");

await runEntry(async () => {
  const startMs = performance.now();
  await setUp({ root: projectRoot, report: toStdout, natsServerRequired: false });
  toStdout(stepLine("set up", performance.now() - startMs));
  if (!existsSync(cli)) throw new SetupError("the build made no dist/cli.js: ops/cli/main.ts is missing");
  return undefined;
});

// In this very process, not in a child: signals, exit code and kill -9 then reach `taffrail up` without a middleman.
process.argv = [process.execPath, cli, "up", ...process.argv.slice(2)];
await import(pathToFileURL(cli).href);
