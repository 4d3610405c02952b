import assert from "node:assert/strict";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { decode, parseCreds, type Account } from "@nats-io/jwt";
import type { Access, ChannelAccess, CoreAccess } from "./access.ts";
import { backupRoles, keyPaths } from "./key-files.ts";
import {
  channelAccountName,
  groupAccountName,
  groupToken,
  installKey,
  mintHome,
  mintTurnCredentials,
  resignAccount,
  type Minted,
} from "./minting.ts";

const DAY_MS = 86_400_000;
const router: CoreAccess = { type: "core", user: "router", publish: ["log.chat.>"], subscribe: [], reads: true };
const web: ChannelAccess = { type: "channel", channel: "web", services: ["log.in.web.>"], streams: ["live.web.>"] };

let home: string;
beforeEach(() => (home = mkdtempSync(join(tmpdir(), "taffrail-keys-"))));
afterEach(() => rmSync(home, { recursive: true, force: true }));

function mint(change: { access?: Access[]; groups?: string[]; nowMs?: number } = {}): Promise<Minted> {
  return mintHome({ home, access: [router, web], groups: ["main"], nowMs: Date.now(), ...change });
}

/** Every file below the home with its content. */
function files(folder = home): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      found[path] = readFileSync(path, "base64");
    }
  return found;
}

describe("a state folder's keys", () => {
  it("are readable by their owner only, whatever the umask is", async () => {
    const before = process.umask(0);
    try {
      await mint();
    } finally {
      process.umask(before);
    }
    for (const entry of readdirSync(home, { withFileTypes: true, recursive: true })) {
      const mode = statSync(join(entry.parentPath, entry.name)).mode & 0o777;
      assert.equal(mode, entry.isDirectory() ? 0o700 : 0o600, entry.name);
    }
  });

  it("stay as they are at a second start", async () => {
    const first = await mint();
    assert.deepEqual(first.renewed, ["sys", "router", "web"]);
    const before = files();
    const second = await mint();
    assert.deepEqual(files(), before);
    assert.deepEqual([second.changed, second.renewed], [[], []]);
  });

  it("do not need the root key and the account identities after the first start", async () => {
    await mint();
    renameSync(join(home, "keys", "backup"), join(home, "offline"));
    const later = await mint({ nowMs: Date.now() + 29 * DAY_MS });
    assert.deepEqual(later.renewed, ["sys", "router", "web"]);
    assert.deepEqual(later.changed, []);
    assert.throws(() => statSync(join(home, "keys", "backup")));
  });

  it("leave no half-written file behind and read over one", async () => {
    await mint();
    const paths = keyPaths(home);
    truncateSync(paths.creds("router"), 100);
    writeFileSync(`${paths.creds("web")}.1.tmp`, "torn");
    const again = await mint();
    assert.deepEqual(again.renewed, ["router"]);
    assert.equal((await parseCreds(readFileSync(paths.creds("router")))).uc.name, "router");
  });

  it("all stand in what a backup holds", async () => {
    await mint();
    const missing = Object.keys(files())
      .map((path) => path.slice(home.length + 1))
      .filter((path) => !backupRoles.some((role) => path === role.path || path.startsWith(`${role.path}/`)));
    // Credentials are made from the kept keys at any start.
    assert.deepEqual(
      missing.filter((path) => !path.startsWith("keys/creds/")),
      [],
    );
    assert.ok(backupRoles.some((role) => role.offline));
  });
});

describe("credentials", () => {
  it("are renewed when less than a week is left, and not before", async () => {
    await mint();
    assert.deepEqual((await mint({ nowMs: Date.now() + 22 * DAY_MS })).renewed, []);
    assert.deepEqual((await mint({ nowMs: Date.now() + 24 * DAY_MS })).renewed, ["sys", "router", "web"]);
  });

  it("are made anew when the declaration changes, and only those", async () => {
    await mint();
    const wider: CoreAccess = { ...router, publish: ["log.chat.>", "log.group.>"] };
    const changed = await mint({ access: [wider, web] });
    assert.deepEqual([changed.changed, changed.renewed], [[], ["router"]]);
    const { uc } = await parseCreds(readFileSync(changed.credsFile("router")));
    assert.ok(uc.nats.pub?.allow?.includes("log.group.>"));
  });

  it("of a sandbox carry no rights of their own and expire with the turn", async () => {
    await mint();
    const nowMs = Date.now();
    const turn = await mintTurnCredentials(home, "main", 60, nowMs);
    const { uc, aid } = await parseCreds(turn.creds);
    assert.equal(uc.exp, Math.floor(nowMs / 1000) + 60);
    assert.equal(uc.nats.pub, undefined);
    assert.notEqual(uc.iss, aid);
    await assert.rejects(mintTurnCredentials(home, "nobody", 60, nowMs), /no account/);
  });
});

describe("accounts", () => {
  it("have explicit limits, and no way to the stream or its consumers", async () => {
    const { accounts } = await mint();
    for (const account of accounts) {
      const { limits = {}, imports = [] } = decode<Account>(account.jwt).nats;
      for (const name of [
        "conn",
        "subs",
        "payload",
        "data",
        "leaf",
        "imports",
        "exports",
        "streams",
        "disk_storage",
      ] as const)
        assert.equal(typeof limits[name], "number", `${account.name}: ${name}`);
      assert.ok((limits.conn ?? -1) > 0 && (limits.subs ?? -1) > 0 && (limits.payload ?? -1) > 0, account.name);
      for (const { subject } of imports) assert.doesNotMatch(subject, /^\$JS\.API\.(STREAM|CONSUMER)|^[>*]/);
    }
  });

  it("of a new group change no other account", async () => {
    const before = await mint();
    const after = await mint({ groups: ["main", "family"] });
    const token = groupToken(await installKey(home), "family");
    assert.deepEqual(after.changed, [groupAccountName(token)]);
    assert.deepEqual(after.accounts.slice(0, before.accounts.length), before.accounts);
  });

  it("that were closed stay closed until they are opened", async () => {
    await mint();
    const name = channelAccountName("web");
    const closed = await resignAccount(home, name, true);
    assert.equal(decode<Account>(closed.jwt).nats.limits?.conn, 0);
    const wider: ChannelAccess = { ...web, streams: ["live.web.>", "feed.>"] };
    const minted = await mint({ access: [router, wider] });
    const again = minted.accounts.find((account) => account.name === name);
    assert.equal(decode<Account>(again!.jwt).nats.limits?.conn, 0);
    assert.equal(decode<Account>(again!.jwt).nats.imports?.length, 3);
    const opened = await resignAccount(home, name, false);
    assert.equal(decode<Account>(opened.jwt).nats.limits?.conn, 4);
    assert.deepEqual((await mint({ access: [router, wider] })).changed, []);
  });

  it("are not minted from a declaration that asks for too much", async () => {
    await assert.rejects(mint({ access: [{ ...web, services: ["log.in.*.>"] }] }), { code: "BUS_SUBJECT_INVALID" });
    assert.deepEqual(files(), {});
  });
});
