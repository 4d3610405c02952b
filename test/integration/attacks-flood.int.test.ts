/** A channel or sandbox that sends, asks, listens and connects as much as it can: contained, and ended by closing its account. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { CORE_ACCOUNT, channelAccountName, mintTurnCredentials } from "../../bus/accounts/minting.ts";
import { closeAccount, openAccount } from "../../bus/accounts/push.ts";
import { appendSurely } from "../../bus/append.ts";
import { makeEvent } from "../../bus/event.ts";
import { createJetStreamLog } from "../../bus/jetstream-log.ts";
import type { Log } from "../../bus/log.ts";
import { systemClock } from "../../bus/ports.ts";
import { lanes } from "../../bus/subjects.ts";
import { quietChannel, watchFlood, type FloodState } from "../../ops/supervisor/flood-watch.ts";
import { accountLoad } from "../../ops/supervisor/monitor.ts";
import { startProof, type Proof } from "../support/attack-proof.ts";
import { GROUP, openStage, type Stage } from "../support/attack-stage.ts";
import type { WireClient } from "../support/attack-wire.ts";

const WEB = channelAccountName("web");
let stage: Stage;
let proof: Proof;
let log: Log;
before(async () => {
  stage = await openStage();
  log = await createJetStreamLog(await stage.connect("supervisor"), { name: "supervisor" });
  proof = await startProof(stage.admin);
});
afterEach(() => stage.dismiss());
after(() => stage.stop());

let appended = 0;
/** Appends `count` events as the services do, each on a subject of its own. */
async function appendInCore(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const data = { process: `flood${appended}`, pid: 1, version: "0", restarts: 0 };
    const event = makeEvent("ProcessStarted", `flood-${appended++}`, { source: "supervisor", nowMs: 0 }, data);
    const outcome = await appendSurely(
      log,
      { lane: lanes.process(data.process), expectedLastSeq: 0, event },
      { clock: systemClock },
    );
    assert.equal(outcome.type, "stored");
  }
}

async function assertNoneLost(): Promise<void> {
  const info = await proof.jsm.streams.info("LOG", { subjects_filter: "log.process.*" });
  for (let index = 0; index < appended; index++)
    assert.equal(info.state.subjects?.[`log.process.flood${index}`], 1, `append ${index}`);
}

/** Writes `chunk` as fast as the broker reads until `ended`. */
async function pump(client: WireClient, chunk: Uint8Array, ended: () => boolean): Promise<number> {
  let chunks = 0;
  while (!ended() && !client.closed) {
    chunks++;
    if (!client.raw(chunk)) await client.drained();
  }
  return chunks;
}

function chunkOf(line: (index: number) => string): Uint8Array {
  return new TextEncoder().encode(Array.from({ length: 500 }, (_, index) => line(index)).join(""));
}

/** What the supervisor does, with its own parts: reads the counters, and closes who sends too much. */
async function closeFlooder(): Promise<string> {
  let state: FloodState = quietChannel;
  const account = stage.minted.accounts.find(({ name }) => name === WEB)?.publicKey ?? "";
  for (const deadlineMs = performance.now() + 30_000; performance.now() < deadlineMs;) {
    const load = (await accountLoad(stage.monitorPort, 1_500)).get(account) ?? 0;
    const looked = watchFlood(state, load, performance.now());
    state = looked.state;
    if (looked.verdict.type === "close") {
      await closeAccount(stage.system, stage.home, WEB);
      return WEB;
    }
    await systemClock.sleep(500);
  }
  throw new Error("no flooder was found");
}

describe("a flooder", () => {
  const floods: { name: string; user: string; line: (index: number) => string }[] = [
    { name: "of messages", user: "web", line: (index) => `PUB log.in.web.f.m${index}.0 2\r\nhi\r\n` },
    {
      name: "of unanswered queries",
      user: "web",
      line: (index) => `PUB query.stats.status _INBOX_web.${index} 2\r\nhi\r\n`,
    },
    { name: "of forbidden subjects", user: "web", line: (index) => `PUB log.turn.web.c.${index}.wake 2\r\nhi\r\n` },
    {
      name: "of direct gets",
      user: "web",
      line: (index) => `PUB $JS.API.DIRECT.GET.LOG.log.in.web.f.m${index}.0 _INBOX_web.${index} 0\r\n\r\n`,
    },
  ];
  for (const { name, user, line } of floods) {
    it(`${name} loses no append of core`, async () => {
      const client = await stage.as(user);
      client.subscribe("_INBOX_web.>");
      let ended = false;
      const pumping = pump(client, chunkOf(line), () => ended);
      const watching = closeFlooder();
      await appendInCore(20);
      // The supervisor's watch is what ends it, not the flooder's good will.
      assert.equal(await watching, WEB);
      ended = true;
      assert.ok((await pumping) > 0);
      assert.ok(client.closed);
      await openAccount(stage.system, stage.home, WEB);
      client.close();
      await assertNoneLost();
      await proof.onlyOwn(
        ["log.in.web.>", "log.process.>", "query.stats.status", "$JS.API.DIRECT.GET.LOG.log.in.web.>"],
        name,
      );
    });
  }

  it("is cut off at once when its account is closed, stays out over a restart, and others go on", async () => {
    const client = await stage.as("web");
    const pumping = pump(
      client,
      chunkOf((index) => `PUB log.in.web.g.m${index}.0 2\r\nhi\r\n`),
      () => false,
    );
    await closeAccount(stage.system, stage.home, WEB);
    await pumping;
    assert.ok(client.closed);
    await assert.rejects(stage.as("web"), /refused/);
    await appendInCore(20);
    await stage.as("other");
    // Open and closed again within one second: the last word counts, though the claims carry whole seconds.
    await openAccount(stage.system, stage.home, WEB);
    await stage.as("web");
    await closeAccount(stage.system, stage.home, WEB);
    await stage.restart();
    await assert.rejects(stage.as("web"), /refused/);
    await openAccount(await stage.connect("sys"), stage.home, WEB);
    await stage.as("web");
    await appendInCore(5);
    await assertNoneLost();
    await assert.rejects(closeAccount(stage.system, stage.home, CORE_ACCOUNT), /never closed/);
  });
});

describe("limits of an account", () => {
  it("hold its connections, subscriptions and payloads", async () => {
    const open = [await stage.as("web"), await stage.as("web"), await stage.as("web"), await stage.as("web")];
    await assert.rejects(stage.as("web"), /maximum account active connections exceeded/);
    const [first, second] = open;
    for (let index = 0; index < 1200; index++) first!.subscribe(`feed.s${index}`);
    await first!.settle();
    assert.match(first!.errors.join(), /maximum subscriptions exceeded/);
    second!.publish("log.in.web.c.big.0", "x".repeat(1_048_577));
    // It is cut in the middle of what it sends, so the reason may not arrive.
    await second!.until(() => second!.closed);
    await appendInCore(5);
    await assertNoneLost();
  });

  it("hold a group's sandboxes too", async () => {
    const { creds } = await mintTurnCredentials(stage.home, GROUP, 600, Date.now());
    const clients: WireClient[] = [];
    for (let index = 0; index < 17; index++) clients.push(await stage.attempt(creds));
    assert.equal(clients.filter((client) => client.closed).length, 1);
  });
});
