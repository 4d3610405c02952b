/** The code that decides, named so that a log can say which made it: release and build. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { version } from "./version.ts";

/** Bundles whose code decides. */
const DECIDERS = ["router.js", "agent-runner.js", "scheduler.js"];
const HASH_CHARS = 12;

/** Where the bundles lie: beside this one, or in `dist` when this runs from its source. */
export function distFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return here.endsWith(join("ops", "config")) ? join(here, "..", "..", "dist") : here;
}

/** Such as `0.1.0+3fa9c1d20b7e`; the release alone when there are no bundles. */
export function codeVersion(folder = distFolder()): string {
  const hash = createHash("sha256");
  try {
    for (const name of DECIDERS) hash.update(readFileSync(join(folder, name)));
  } catch {
    return version;
  }
  return `${version}+${hash.digest("hex").slice(0, HASH_CHARS)}`;
}
