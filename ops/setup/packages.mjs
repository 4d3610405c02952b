// What comes in: package-lock.json, node_modules as it is, the cache folder. What goes out: node_modules as the lock
// file says, with a sqlite3 that loads. Owns node_modules/.taffrail/installed. Never changes the lock file.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { installStamp, sameInstallation } from "./install-stamp.mjs";
import { linkCommand } from "./link-command.mjs";
import { npm } from "./npm.mjs";
import { run, runOrFail } from "./run.mjs";
import { provideSqlite, sqliteLoads } from "./sqlite.mjs";

/**
 * Brings node_modules in line with the lock file. Costs a few milliseconds when it already is.
 * @param {{ root: string, step: import("./steps.mjs").Step }} options
 * @returns {Promise<boolean>} true when something had to be done
 */
export async function installPackages({ root, step }) {
  const stampFile = join(root, "node_modules", ".taffrail", "installed");
  const lockFile = readFileSync(join(root, "package-lock.json"));
  const stamp = installStamp(lockFile);
  if (readIfThere(stampFile) === stamp) {
    linkCommand(root);
    return false;
  }
  const adopted = await step(
    "checking installed packages",
    () => isInstalled(root, lockFile),
    (found) => (found ? "checked installed packages" : null),
  );
  if (!adopted) {
    rmSync(stampFile, { force: true });
    await step(
      "installing packages",
      () => install(root),
      () => "installed packages",
    );
    await provideSqlite({ root, step });
    if (!(await esbuildRuns(root)))
      await runOrFail(process.execPath, ["install.js"], { cwd: join(root, "node_modules", "esbuild") });
  }
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, stamp);
  linkCommand(root);
  return true;
}

/** @param {string} root */
async function install(root) {
  // Without scripts: the two packages that have one are done below, where the compiled result can come from the
  // cache, and every npm treats them alike (11.19 and 12 skip scripts that are not allowed, 10 runs them all).
  await npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: root });
}

/**
 * @param {string} root
 * @param {Uint8Array} lockFile
 */
async function isInstalled(root, lockFile) {
  const written = readIfThere(join(root, "node_modules", ".package-lock.json"));
  if (written === undefined) return false;
  if (!sameInstallation(JSON.parse(Buffer.from(lockFile).toString("utf8")), JSON.parse(written))) return false;
  return (await sqliteLoads(root)) && (await esbuildRuns(root));
}

/** @param {string} root */
async function esbuildRuns(root) {
  const program = 'require("esbuild").transformSync("1")';
  return (await run(process.execPath, ["-e", program], { cwd: root, timeoutMs: 30_000 })).code === 0;
}

/** @param {string} path */
function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
