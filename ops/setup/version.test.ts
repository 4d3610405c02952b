import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeVersionProblem } from "./node-version.mjs";
import { compareVersions, versionIn } from "./version.mjs";

test("versions are compared by number, not by letter", () => {
  assert.ok(compareVersions("2.9.25", "2.14.0") < 0);
  assert.ok(compareVersions("2.15.1", "2.14.0") > 0);
  assert.equal(compareVersions("2.14", "2.14.0"), 0);
  assert.equal(compareVersions("v2.14.0-beta.2", "2.14.0"), 0);
});

test("the version is found in what a nats-server says about itself", () => {
  assert.equal(versionIn("nats-server: v2.15.1\n"), "2.15.1");
  assert.equal(versionIn("no number here"), undefined);
});

test("a Node older than 20.17 is turned away with a way to get one, a newer one is not", () => {
  for (const old of ["12.22.12", "18.19.0", "20.16.0"]) assert.match(nodeVersionProblem(old) ?? "", /20\.17.*Debian/);
  for (const good of ["20.17.0", "20.20.2", "22.0.0", "24.1.0"]) assert.equal(nodeVersionProblem(good), null);
});
