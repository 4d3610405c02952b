/**
 * Takes a bundle into a state folder of its own. Comes in: a file of anybody. Goes out: a folder that is only read. Everything
 * is checked on the way into a folder beside; only then it gets its name. Never: touches a folder that holds anything.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { stringify } from "yaml";
import { TaffrailError } from "../../bus/errors.ts";
import { CONFIG_FILE } from "../config/config.ts";
import { freeBytes } from "../supervisor/checks.ts";
import { checkBundle, type CheckedBundle } from "./check.ts";
import { MAX_BUNDLE_BYTES, type BundleManifest, type BundleSettings } from "./format.ts";
import { importedFiles } from "./place.ts";

const CHUNK_BYTES = 1024 * 1024;
/** The index has 28 bytes an event of several hundred; some room stays for others. */
const ROOM_SHARE = 1.2;

/** Throws HOME_NOT_EMPTY unless `home` is an empty folder or not there. */
export function checkImportHome(home: string): void {
  const refuse = (what: string): TaffrailError => new TaffrailError("HOME_NOT_EMPTY", `${home} ${what}`, { home });
  try {
    if (readdirSync(home).length > 0) throw refuse("is not empty; a bundle needs a folder of its own");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOTDIR") throw refuse("is a file; a bundle needs a folder of its own");
    if (code !== "ENOENT") throw error;
  }
}

/**
 * Imports `file` into `home`.
 * @throws NOT_FOUND (no such file), HOME_NOT_EMPTY, DISK_FULL, the BUNDLE_ codes; then `home` is as it was.
 */
export function importBundle(file: string, home: string, onProgress?: (bytes: number) => void): BundleManifest {
  checkImportHome(home);
  const from = openBundle(file);
  let beside: string | undefined;
  try {
    mkdirSync(dirname(home), { recursive: true, mode: 0o700 });
    if (fstatSync(from).size * ROOM_SHARE > freeBytes(dirname(home))) throw noRoom(home);
    beside = mkdtempSync(`${home}.importing-`);
    const { manifest, trailer, index } = copy(file, from, beside, onProgress);
    index.write(importedFiles(beside).index, trailer.sha256);
    writeFileSync(`${beside}/${CONFIG_FILE}`, configText(manifest.settings, basename(file)), { mode: 0o600 });
    // The checks read for a while: whatever came there meanwhile stays.
    checkImportHome(home);
    renameSync(beside, home);
    beside = undefined;
    return manifest;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOSPC" || code === "EDQUOT") throw noRoom(home, error);
    throw error;
  } finally {
    closeSync(from);
    if (beside !== undefined) rmSync(beside, { recursive: true, force: true });
  }
}

function noRoom(home: string, cause?: unknown): TaffrailError {
  return new TaffrailError("DISK_FULL", `the disk of ${home} has no room for the bundle`, { home }, cause);
}

function openBundle(file: string): number {
  try {
    if (!statSync(file).isFile()) throw new Error("it is no file");
    return openSync(file, "r");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new TaffrailError("NOT_FOUND", `${file} ${missing ? "is not there" : "cannot be read"}`, { file }, error);
  }
}

function copy(file: string, from: number, beside: string, onProgress?: (bytes: number) => void): CheckedBundle {
  const files = importedFiles(beside);
  mkdirSync(files.folder, { mode: 0o700 });
  const to = openSync(files.bundle, "wx", 0o600);
  try {
    const check = checkBundle(file);
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let total = 0;
    for (;;) {
      const count = readSync(from, chunk, 0, CHUNK_BYTES, null);
      if (count === 0) break;
      const part = chunk.subarray(0, count);
      check.take(part);
      // Written while it is checked, so that what was checked is what is there.
      for (let done = 0; done < count;) done += writeSync(to, part, done);
      total += count;
      if (total > MAX_BUNDLE_BYTES) throw new TaffrailError("BUNDLE_TOO_LARGE", `${file} is too large`, { file });
      onProgress?.(total);
    }
    const checked = check.finish();
    fsyncSync(to);
    return checked;
  } finally {
    closeSync(to);
  }
}

/** The bundle's settings as a configuration, to change and see a replay differ. */
function configText(settings: BundleSettings, file: string): string {
  const { configuredModel, systemPrompt, maxSteps, maxOutputTokens, queueMode } = settings;
  const agent = { maxSteps, maxOutputTokens, ...(systemPrompt === undefined ? {} : { systemPrompt }) };
  const head = `# The settings of ${JSON.stringify(file)}. Change one and replay: the first difference is shown.\n`;
  return head + stringify({ model: { use: configuredModel }, agent, chat: { queueMode } }, { lineWidth: 0 });
}
