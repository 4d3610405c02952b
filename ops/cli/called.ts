/** How this program is called here: `npx taffrail` in a clone, `taffrail` where it is installed. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const cloned = existsSync(join(dirname(fileURLToPath(import.meta.url)), "..", "package.json"));

export const calledAs = cloned ? "npx taffrail" : "taffrail";

/** The text with its commands as a reader can type them here. */
export function typable(text: string): string {
  return cloned ? text.replaceAll("`taffrail ", "`npx taffrail ") : text;
}
