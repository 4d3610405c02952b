import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { checksumMatches, fetchReleaseArchive, releaseArchiveName } from "./nats-release.mjs";

test("release archives are named as upstream names them", () => {
  assert.match(releaseArchiveName("linux", "x64") ?? "", /^nats-server-v\d+\.\d+\.\d+-linux-amd64\.tar\.gz$/);
  assert.match(releaseArchiveName("linux", "arm64") ?? "", /-linux-arm64\.tar\.gz$/);
  assert.equal(releaseArchiveName("linux", "mips"), undefined);
});

test("a checksum counts only for the file it names", () => {
  const bytes = Buffer.from("archive");
  const hash = createHash("sha256").update(bytes).digest("hex");
  assert.ok(checksumMatches(`${"0".repeat(64)}  other.zip\n${hash}  a.tar.gz\n`, "a.tar.gz", bytes));
  assert.ok(checksumMatches(`${hash} *a.tar.gz`, "a.tar.gz", bytes));
  assert.ok(!checksumMatches(`${hash}  b.tar.gz`, "a.tar.gz", bytes));
  assert.ok(!checksumMatches(`${hash}  a.tar.gz`, "a.tar.gz", Buffer.from("changed")));
});

test("a release archive is unpacked when its checksum is right", async (context) => {
  const { folder, releases } = await releaseServer(context, (archive) => sha256(archive));
  const binary = await fetchReleaseArchive(folder, { releases });
  assert.equal(readFileSync(binary, "utf8"), "a server");
});

test("a release archive with a wrong checksum is refused", async (context) => {
  const { folder, releases } = await releaseServer(context, () => "0".repeat(64));
  await assert.rejects(fetchReleaseArchive(folder, { releases }), /does not match its checksum/);
});

test("a release that cannot be reached is one sentence", async (context) => {
  const { folder, releases, close } = await releaseServer(context, sha256);
  await close();
  await assert.rejects(fetchReleaseArchive(folder, { releases }), /cannot be reached \(ECONNREFUSED\)/);
});

/** Serves one release as upstream does; the checksum comes from `checksum`. */
async function releaseServer(context: TestContext, checksum: (archive: Buffer) => string) {
  const name = releaseArchiveName(process.platform, process.arch);
  assert.ok(name !== undefined);
  const folder = mkdtempSync(join(tmpdir(), "taffrail-release-"));
  const inside = name.replace(".tar.gz", "");
  mkdirSync(join(folder, "made", inside), { recursive: true });
  writeFileSync(join(folder, "made", inside, "nats-server"), "a server");
  execFileSync("tar", ["-czf", join(folder, "made.tar.gz"), "-C", join(folder, "made"), inside]);
  const archive = readFileSync(join(folder, "made.tar.gz"));
  const server = createServer((request, response) => {
    if (request.url?.endsWith("/SHA256SUMS")) response.end(`${checksum(archive)}  ${name}\n`);
    else response.end(archive);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  context.after(async () => {
    await close();
    rmSync(folder, { recursive: true });
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return { folder, close, releases: `http://127.0.0.1:${address.port}` };
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
