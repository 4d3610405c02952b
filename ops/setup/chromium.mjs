// What comes in: PATH, the cache folder, the machine's apt sources. What goes out: the path of a Chromium that runs.
// Owns <cache>/chromium/. Never installs anything into the system.
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasApt, privateApt, unpackAll } from "./apt.mjs";
import { cacheFolder, workFolderIn } from "./cache-folder.mjs";
import { findProgram, lastLines, run, SetupError } from "./run.mjs";

/** @typedef {{ executablePath: string, fetched: boolean }} Chromium */

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
// Without a font a page renders as empty boxes and a screenshot proves nothing.
const PACKAGES = ["chromium", "fonts-dejavu-core"];

/**
 * A Chromium for the tests: an installed one, else the cached one, else Debian's packages unpacked into the cache.
 * @param {{ report?: import("./steps.mjs").Report, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<Chromium>} started with no more than its path; as root it also wants --no-sandbox
 * @throws {SetupError}
 */
export async function findChromium({ report = () => {}, env = process.env } = {}) {
  for (const name of PROGRAMS) {
    const executablePath = findProgram(name, env);
    if (executablePath !== undefined && (await answers(executablePath)).ok) {
      return { executablePath, fetched: false };
    }
  }
  const folder = join(cacheFolder(env), "chromium");
  const executablePath = join(folder, "chromium");
  if (existsSync(executablePath)) {
    if ((await answers(executablePath)).ok) return { executablePath, fetched: false };
    report("  the cached chromium does not run here any more: fetched again");
  }
  await fetchInto(folder);
  writeStarter(executablePath, folder);
  const { ok, output } = await answers(executablePath);
  if (ok) return { executablePath, fetched: true };
  rmSync(executablePath);
  throw new SetupError(`the fetched chromium does not run: ${lastLines(output, 3)}\n${HOW_TO_INSTALL}`);
}

const HOW_TO_INSTALL = "The tests need a Chromium. Type: sudo apt-get install -y chromium fonts-dejavu-core";

/** @param {string} folder */
async function fetchInto(folder) {
  if (!hasApt()) throw new SetupError(HOW_TO_INSTALL);
  const workFolder = workFolderIn(folder);
  try {
    const apt = privateApt(workFolder);
    await apt.get("update");
    await apt.get("install", "-y", "--no-install-recommends", "--download-only", ...PACKAGES);
    const unpacked = join(workFolder, "root");
    await unpackAll(apt.archives, unpacked);
    rmSync(join(folder, "root"), { recursive: true, force: true });
    renameSync(unpacked, join(folder, "root"));
  } catch (error) {
    throw new SetupError(`${HOW_TO_INSTALL}\n${error instanceof Error ? error.message : String(error)}`);
  } finally {
    rmSync(workFolder, { recursive: true, force: true });
  }
}

/**
 * Writes the script that starts the unpacked Chromium with its own libraries and fonts. A script, since these
 * variables in the environment of a whole test run would reach every other program too.
 * @param {string} starter
 * @param {string} folder
 */
function writeStarter(starter, folder) {
  const root = join(folder, "root");
  const fontConfig = join(folder, "fonts.conf");
  writeFileSync(fontConfig, fontConfigFor(root, folder));
  const lines = [
    "#!/bin/sh",
    `export LD_LIBRARY_PATH=${quoted(libraryFolders(root).join(":"))}`,
    `export FONTCONFIG_FILE=${quoted(fontConfig)}`,
    // exec: the pid that the caller knows and kills is Chromium's own.
    `exec ${quoted(join(root, "usr", "lib", "chromium", "chromium"))} "$@"`,
  ];
  writeFileSync(`${starter}.new`, `${lines.join("\n")}\n`, { mode: 0o755 });
  renameSync(`${starter}.new`, starter);
}

/** @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Every folder below the unpacked lib folders that holds shared libraries; some packages keep theirs one level down.
 * @param {string} root
 * @returns {string[]}
 */
export function libraryFolders(root) {
  const tops = ["usr/lib", "lib"].map((name) => join(root, name)).filter((path) => existsSync(path));
  return tops.flatMap((top) => withLibraries(top, 3));
}

/**
 * @param {string} folder
 * @param {number} depth
 * @returns {string[]}
 */
function withLibraries(folder, depth) {
  const entries = readdirSync(folder, { withFileTypes: true });
  const own = entries.some((entry) => /\.so(\.|$)/.test(entry.name)) ? [folder] : [];
  if (depth === 0) return own;
  const below = entries.filter((entry) => entry.isDirectory());
  return [...own, ...below.flatMap((entry) => withLibraries(join(folder, entry.name), depth - 1))];
}

/**
 * Fontconfig's own paths point into the system, where the unpacked fonts and settings are not.
 * @param {string} root
 * @param {string} folder
 */
function fontConfigFor(root, folder) {
  const generic = ["sans-serif:DejaVu Sans", "serif:DejaVu Serif", "monospace:DejaVu Sans Mono"].map((pair) => {
    const [family, preferred] = pair.split(":");
    return `<alias><family>${family}</family><prefer><family>${preferred}</family></prefer></alias>`;
  });
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${join(root, "usr", "share", "fonts")}</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>${join(folder, "font-cache")}</cachedir>
  ${generic.join("\n  ")}
</fontconfig>
`;
}

/** @param {string} executablePath */
async function answers(executablePath) {
  // 30 s: the first start from a cold disk reads 200 MB.
  const { code, output } = await run(executablePath, ["--version"], { timeoutMs: 30_000 });
  return { ok: code === 0 && /\d+\.\d+/.test(output), output };
}
