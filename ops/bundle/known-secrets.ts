/** The secrets this machine knows of a state folder: configured keys, keys in the environment, every key file. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { keyPaths } from "../../bus/accounts/key-files.ts";
import type { Config } from "../config/config.ts";
import type { KnownSecret } from "./redact.ts";

/** Names of variables that hold a secret, in the ways people write them. */
const SECRET_VARIABLE = /(?:^|_)(?:KEY|TOKEN|SECRET|PASS|PASSWD|PASSWORD|PASSPHRASE|CREDENTIALS?|API_?KEY)(?:$|_)/i;
/** A key is longer; "1", "true" and names of files are not to be covered everywhere. */
const MIN_CHARS = 8;
/** Seeds and tokens are longer than words, and lines of decoration are none. */
const SECRET_LINE = /^[A-Za-z0-9+/_.=-]{20,}$/;

export function knownSecrets(home: string, config: Pick<Config, "model">, env: NodeJS.ProcessEnv): KnownSecret[] {
  const found: KnownSecret[] = [];
  const add = (label: string, value: string): void => {
    if (value.length >= MIN_CHARS) found.push({ label, value });
  };
  if (config.model.apiKey !== undefined) add("api-key", config.model.apiKey);
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && SECRET_VARIABLE.test(name) && !value.startsWith("/")) add("environment", value.trim());
  for (const content of keyFiles(keyPaths(home).keys)) {
    const text = content.toString("utf8");
    if (!/^[\t\n\r\x20-\x7e]*$/.test(text)) {
      for (const form of ["base64", "base64url", "hex"] as const) add("key-file", content.toString(form));
      continue;
    }
    for (const line of text.split(/\r?\n/)) if (SECRET_LINE.test(line.trim())) add("key-file", line.trim());
  }
  return found;
}

function keyFiles(folder: string): Buffer[] {
  try {
    return readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
  } catch {
    // An imported home has none.
    return [];
  }
}
