// What comes in: the sources. What goes out: dist/, complete or as it was before. Never leaves half a build behind.
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildNeeded, inputHash, stampFile } from "./build-stamp.mjs";
import { serverEntries, serverOptions } from "./bundle.mjs";
import { bundlePage } from "./bundle-page.mjs";
import { linkCommand } from "./link-command.mjs";
import { projectRoot } from "./project-root.mjs";
import { requireNode } from "./node-version.mjs";
import { SetupError } from "./run.mjs";

/**
 * Builds dist/ when the sources changed since the last time.
 * @param {string} root
 * @param {{ force?: boolean }} [options]
 * @returns {Promise<{ bundles: number, gzipBytes: number | undefined } | undefined>} undefined: nothing to do
 * @throws {SetupError} with the compiler's messages
 */
export async function build(root, { force = false } = {}) {
  if (!force && !buildNeeded(root)) return undefined;
  const hash = inputHash(root);
  // Next to node_modules' own files: on the same file system as dist/, so that it is put in place by a rename.
  const outFolder = join(root, "node_modules", ".taffrail", `dist-${process.pid}`);
  rmSync(outFolder, { recursive: true, force: true });
  mkdirSync(outFolder, { recursive: true });
  try {
    const built = await bundleAll(root, outFolder);
    replaceDist(root, outFolder);
    writeFileSync(stampFile(root), hash);
    linkCommand(root);
    return built;
  } finally {
    rmSync(outFolder, { recursive: true, force: true });
  }
}

/**
 * @param {string} root
 * @param {string} outFolder
 */
async function bundleAll(root, outFolder) {
  const esbuild = await import("esbuild");
  try {
    const entryPoints = serverEntries(root);
    if (entryPoints.length > 0) await esbuild.build(serverOptions({ root, outFolder, entryPoints }));
    makeCommand(join(outFolder, "cli.js"));
    const page = await bundlePage({ root, outFolder: join(outFolder, "ui"), esbuild });
    return { bundles: entryPoints.length, gzipBytes: page?.gzipBytes };
  } catch (error) {
    if (!isBuildFailure(error)) throw error;
    const messages = await esbuild.formatMessages(error.errors, { kind: "error", color: process.stdout.isTTY });
    throw new SetupError(messages.join("\n"));
  } finally {
    await esbuild.stop();
  }
}

/** @param {string} cli */
function makeCommand(cli) {
  if (!existsSync(cli)) return;
  const firstLine = "#!/usr/bin/env node\n";
  const text = readFileSync(cli, "utf8");
  if (!text.startsWith("#!")) writeFileSync(cli, firstLine + text);
  chmodSync(cli, 0o755);
}

/**
 * @param {string} root
 * @param {string} outFolder
 */
function replaceDist(root, outFolder) {
  const dist = join(root, "dist");
  const old = `${outFolder}-old`;
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(outFolder, dist);
  rmSync(old, { recursive: true, force: true });
}

/**
 * @param {unknown} error
 * @returns {error is import("esbuild").BuildFailure}
 */
function isBuildFailure(error) {
  return error instanceof Error && "errors" in error && Array.isArray(error.errors);
}

/**
 * One line about a build, or null when there was none.
 * @param {{ bundles: number, gzipBytes: number | undefined } | undefined} built
 * @returns {string | null}
 */
export function buildLine(built) {
  if (built === undefined) return null;
  const page = built.gzipBytes === undefined ? "no page" : `page ${(built.gzipBytes / 1000).toFixed(1)} kB`;
  return `built ${built.bundles} bundles, ${page}`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  requireNode();
  const { runEntry } = await import("./entry.mjs");
  const { createStep, toStdout } = await import("./steps.mjs");
  await runEntry(async () => {
    const { installPackages } = await import("./packages.mjs");
    const { oneAtATime } = await import("./one-at-a-time.mjs");
    const step = createStep(toStdout);
    return oneAtATime(projectRoot, toStdout, async () => {
      await installPackages({ root: projectRoot, step });
      await step("building", () => build(projectRoot, { force: true }), buildLine);
      return 0;
    });
  });
}
