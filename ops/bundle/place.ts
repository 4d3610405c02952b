/** Where an imported bundle lies in a state folder. */
import { existsSync } from "node:fs";
import { join } from "node:path";

export interface ImportedFiles {
  readonly folder: string;
  /** The bundle as it came. */
  readonly bundle: string;
  /** Offsets and subjects of its lines. */
  readonly index: string;
}

export function importedFiles(home: string): ImportedFiles {
  const folder = join(home, "imported");
  return { folder, bundle: join(folder, "bundle.jsonl"), index: join(folder, "bundle.index") };
}

export function isImported(home: string): boolean {
  return existsSync(importedFiles(home).bundle);
}
