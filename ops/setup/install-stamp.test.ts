import assert from "node:assert/strict";
import { test } from "node:test";
import { installStamp, sameInstallation } from "./install-stamp.mjs";

const machine = { abi: "115", platform: "linux", arch: "x64" };

test("another lock file, Node or processor asks for a new installation", () => {
  const stamp = installStamp("lock", machine);
  assert.equal(installStamp(Buffer.from("lock"), machine), stamp);
  assert.notEqual(installStamp("lock 2", machine), stamp);
  assert.notEqual(installStamp("lock", { ...machine, abi: "127" }), stamp);
  assert.notEqual(installStamp("lock", { ...machine, arch: "arm64" }), stamp);
});

const wanted = {
  packages: {
    "": { version: "0.1.0" },
    "node_modules/a": { version: "1.0.0", integrity: "sha512-a" },
    "node_modules/other-cpu": { version: "1.0.0", integrity: "sha512-o", optional: true },
  },
};

test("an installation made by hand is recognised, without the binaries of other platforms", () => {
  assert.ok(sameInstallation(wanted, { packages: { "node_modules/a": { version: "1.0.0", integrity: "sha512-a" } } }));
});

test("a missing, different or superfluous package is noticed", () => {
  const a = { version: "1.0.0", integrity: "sha512-a" };
  assert.ok(!sameInstallation(wanted, { packages: {} }));
  assert.ok(!sameInstallation(wanted, { packages: { "node_modules/a": { ...a, version: "1.0.1" } } }));
  assert.ok(!sameInstallation(wanted, { packages: { "node_modules/a": { ...a, integrity: "sha512-b" } } }));
  assert.ok(!sameInstallation(wanted, { packages: { "node_modules/a": a, "node_modules/b": a } }));
});
