import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { describeError, errorCatalogue, hasCode, TaffrailError } from "./errors.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const SOURCE_FOLDERS = ["bus", "channels", "ops", "services", "schemas", "ui"];
const SOURCE = /(?<!\.d)(?<!\.test)\.(ts|tsx|mts|mjs|js)$/;
/** Where a code stands in a source: made, compared, or a member of an answer. */
const CODE_IN_SOURCE =
  /(?:Error\(\s*|hasCode\([^,()]+,\s*|\bcode:\s*|\bcode\s*[!=]==\s*|\brefuse\w*\(\s*)"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"/g;
/** Codes of the HTTP client and server, which we translate. */
const FOREIGN = /^(UND_ERR|FST_ERR)_/;

interface Row {
  readonly code: string;
  readonly family: string;
  readonly meaning: string;
  readonly action: string;
}

function documentedRows(): Row[] {
  return readFileSync(join(root, "ops/errors.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => {
      const [code = "", family = "", meaning = "", action = ""] = line
        .slice(1, -1)
        .split(" | ")
        .map((cell) => cell.trim());
      return { code: code.replaceAll("`", ""), family, meaning, action };
    });
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((file) => file.isFile() && SOURCE.test(file.name) && !file.parentPath.includes("generated"))
    .map((file) => join(file.parentPath, file.name));
}

test("the table in ops/errors.md and the catalogue hold the same codes, families and actions", () => {
  const catalogue = Object.entries(errorCatalogue).map(([code, { family, action }]) => ({ code, family, action }));
  assert.deepEqual(
    documentedRows().map(({ code, family, action }) => ({ code, family, action })),
    catalogue,
  );
});

test("every documented code says what it means", () => {
  for (const { code, meaning } of documentedRows()) assert.match(meaning, /^[A-Z].{10,}\.$/, code);
});

test("every code in the sources is in the catalogue", () => {
  const unknown: string[] = [];
  let found = 0;
  for (const folder of SOURCE_FOLDERS) {
    for (const file of sourceFiles(join(root, folder))) {
      for (const [, code = ""] of readFileSync(file, "utf8").matchAll(CODE_IN_SOURCE)) {
        found++;
        if (!Object.hasOwn(errorCatalogue, code) && !FOREIGN.test(code)) unknown.push(`${file}: ${code}`);
      }
    }
  }
  assert.ok(found > 30, `only ${found} codes were found: the pattern does not fit the sources any more`);
  assert.deepEqual(unknown, []);
});

test("an error says its code, family and what to do", () => {
  const cause = new Error("inner");
  const error = new TaffrailError("BUS_STREAM_FULL", "maximum bytes exceeded", { bytes: 1 }, cause);
  assert.ok(error.retryable);
  assert.equal(error.cause, cause);
  assert.equal(error.action, errorCatalogue.BUS_STREAM_FULL.action);
  assert.equal(describeError(error), "BUS_STREAM_FULL: maximum bytes exceeded");
  assert.equal(hasCode(error, "BUS_STREAM_FULL"), true);
  assert.equal(hasCode(error, "BUS_STORE_FAILED"), false);
  assert.ok(!new TaffrailError("BUS_APPEND_CONFLICT", "").retryable);
  assert.ok(!hasCode(new Error("BUS_STREAM_FULL"), "BUS_STREAM_FULL"));
  assert.equal(describeError("text"), "text");
});
