import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildNeeded, inputHash, stampFile } from "./build-stamp.mjs";

test("a build is needed after a source changed, appeared or went, and not after a test did", (context) => {
  const root = mkdtempSync(join(tmpdir(), "taffrail-stamp-"));
  context.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "bus"));
  mkdirSync(join(root, "dist"));
  const source = join(root, "bus", "log.ts");
  const markBuilt = () => writeFileSync(stampFile(root), inputHash(root));
  writeFileSync(source, "1");
  assert.ok(buildNeeded(root), "never built");

  markBuilt();
  assert.ok(!buildNeeded(root));

  writeFileSync(source, "22");
  assert.ok(buildNeeded(root), "another size");

  markBuilt();
  utimesSync(source, 1, 1);
  assert.ok(buildNeeded(root), "another time of change");

  markBuilt();
  writeFileSync(join(root, "bus", "log.test.ts"), "test");
  assert.ok(!buildNeeded(root), "a test changes no bundle");

  writeFileSync(join(root, "bus", "codec.ts"), "1");
  assert.ok(buildNeeded(root), "a new file");

  markBuilt();
  rmSync(source);
  assert.ok(buildNeeded(root), "a file gone");
});
