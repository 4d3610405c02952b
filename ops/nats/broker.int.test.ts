import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { mintHome, resignAccount, channelAccountName, type Minted } from "../../bus/accounts/minting.ts";
import { pushAccount } from "../../bus/accounts/push.ts";
import { connectBus } from "../../bus/connect.ts";
import { runServer } from "../../test/support/attack-stage.ts";
import { freePort } from "../../test/support/broker.ts";
import { WireClient } from "../../test/support/attack-wire.ts";
import { checkBroker } from "./checks.ts";
import { brokerFiles, writeBrokerConfig } from "./config.ts";
import { declarations } from "./declarations.ts";

let home: string;
let port: number;
let monitorPort: number;
let minted: Minted;
let server: { stop(signal?: NodeJS.Signals): Promise<void> } | undefined;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "taffrail nats-"));
  port = await freePort();
  monitorPort = await freePort();
  minted = await mintHome({ home, access: declarations, groups: ["main"], nowMs: Date.now() });
  await writeBrokerConfig({ home, port, monitorPort, minted });
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  rmSync(home, { recursive: true, force: true });
});

async function start(): Promise<void> {
  server = await runServer(brokerFiles(home).config, monitorPort);
}

const monitor = (): string => `http://127.0.0.1:${monitorPort}`;

describe("the broker's configuration", () => {
  it("makes a broker that syncs each append, in a folder with a space in its name", async () => {
    await start();
    assert.equal((await checkBroker(monitor())).syncsEachAppend, true);
    assert.match(readFileSync(brokerFiles(home).pid, "utf8"), /^\d+$/);
  });

  it("control: without sync_interval, or with an interval, the broker is refused", async () => {
    const { config } = brokerFiles(home);
    const text = readFileSync(config, "utf8");
    for (const replacement of ["", "sync_interval: 1ms"]) {
      assert.ok(text.includes("sync_interval: always"));
      writeFileSync(config, text.replace("sync_interval: always", replacement));
      await start();
      await assert.rejects(checkBroker(monitor()), { code: "BROKER_NO_FSYNC" });
      await server?.stop();
    }
  });

  it("names a broker that does not answer", async () => {
    await assert.rejects(checkBroker(monitor()), { code: "BUS_UNAVAILABLE" });
  });

  it("holds no seed", () => {
    assert.doesNotMatch(readFileSync(brokerFiles(home).config, "utf8"), /\bS[OAUX][A-Z2-7]{50,}/);
  });
});

describe("accounts changed while the broker runs", () => {
  it("outlive a restart, also one with the configuration of before", async () => {
    await start();
    const system = await connectBus({ server: `127.0.0.1:${port}`, credsFile: minted.credsFile("sys"), name: "sys" });
    await pushAccount(system, await resignAccount(home, channelAccountName("web"), true));
    const later = await mintHome({ home, access: declarations, groups: ["main", "late"], nowMs: Date.now() });
    assert.equal(later.changed.length, 1);
    for (const account of later.accounts.filter(({ name }) => later.changed.includes(name)))
      await pushAccount(system, account);
    await system.close();
    // Not written anew: its preload still has the open account, older than what was pushed.
    await server?.stop();
    await start();
    const web = await WireClient.open(port, readFileSync(minted.credsFile("web")));
    assert.ok(web.closed);
    const router = await WireClient.open(port, readFileSync(minted.credsFile("router")));
    assert.equal(router.closed, false);
    router.close();
  });

  it("of another operator let nobody in, even when they were pushed", async () => {
    await start();
    const system = await connectBus({ server: `127.0.0.1:${port}`, credsFile: minted.credsFile("sys"), name: "sys" });
    const other = mkdtempSync(join(tmpdir(), "taffrail-other-"));
    try {
      const foreign = await mintHome({ home: other, access: declarations, groups: [], nowMs: Date.now() });
      // The broker files any well-formed account; whom it trusts is decided at each sign-in.
      for (const account of foreign.accounts) await pushAccount(system, account);
      for (const user of ["router", "web"]) {
        const client = await WireClient.open(port, readFileSync(foreign.credsFile(user)));
        assert.ok(client.closed, user);
      }
    } finally {
      await system.close();
      rmSync(other, { recursive: true, force: true });
    }
  });
});
