import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseDeb822, parseOneLine } from "./apt-sources.mjs";
import { findProgram, lastLines, run, runOrFail, SetupError } from "./run.mjs";

/** The names of the archive's keyring on a Debian machine, for sources that name none. */
const DEBIAN_KEYRINGS = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/** Five minutes: 25 packages and 100 MB on a slow line; apt itself gives up on a silent server long before. */
const APT_TIMEOUT_MS = 300_000;

/** True where packages can be fetched and unpacked, by any user. */
export function hasApt() {
  return findProgram("apt-get") !== undefined && findProgram("dpkg") !== undefined;
}

export function isRoot() {
  return process.getuid?.() === 0;
}

/** @returns {import("./apt-sources.mjs").AptSource[]} what the machine's own apt sources say */
export function machineSources(aptFolder = "/etc/apt") {
  const parts = join(aptFolder, "sources.list.d");
  const files = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  return [join(aptFolder, "sources.list"), ...files].flatMap((file) => {
    if (!existsSync(file)) return [];
    if (file.endsWith(".sources")) return parseDeb822(readFileSync(file, "utf8"));
    return file.endsWith(".list") ? parseOneLine(readFileSync(file, "utf8")) : [];
  });
}

/**
 * @param {string | undefined} signedBy
 * @returns {string | undefined} the keyring to check a Debian archive with
 */
export function debianKeyring(signedBy) {
  return signedBy ?? DEBIAN_KEYRINGS.find((path) => existsSync(path));
}

/**
 * An apt with lists, cache and (when given) sources of its own: it reads the system's keyrings, proxy settings and
 * installed packages, and writes nothing outside `folder`.
 * @param {string} folder
 * @param {{ sourceLine?: string }} [options] sourceLine: the only source, in one-line form; else the machine's sources
 */
export function privateApt(folder, { sourceLine } = {}) {
  const lists = join(folder, "lists");
  const cache = join(folder, "cache");
  mkdirSync(join(lists, "partial"), { recursive: true });
  mkdirSync(join(cache, "archives", "partial"), { recursive: true });
  const settings = [
    `Dir::State::lists=${lists}`,
    `Dir::Cache=${cache}`,
    // The private folders need no lock of the system's, which only root could take.
    "Debug::NoLocking=true",
    // Root's home is closed to apt's own user; what is fetched is checked by signature and hash either way.
    ...(isRoot() ? ["APT::Sandbox::User=root"] : []),
    "Acquire::Languages=none",
    "Acquire::http::Timeout=20",
    "Acquire::https::Timeout=20",
    "Acquire::Retries=2",
  ];
  if (sourceLine !== undefined) {
    const list = join(folder, "sources.list");
    writeFileSync(list, `${sourceLine}\n`);
    settings.push(
      `Dir::Etc::sourcelist=${list}`,
      "Dir::Etc::sourceparts=/dev/null",
      // Pins of the machine's own suites would hide a package of another one.
      "Dir::Etc::preferences=/dev/null",
      "Dir::Etc::preferencesparts=/dev/null",
      "APT::Default-Release=",
    );
  }
  const options = settings.flatMap((setting) => ["-o", setting]);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  return {
    archives: join(cache, "archives"),
    /** @param {string[]} args */
    get: (...args) => runOrFail("apt-get", [...options, ...args], { cwd: folder, env, timeoutMs: APT_TIMEOUT_MS }),
  };
}

/**
 * Unpacks every .deb of a folder below `target`, without running any script of theirs.
 * @param {string} folder
 * @param {string} target
 * @returns {Promise<number>} how many there were
 */
export async function unpackAll(folder, target) {
  const packages = readdirSync(folder).filter((name) => name.endsWith(".deb"));
  mkdirSync(target, { recursive: true });
  for (const name of packages) await runOrFail("dpkg", ["-x", join(folder, name), target]);
  return packages.length;
}

/**
 * Makes sure that programs exist: as root by apt-get, else by one line that says what to type.
 * @param {{ program: string, debianPackage: string }[]} wanted
 * @param {string} purpose begins the sentence: "sqlite3 has to be compiled once and"
 * @returns {Promise<string[]>} the packages that were installed
 * @throws {SetupError}
 */
export async function ensurePrograms(wanted, purpose) {
  const missingNow = () => wanted.filter(({ program }) => findProgram(program) === undefined);
  const packages = missingNow().map(({ debianPackage }) => debianPackage);
  if (packages.length === 0) return [];
  const sentence = `${purpose} this machine lacks ${packages.join(", ")}. Type: sudo apt-get install -y ${packages.join(" ")}`;
  if (!isRoot() || !hasApt()) throw new SetupError(sentence);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = () =>
    run("apt-get", ["install", "-y", "--no-install-recommends", ...packages], { env, timeoutMs: APT_TIMEOUT_MS });
  let result = await install();
  if (result.code !== 0) {
    // Fresh machines have empty or stale package lists.
    await run("apt-get", ["update"], { env, timeoutMs: APT_TIMEOUT_MS });
    result = await install();
  }
  if (missingNow().length > 0) throw new SetupError(`${sentence}\n${lastLines(result.output, 10)}`);
  return packages;
}
