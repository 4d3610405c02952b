/**
 * Every credential tries every subject it must not reach, on a real broker. The matrix is made from the declarations.
 * Thieves hold the stolen signing key of a whole account: only the account's imports stop them.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { jetstream } from "@nats-io/jetstream";
import { headers } from "nats";
import type { Access } from "../../bus/accounts/access.ts";
import { CORE_ACCOUNT, groupAccountName, mintTurnCredentials } from "../../bus/accounts/minting.ts";
import { jwtPermissions, permissionsOf } from "../../bus/accounts/permissions.ts";
import { checkStream } from "../../bus/stream-checks.ts";
import {
  allSubjects,
  concrete,
  forbiddenToAll,
  laneOwners,
  nameOf,
  rightsOf,
  wideSubscriptions,
} from "../support/attack-matrix.ts";
import { declaredChannel, eachOutsider } from "../support/attack-outsiders.ts";
import { MARK, SECRET, startProof, type Proof } from "../support/attack-proof.ts";
import { accountOf, forgedCreds, GROUP, openStage, stageAccess, type Stage } from "../support/attack-stage.ts";

const subjects = allSubjects(stageAccess);

/** Fails for a declaration that asks for what DESIGN gives to another, or to nobody. */
function assertRightful(access: Access): void {
  const rights = rightsOf(access);
  const name = nameOf(access);
  for (const subject of forbiddenToAll) assert.equal(rights.publish(subject), false, `${name} may ${subject}`);
  for (const { subject, owners } of laneOwners)
    assert.equal(rights.publish(subject), owners.includes(name), `${name} on ${subject}`);
  for (const subject of ["$JS.API.CONSUMER.MSG.NEXT.LOG.wake", "$JS.ACK.LOG.wake.1.1.1.1.1"])
    assert.equal(rights.publish(subject), name === "agent-runner", `${name} on ${subject}`);
}

/** Fails unless the server refuses the user of `access` every subject that the declaration does not name. */
async function assertHeld(stage: Stage, access: Access): Promise<void> {
  const client = await stage.as(nameOf(access));
  const rights = rightsOf(access);
  const foreign = subjects.filter((subject) => !rights.publish(subject));
  for (const subject of foreign) client.publish(subject, MARK);
  await client.settle();
  assert.deepEqual(
    client.errors.splice(0),
    foreign.map((subject) => `Permissions Violation for Publish to "${subject}"`),
  );
  const unheard = [...subjects, ...wideSubscriptions].filter((subject) => !rights.subscribe(subject));
  for (const subject of unheard) client.subscribe(subject);
  await client.settle();
  assert.deepEqual(
    client.errors.splice(0),
    unheard.map((subject) => `Permissions Violation for Subscription to "${subject}"`),
  );
  assert.ok(foreign.length > 50 && unheard.length > 50);
}

describe("every credential against every subject", () => {
  let stage: Stage;
  let proof: Proof;
  before(async () => {
    stage = await openStage();
    await jetstream(stage.admin).publish("log.in.telegram.c.m.0", SECRET);
    proof = await startProof(stage.admin);
  });
  afterEach(() => stage.dismiss());
  after(() => stage.stop());

  it("declares no right that DESIGN gives to another", () => stageAccess.forEach(assertRightful));

  for (const access of stageAccess) {
    it(`refuses ${nameOf(access)} all that it did not declare`, async () => {
      await assertHeld(stage, access);
      await proof.onlyOwn([], nameOf(access));
    });
  }

  it("refuses a sandbox everything but the calls of its group", async () => {
    const { creds, user } = await mintTurnCredentials(stage.home, GROUP, 600, Date.now());
    const client = await stage.wire(creds);
    for (const subject of subjects) client.publish(subject, MARK);
    await client.settle();
    assert.equal(client.errors.splice(0).length, subjects.length);
    for (const subject of [...subjects, ...wideSubscriptions]) client.subscribe(subject);
    await client.settle();
    assert.equal(client.errors.splice(0).length, subjects.length + wideSubscriptions.length);
    client.publish(`ipc.${stage.groupToken}.read`, MARK);
    client.subscribe(`_INBOX_${user}.>`);
    await client.settle();
    assert.deepEqual(client.errors, []);
    assert.equal(await proof.onlyOwn([`ipc.${stage.groupToken}.>`], "a sandbox"), 1);
  });

  it("lets nobody in without credentials, with expired ones, or with ones that the sandbox key made too wide", async () => {
    const account = groupAccountName(stage.groupToken);
    const { publicKey } = accountOf(stage.minted, account);
    const lapsed = await mintTurnCredentials(stage.home, GROUP, -10, Date.now());
    const wide = await forgedCreds(stage.home, account, publicKey, "thief", { pub: { allow: [">"] } });
    const foreign = await forgedCreds(stage.home, account, accountOf(stage.minted, CORE_ACCOUNT).publicKey, "router");
    for (const creds of [undefined, lapsed.creds, wide, foreign]) {
      const client = await stage.attempt(creds);
      client.publish("log.in.web.c.m.0", MARK);
      await client.settle();
      assert.ok(client.closed);
    }
    await proof.onlyOwn([], "no credentials");
  });

  it("cuts a sandbox when its turn's credentials expire", async () => {
    const { creds } = await mintTurnCredentials(stage.home, GROUP, 2, Date.now());
    const client = await stage.wire(creds);
    await client.until(() => client.closed);
    assert.match(client.errors.join(), /Expired/);
  });

  it("confines whoever stole an account's key to that account's imports", () =>
    eachOutsider(stage, async ({ who, own, unbound, client }) => {
      for (const subject of [...subjects, ...own.map(concrete)]) client.publish(subject, MARK);
      // Wildcards as literal tokens must not spread.
      for (const subject of ["log.*.web.c.m.0", "log.>", "query.*.status", "live.>", "$JS.API.STREAM.*.LOG"])
        client.publish(subject, MARK);
      await client.settle();
      assert.ok((await proof.onlyOwn(own, who)) > 0, `${who} reaches its own`);
      // And it hears nothing of core but what all channels do.
      const spoken = subjects.filter((subject) => !/^(\$|log\.|live\.(web|other)\.|feed\.|intake\.)/.test(subject));
      for (const subject of [...spoken, "live.telegram.c.t"]) stage.admin.publish(subject, SECRET);
      stage.admin.publish("feed.chats", "for all channels");
      await stage.admin.flush();
      await client.settle();
      if (unbound) assert.ok(client.messages.some(({ payload }) => payload === "for all channels"));
      await proof.seenInCore();
    }));
});

