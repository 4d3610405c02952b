import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { findNatsServer, noServerMessage } from "./nats-server.mjs";

test("the configured server is taken before PATH and cache", async (context) => {
  const { env, put } = machine(context);
  put("bin", "2.16.0");
  put("cache/taffrail/nats-server/2.17.0", "2.17.0");
  const configured = put("chosen", "2.14.0");
  assert.deepEqual(await findNatsServer({ configured, env }), { path: configured, version: "2.14.0" });
});

test("a configured server that is too old, missing or something else is an error and is not replaced", async (context) => {
  const { env, put, folder } = machine(context);
  put("bin", "2.16.0");
  await assert.rejects(findNatsServer({ configured: put("old", "2.10.29"), env }), /is 2\.10\.29; 2\.14\.0 or later/);
  await assert.rejects(findNatsServer({ configured: join(folder, "none"), env }), /is not there/);
  await assert.rejects(findNatsServer({ configured: "/bin/true", env }), /does not answer/);
});

test("a server on PATH is taken before the cache, unless it is too old", async (context) => {
  const { env, put } = machine(context);
  const cached = put("cache/taffrail/nats-server/2.15.1", "2.15.1");
  const onPath = put("bin", "2.14.3");
  assert.equal((await findNatsServer({ env }))?.path, onPath);
  put("bin", "2.9.10");
  const lines: string[] = [];
  assert.equal((await findNatsServer({ env, report: (line) => lines.push(line) }))?.path, cached);
  assert.match(lines.join("\n"), /2\.9\.10, older than 2\.14\.0/);
});

test("of the cached servers the newest one that runs is taken", async (context) => {
  const { env, put } = machine(context);
  put("cache/taffrail/nats-server/2.9.1", "2.9.1");
  const good = put("cache/taffrail/nats-server/2.15.1", "2.15.1");
  writeFileSync(put("cache/taffrail/nats-server/2.16.0", "2.16.0"), "not a program of this machine");
  assert.deepEqual(await findNatsServer({ env }), { path: good, version: "2.15.1" });
});

test("nothing found is no error yet, and the message for it names three ways and each reason", async (context) => {
  const { env } = machine(context);
  assert.equal(await findNatsServer({ env }), undefined);
  const message = noServerMessage(["Debian: no mirror"]);
  for (const part of ["1. ", "2. ", "3. ", "TAFFRAIL_NATS_SERVER", "PATH", "Debian: no mirror"]) {
    assert.ok(message.includes(part), part);
  }
});

/** A machine of its own: PATH and cache below a temporary folder. put() writes a server that says its version. */
function machine(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "taffrail-find-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const env = { PATH: join(folder, "bin"), XDG_CACHE_HOME: join(folder, "cache") };
  const put = (place: string, version: string) => {
    const path = join(folder, place, "nats-server");
    mkdirSync(join(folder, place), { recursive: true });
    writeFileSync(path, `#!/bin/sh\necho "nats-server: v${version}"\n`, { mode: 0o755 });
    return path;
  };
  return { folder, env, put };
}
