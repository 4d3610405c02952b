// What comes in: a configured path, PATH, the cache folder, the machine's apt sources.
// What goes out: the path and version of a nats-server that is new enough.
// Owns <cache>/nats-server/. Never touches the system's packages, never runs an older server.
// The supervisor imports this file too: nothing happens at import.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { debianKeyring, hasApt, machineSources, privateApt, unpackAll } from "./apt.mjs";
import { debianMirrors } from "./apt-sources.mjs";
import { cacheFolder, workFolderIn } from "./cache-folder.mjs";
import { fetchReleaseArchive } from "./nats-release.mjs";
import { findProgram, isExecutable, run, runOrFail, SetupError } from "./run.mjs";
import { compareVersions, versionIn } from "./version.mjs";

/** Older servers ignore in silence what the log relies on (and 2.10 acknowledges after fsync errors). */
export const MINIMUM_NATS_SERVER = "2.14.0";

/**
 * @typedef {{ path: string, version: string }} NatsServer
 * @typedef {import("./steps.mjs").Report} Report
 */

/**
 * Looks for a nats-server in this order: the configured one, PATH, the cache. Fetches nothing.
 * @param {{ configured?: string | undefined, report?: Report, env?: NodeJS.ProcessEnv }} [options]
 *   configured: a path; TAFFRAIL_NATS_SERVER when not given
 * @returns {Promise<NatsServer | undefined>}
 * @throws {SetupError} when the configured one is missing or too old: a choice is never replaced in silence
 */
export async function findNatsServer({ configured, report = () => {}, env = process.env } = {}) {
  const chosen = configured ?? env.TAFFRAIL_NATS_SERVER;
  if (chosen !== undefined && chosen !== "") return checkChosen(chosen);
  const onPath = findProgram("nats-server", env);
  if (onPath !== undefined) {
    const version = await versionOf(onPath);
    if (version !== undefined && isNewEnough(version)) return { path: onPath, version };
    report(`  ${onPath} is ${version ?? "unreadable"}, older than ${MINIMUM_NATS_SERVER}: not used`);
  }
  return findCached(env);
}

/**
 * Fetches a nats-server into the cache: from Debian's newest suite, else from the official release archive.
 * @param {{ report?: Report, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<NatsServer>}
 * @throws {SetupError} with the reason of each failure and the three ways out
 */
export async function fetchNatsServer({ report = () => {}, env = process.env } = {}) {
  const folder = join(cacheFolder(env), "nats-server");
  /** @type {string[]} */
  const reasons = [];
  for (const { from, fetchInto } of [
    { from: "Debian's newest suite", fetchInto: fetchFromDebian },
    { from: "the official release archive", fetchInto: fetchReleaseArchive },
  ]) {
    const workFolder = workFolderIn(folder);
    try {
      report(`  fetching nats-server from ${from} ...`);
      return await keep(await fetchInto(workFolder), folder);
    } catch (error) {
      reasons.push(`${from}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      rmSync(workFolder, { recursive: true, force: true });
    }
  }
  throw new SetupError(noServerMessage(reasons));
}

/**
 * The found nats-server, else a fetched one.
 * @param {{ configured?: string | undefined, report?: Report, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<NatsServer & { fetched: boolean }>}
 */
export async function ensureNatsServer(options = {}) {
  const found = await findNatsServer(options);
  if (found !== undefined) return { ...found, fetched: false };
  return { ...(await fetchNatsServer(options)), fetched: true };
}

/** @param {string[]} reasons */
export function noServerMessage(reasons) {
  return [
    "Taffrail needs nats-server 2.14 or later and found none. Three ways:",
    "  1. name one: TAFFRAIL_NATS_SERVER=/path/to/nats-server",
    "  2. put one on PATH (or let this machine reach a Debian mirror or github.com, then start again)",
    `  3. copy one to ${join(cacheFolder(), "nats-server", "<version>", "nats-server")}`,
    ...reasons.map((reason) => `Tried ${reason}`),
  ].join("\n");
}

/**
 * @param {string} path
 * @returns {Promise<NatsServer>}
 */
async function checkChosen(path) {
  if (!isExecutable(path)) throw new SetupError(`the configured nats-server ${path} is not there or cannot be run`);
  const version = await versionOf(path);
  if (version === undefined) throw new SetupError(`${path} does not answer --version like a nats-server`);
  if (isNewEnough(version)) return { path, version };
  throw new SetupError(`the configured nats-server ${path} is ${version}; ${MINIMUM_NATS_SERVER} or later is needed`);
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<NatsServer | undefined>}
 */
async function findCached(env) {
  const folder = join(cacheFolder(env), "nats-server");
  if (!existsSync(folder)) return undefined;
  const versions = readdirSync(folder).filter((name) => /^\d+\.\d+/.test(name) && isNewEnough(name));
  for (const name of versions.toSorted((a, b) => compareVersions(b, a))) {
    const path = join(folder, name, "nats-server");
    // A cache copied from another machine may hold a binary that does not run here.
    const version = isExecutable(path) ? await versionOf(path) : undefined;
    if (version !== undefined && isNewEnough(version)) return { path, version };
  }
  return undefined;
}

/**
 * @param {string} workFolder
 * @returns {Promise<string>} the path of the unpacked binary
 */
async function fetchFromDebian(workFolder) {
  if (!hasApt()) throw new SetupError("no apt-get on this machine");
  const mirrors = debianMirrors(machineSources());
  if (mirrors.length === 0) throw new SetupError("the apt sources name no Debian mirror");
  const architecture = (await runOrFail("dpkg", ["--print-architecture"])).stdout.trim();
  /** @type {unknown} */
  let failure;
  // Two mirrors: a second one helps against a broken first, a long list would only repeat the same outage.
  for (const [index, { uri, signedBy }] of mirrors.slice(0, 2).entries()) {
    try {
      const keyring = debianKeyring(signedBy);
      const options = [`arch=${architecture}`, ...(keyring === undefined ? [] : [`signed-by=${keyring}`])];
      const folder = join(workFolder, `mirror-${index}`);
      const apt = privateApt(folder, { sourceLine: `deb [${options.join(" ")}] ${uri} sid main` });
      await apt.get("update", "--error-on=any");
      await apt.get("download", "nats-server");
      await unpackAll(folder, join(folder, "root"));
      return join(folder, "root", "usr", "sbin", "nats-server");
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/**
 * @param {string} binary
 * @param {string} folder
 * @returns {Promise<NatsServer>}
 */
async function keep(binary, folder) {
  const version = await versionOf(binary);
  if (version === undefined) throw new SetupError("the fetched binary does not run on this machine");
  if (!isNewEnough(version)) throw new SetupError(`it offers ${version}`);
  const target = join(folder, version);
  mkdirSync(target, { recursive: true });
  const path = join(target, "nats-server");
  renameSync(binary, path);
  return { path, version };
}

/**
 * @param {string} path
 * @returns {Promise<string | undefined>}
 */
async function versionOf(path) {
  // Ten seconds: it answers in 20 ms; a program that reads its input instead would wait for ever.
  const { code, stdout } = await run(path, ["--version"], { timeoutMs: 10_000 });
  return code === 0 && stdout.includes("nats-server") ? versionIn(stdout) : undefined;
}

/** @param {string} version */
function isNewEnough(version) {
  return compareVersions(version, MINIMUM_NATS_SERVER) >= 0;
}
