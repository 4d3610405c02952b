/**
 * Records the fixture log of a real system of this release: `node --import tsx test/replay/record-system.ts [FILE]`, after
 * `npm run build`. An existing one is kept: the log of a past release stays as it was recorded.
 */
import { chmodSync, constants, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { hostname, homedir, tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { version } from "../../ops/config/version.ts";
import { loadConfig } from "../../ops/config/load.ts";
import { replaySettings } from "../../ops/replay/settings.ts";
import { deciderSettings } from "../../ops/supervisor/process-list.ts";
import { assertOrder } from "../faults/one-answer.ts";
import { runCli } from "../support/cli.ts";
import { writeBeside } from "./beside.ts";
import { systemFixtureFolder } from "./fixture-logs.ts";
import { shapesOf } from "./shapes.ts";
import { FAULTS, SHAPES } from "./system-shapes.ts";
import { openStage } from "./system-stage.ts";

/** What a reviewer's diff and a clone still bear. */
const MAX_BYTES = 600_000;

const file = process.argv[2] ?? join(systemFixtureFolder, `${version}.jsonl`);
if (existsSync(file)) throw new Error(`${file} is there; a recorded log is not replaced`);
mkdirSync(dirname(file), { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), "taffrail-recorded-"));
const stage = await openStage("agent: { runners: 2, maxSteps: 5 }\n");

async function verify(what: string, home: string): Promise<void> {
  const { code, stdout, stderr } = await runCli("replay", "--all", "--home", home);
  console.log(`${what}: ${stdout}${stderr}`);
  if (code !== 0) throw new Error(`${what} does not replay equal`);
}

try {
  await Promise.all(Object.values(SHAPES).map((shape) => shape(stage)));
  for (const fault of Object.values(FAULTS)) await fault(stage);
  await stage.quiet();
  const events = await stage.spy().events();
  assertOrder(events);
  await verify("running", stage.home);
  await stage.stop();
  await verify("stopped", stage.home);
  const recorded = join(scratch, "log.jsonl");
  const exported = await runCli("log", "export", "--all", "--out", recorded, "--home", stage.home);
  if (exported.code !== 0) throw new Error(exported.stderr);
  const imported = join(scratch, "imported");
  await runCli("log", "import", recorded, "--home", imported);
  await verify("imported", imported);
  const text = readFileSync(recorded, "utf8");
  if (text.length > MAX_BYTES) throw new Error(`${text.length} bytes are too many for a fixture`);
  const own = [stage.home, homedir(), tmpdir(), hostname(), userInfo().username, process.cwd()];
  const leaked = own.filter((one) => one.length > 2 && text.includes(one));
  if (leaked.length > 0) throw new Error(`it names ${leaked.join(", ")} of this machine`);
  copyFileSync(recorded, file, constants.COPYFILE_EXCL);
  chmodSync(file, 0o644);
  writeBeside(file, replaySettings(deciderSettings(loadConfig({}, { home: imported })), version));
  console.log(`${file}: ${events.length} events, ${text.length} bytes, ${JSON.stringify(shapesOf(events))}`);
} finally {
  await stage.close();
  rmSync(scratch, { recursive: true, force: true });
}
