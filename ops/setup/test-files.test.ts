import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { addCounts, closingLines, countsIn, testFiles } from "./test-files.mjs";

test("test files are found by the level in their name, and by a part of their path", (context) => {
  const root = mkdtempSync(join(tmpdir(), "taffrail-files-"));
  context.after(() => rmSync(root, { recursive: true }));
  const paths = [
    "bus/codec.test.ts",
    "bus/codec.ts",
    "test/a.int.test.ts",
    "test/e2e/page.e2e.test.ts",
    "dist/x.test.ts",
  ];
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), "");
  }
  assert.deepEqual(testFiles(root), {
    unit: ["bus/codec.test.ts"],
    int: ["test/a.int.test.ts"],
    e2e: ["test/e2e/page.e2e.test.ts"],
  });
  assert.deepEqual(testFiles(root, ["page"]), { unit: [], int: [], e2e: ["test/e2e/page.e2e.test.ts"] });
});

test("the counts are those of the report's end, whatever a test printed before", () => {
  const tap = "# pass 99\n# tests 7\n# suites 1\n# pass 3\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 1\n";
  const counts = countsIn(tap);
  assert.deepEqual(counts, { tests: 7, suites: 1, pass: 3, fail: 1, cancelled: 1, skipped: 1, todo: 1 });
  assert.equal(countsIn("").tests, 0);
  assert.equal(addCounts([counts, counts]).pass, 6);
  assert.equal(closingLines(addCounts([counts, counts]), 5).at(-1), "6 passed, 4 failed, 4 skipped");
});
