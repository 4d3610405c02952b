import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { ensurePrograms } from "./apt.mjs";
import { cacheFolder } from "./cache-folder.mjs";
import { npm } from "./npm.mjs";
import { run, SetupError } from "./run.mjs";

const COMPILERS = [
  { program: "g++", debianPackage: "g++" },
  { program: "make", debianPackage: "make" },
  { program: "python3", debianPackage: "python3" },
];

/**
 * Gives node_modules/sqlite3 its binary: from the cache when one is there and loads, else compiled once (about a
 * minute and a half; upstream ships no binary) and kept in the cache for the next clone.
 * @param {{ root: string, step: import("./steps.mjs").Step }} options
 * @throws {SetupError} when the compilers are missing and cannot be installed, or the compile fails
 */
export async function provideSqlite({ root, step }) {
  const binary = join(root, "node_modules", "sqlite3", "build", "Release", "node_sqlite3.node");
  const cached = await cachedBinary(root);
  if (existsSync(cached)) {
    mkdirSync(dirname(binary), { recursive: true });
    copyFileSync(cached, binary);
    if (await sqliteLoads(root)) return;
    rmSync(binary);
  }
  const purpose = "sqlite3 has to be compiled once and";
  await step(
    "checking compilers",
    () => ensurePrograms(COMPILERS, purpose),
    (packages) => (packages.length === 0 ? null : `installed ${packages.join(", ")}`),
  );
  await step(
    "compiling sqlite3, once on this machine",
    () => compile(root),
    () => "compiled sqlite3",
  );
  if (!(await sqliteLoads(root)))
    throw new SetupError("sqlite3 was compiled but does not load; try: npm rebuild sqlite3");
  keepCopy(binary, cached);
}

/**
 * True when a process of its own can load sqlite3: a binary for another libc can take the loading process down.
 * @param {string} root
 */
export async function sqliteLoads(root) {
  return (await run(process.execPath, ["-e", 'require("sqlite3")'], { cwd: root, timeoutMs: 30_000 })).code === 0;
}

/** @param {string} root */
async function compile(root) {
  const headers = join(dirname(dirname(process.execPath)), "include", "node");
  await npm(["rebuild", "sqlite3"], {
    cwd: root,
    env: {
      ...process.env,
      // The headers that came with this Node save a download; machines without a way out could not compile else.
      ...(existsSync(join(headers, "node_api.h")) ? { npm_config_nodedir: dirname(dirname(headers)) } : {}),
    },
  });
}

/**
 * The cached binary's path: one per version, Node binary interface, system, processor and libc.
 * @param {string} root
 */
async function cachedBinary(root) {
  const manifest = JSON.parse(readFileSync(join(root, "node_modules", "sqlite3", "package.json"), "utf8"));
  const libc = (await run("getconf", ["GNU_LIBC_VERSION"], { timeoutMs: 10_000 })).stdout.trim().replace(/\s+/g, "-");
  const kind = [manifest.version, process.versions.modules, process.platform, process.arch, libc || "musl"].join("-");
  return join(cacheFolder(), "sqlite3", kind, "node_sqlite3.node");
}

/**
 * @param {string} binary
 * @param {string} cached
 */
function keepCopy(binary, cached) {
  const unfinished = `${cached}.${process.pid}`;
  mkdirSync(dirname(cached), { recursive: true });
  copyFileSync(binary, unfinished);
  renameSync(unfinished, cached);
}
