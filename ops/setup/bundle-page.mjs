import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { SetupError } from "./run.mjs";

/** What a phone on a slow line loads before the first message shows, gzipped; UI.md's bound. */
export const MAX_PAGE_BYTES = 120_000;

/**
 * Builds ui/ into `outFolder`: index.html with the hashed names of script and style put in, both minified, and the
 * files of ui/public as they are.
 * @param {{ root: string, outFolder: string, esbuild: typeof import("esbuild") }} options
 * @returns {Promise<{ gzipBytes: number } | undefined>} undefined when there is no page yet
 * @throws {SetupError} when index.html names no script, or the page is larger than MAX_PAGE_BYTES
 */
export async function bundlePage({ root, outFolder, esbuild }) {
  const page = join(root, "ui", "index.html");
  if (!existsSync(join(root, "ui", "main.tsx")) || !existsSync(page)) return undefined;
  const sources = ["ui/main.tsx", "ui/styles.css"].filter((file) => existsSync(join(root, file)));
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: sources.map((file) => ({ in: file, out: "app" })),
    entryNames: "[name].[hash]",
    outdir: outFolder,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: ["es2022"],
    jsx: "automatic",
    jsxImportSource: "preact",
    minify: true,
    legalComments: "none",
    logLevel: "silent",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  mkdirSync(outFolder, { recursive: true });
  writeFileSync(join(outFolder, "index.html"), withHashedNames(readFileSync(page, "utf8"), readdirSync(outFolder)));
  const publicFolder = join(root, "ui", "public");
  if (existsSync(publicFolder)) cpSync(publicFolder, outFolder, { recursive: true });
  const gzipBytes = gzippedTotal(outFolder);
  if (gzipBytes <= MAX_PAGE_BYTES) return { gzipBytes };
  throw new SetupError(`the page is ${gzipBytes} bytes gzipped, more than ${MAX_PAGE_BYTES}`);
}

/**
 * Puts the built names in place of `main.tsx` (or `app.js`) and `styles.css` (or `app.css`); what stands before the
 * name in the attribute ("/" or "./") stays.
 * @param {string} html
 * @param {string[]} built file names
 * @returns {string}
 */
export function withHashedNames(html, built) {
  const script = built.find((name) => /^app\..*\.js$/.test(name));
  const style = built.find((name) => /^app\..*\.css$/.test(name));
  const withScript = withName(html, /(src="\.?\/?)(?:main\.tsx|app\.js)(?=")/, script);
  return withName(withScript, /(href="\.?\/?)(?:styles|app)\.css(?=")/, style);
}

/**
 * @param {string} html
 * @param {RegExp} place
 * @param {string | undefined} name
 */
function withName(html, place, name) {
  if (name === undefined) return html;
  if (!place.test(html)) throw new SetupError(`ui/index.html has no place for ${name}`);
  return html.replace(place, `$1${name}`);
}

/** @param {string} folder */
function gzippedTotal(folder) {
  return readdirSync(folder)
    .filter((name) => [".html", ".js", ".css"].includes(extname(name)))
    .reduce((total, name) => total + gzipSync(readFileSync(join(folder, name))).byteLength, 0);
}
