import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Kept out of the bundles: one is a compiled binary that looks for its file, the other starts its own worker file. */
const EXTERNAL = ["sqlite3", "piscina"];

/**
 * CommonJS packages inside an ESM bundle still ask for these three. The helpers have names of their own, so that a
 * source that imports createRequire itself does not collide with the banner; esbuild renames its own `require`.
 */
const COMMONJS_BANNER = [
  'import { createRequire as __taffrailCreateRequire } from "node:module";',
  'import { fileURLToPath as __taffrailToPath } from "node:url";',
  "const require = __taffrailCreateRequire(import.meta.url);",
  "const __filename = __taffrailToPath(import.meta.url);",
  'const __dirname = __taffrailToPath(new URL(".", import.meta.url));',
].join("");

/**
 * One bundle per process: its name in dist/ and its source file. Sources that do not exist are left out.
 * @param {string} root
 * @returns {{ out: string, in: string }[]}
 */
export function serverEntries(root) {
  const folders = ["services", "channels"].flatMap((parent) =>
    subfolders(join(root, parent)).map((name) => ({ out: name, in: join(parent, name, "main.ts") })),
  );
  return [
    { out: "cli", in: "ops/cli/main.ts" },
    { out: "supervisor", in: "ops/supervisor/main.ts" },
    { out: "rebuild-worker", in: "ops/rebuild/worker.ts" },
    { out: "model-worker", in: "services/agent-runner/model/worker.ts" },
    ...folders,
  ].filter((entry) => existsSync(join(root, entry.in)));
}

/**
 * esbuild's options for the server bundles.
 * @param {{ root: string, outFolder: string, entryPoints: { in: string, out: string }[] }} options
 * @returns {import("esbuild").BuildOptions}
 */
export function serverOptions({ root, outFolder, entryPoints }) {
  return {
    absWorkingDir: root,
    entryPoints,
    outdir: outFolder,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20.17",
    external: EXTERNAL,
    alias: { tweetnacl: join(root, "ops", "setup", "native-ed25519.mjs") },
    banner: { js: COMMONJS_BANNER },
    // Names stay: a stack trace of a running process has to be readable.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "silent",
  };
}

/** @param {string} folder */
function subfolders(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}