describe("controls: the same attacks without the guards", () => {
  let stage: Stage;
  before(async () => (stage = await openStage()));
  afterEach(() => stage.dismiss());
  after(() => stage.stop());

  it("a declaration that asks for a foreign lane is found, by the table and at the server", async () => {
    const scheduler = stageAccess.find((access) => nameOf(access) === "scheduler");
    assert.ok(scheduler?.type === "core");
    assert.throws(() => assertRightful({ ...scheduler, publish: ["log.turn.>"] }));
    // Minted with more than the declaration that the matrix is compared with.
    await assert.rejects(assertHeld(stage, { ...scheduler, publish: [] }));
  });

  it("open batches hold up others, and a roll-up deletes, on a stream that allows them", async () => {
    const { jsm, onlyOwn } = await startProof(stage.admin);
    const unsafe = { allow_atomic: true, allow_rollup_hdrs: true };
    const { config } = await jsm.streams.update("LOG", unsafe);
    assert.throws(() => checkStream(config), { code: "BROKER_UNSAFE_STREAM" });
    const client = await stage.as("web");
    client.subscribe("_INBOX_web.>");
    for (let index = 0; index < 60; index++)
      client.publish(`log.in.web.c.b${index}.0`, MARK, {
        reply: `_INBOX_web.batch${index}`,
        headers: { "Nats-Batch-Id": `batch-${index}`, "Nats-Batch-Sequence": "1" },
      });
    await client.until(() => client.messages.length === 60);
    const batch = headers();
    for (const [name, value] of [
      ["Id", "core"],
      ["Sequence", "1"],
      ["Commit", "1"],
    ] as const)
      batch.set(`Nats-Batch-${name}`, value);
    await assert.rejects(jetstream(stage.admin).publish("log.process.core", "{}", { headers: batch }));
    await jetstream(stage.admin).publish("log.turn.web.c.t.run.step", "{}");
    await client.request("log.in.web.c.all.0", MARK, "_INBOX_web", { "Nats-Rollup": "all" });
    await assert.rejects(onlyOwn(["log.>"], "roll-up"), /was cut|deleted|lost/);
    await jsm.streams.update("LOG", { allow_rollup_hdrs: false });
  });

  it("replies forge events of others and delete the log, with the same permissions inside one account", async () => {
    const { jsm, onlyOwn } = await startProof(stage.admin);
    const web = declaredChannel("web");
    const { publicKey } = accountOf(stage.minted, CORE_ACCOUNT);
    const claims = jwtPermissions(permissionsOf(web));
    const client = await stage.wire(await forgedCreds(stage.home, CORE_ACCOUNT, publicKey, "web", claims));
    client.publish("log.in.web.c.m.0", MARK, { reply: "log.turn.web.c.t.wake" });
    await client.settle();
    await assert.rejects(onlyOwn(web.services, "forged"), /foreign place/);
    client.publish("$JS.API.DIRECT.GET.LOG.log.in.web.nothing", "", { reply: "$JS.API.STREAM.DELETE.LOG" });
    await client.settle();
    const deadlineMs = performance.now() + 5000;
    while (await jsm.streams.info("LOG").catch(() => undefined))
      assert.ok(performance.now() < deadlineMs, "the log is still there");
  });
});
