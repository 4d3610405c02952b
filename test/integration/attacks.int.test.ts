/**
 * Every credential tries every subject it must not reach, on a real broker. The matrix is made from the declarations.
 * "Unbound" attackers hold the stolen signing key of a whole account: only the account's imports stop them.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { jetstream } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "nats";
import type { Access, ChannelAccess } from "../../bus/accounts/access.ts";
import { CORE_ACCOUNT, channelAccountName, groupAccountName, mintTurnCredentials } from "../../bus/accounts/minting.ts";
import { permissionsOf, jwtPermissions } from "../../bus/accounts/permissions.ts";
import { createJetStreamLog } from "../../bus/jetstream-log.ts";
import { makeEvent } from "../../bus/event.ts";
import { lanes } from "../../bus/subjects.ts";
import { declarations } from "../../ops/nats/declarations.ts";
import {
  allSubjects,
  concrete,
  forbiddenToAll,
  laneOwners,
  nameOf,
  rightsOf,
  wideSubscriptions,
} from "../support/attack-matrix.ts";
import { MARK, SECRET, startProof, type Proof } from "../support/attack-proof.ts";
import {
  accountOf,
  forgedCreds,
  GROUP,
  openStage,
  otherChannel,
  stageAccess,
  type Stage,
} from "../support/attack-stage.ts";
import type { WireClient } from "../support/attack-wire.ts";

const subjects = allSubjects(stageAccess);
const declaredWeb = declarations.find((access) => nameOf(access) === "web");
assert.ok(declaredWeb?.type === "channel");
const web: ChannelAccess = declaredWeb;

let stage: Stage;
let proof: Proof;
before(async () => {
  stage = await openStage();
  await jetstream(stage.admin).publish("log.in.telegram.c.m.0", SECRET);
  await jetstream(stage.admin).publish("log.turn.telegram.c.t.run.step", SECRET);
  proof = await startProof(stage.admin);
});
afterEach(() => stage.dismiss());
after(() => stage.stop());

/** A user with all rights inside an account that is not its own. */
async function unbound(account: string): Promise<WireClient> {
  const key = accountOf(stage.minted, account).publicKey;
  const client = await stage.wire(await forgedCreds(stage.home, account, key, "thief"));
  client.subscribe(">");
  await client.settle();
  return client;
}

interface Attacker {
  readonly name: string;
  /** Core subjects it may rightly reach. */
  readonly own: readonly string[];
  readonly inbox: string;
  open(): Promise<WireClient>;
}

/** Everybody outside core: as declared, and with the account's key stolen. */
function outsiders(): Attacker[] {
  const channels = [web, otherChannel].flatMap((access): Attacker[] => [
    {
      name: access.channel,
      own: access.services,
      inbox: `_INBOX_${access.channel}`,
      async open() {
        const client = await stage.as(access.channel);
        client.subscribe(`_INBOX_${access.channel}.>`);
        return client;
      },
    },
    {
      name: `the account of ${access.channel}`,
      own: access.services,
      inbox: "_INBOX_thief",
      open: () => unbound(channelAccountName(access.channel)),
    },
  ]);
  let user = "";
  const sandbox: Attacker = {
    name: "a sandbox",
    own: [`ipc.${stage.groupToken}.>`],
    get inbox() {
      return `_INBOX_${user}`;
    },
    async open() {
      const turn = await mintTurnCredentials(stage.home, GROUP, 600, Date.now());
      user = turn.user;
      const client = await stage.wire(turn.creds);
      client.subscribe(`_INBOX_${user}.>`);
      return client;
    },
  };
  return [...channels, sandbox];
}

function assertReadNothing(client: WireClient, who: string): void {
  const leaked = client.messages.filter((message) => message.payload.includes(SECRET));
  assert.deepEqual(leaked, [], `${who} read what is not its own`);
}

describe("every credential against every subject", () => {
  it("declares no right that DESIGN gives to another", () => {
    for (const access of stageAccess) {
      const rights = rightsOf(access);
      const name = nameOf(access);
      for (const subject of forbiddenToAll) assert.equal(rights.publish(subject), false, `${name} may ${subject}`);
      for (const { subject, owners } of laneOwners)
        assert.equal(rights.publish(subject), owners.includes(name), `${name} on ${subject}`);
      for (const subject of ["$JS.API.CONSUMER.MSG.NEXT.LOG.wake", "$JS.ACK.LOG.wake.1.1.1.1.1"])
        assert.equal(rights.publish(subject), name === "agent-runner", `${name} on ${subject}`);
    }
  });

  for (const access of stageAccess) {
    const name = nameOf(access);
    it(`refuses ${name} all that it did not declare`, async () => {
      const client = await stage.as(name);
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
      await proof.onlyOwn([], name);
      client.close();
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
    await proof.onlyOwn([`ipc.${stage.groupToken}.>`], "a sandbox");
  });

  it("lets no connection in without credentials, with expired ones, or with ones the sandbox key made too wide", async () => {
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
    assert.equal(client.closed, false);
    await client.until(() => client.closed);
    assert.match(client.errors.join(), /Expired/);
  });

  it("confines whoever stole an account's key to that account's imports", async () => {
    for (const { name, own, open } of outsiders()) {
      const client = await open();
      for (const subject of [...subjects, ...own.map(concrete)]) client.publish(subject, MARK);
      // Literal wildcards must not spread.
      for (const subject of ["log.*.web.c.m.0", "log.>", "query.*.status", "live.>", "$JS.API.STREAM.*.LOG"])
        client.publish(subject, MARK);
      await client.settle();
      assert.equal(client.closed, false);
      const arrived = await proof.onlyOwn(own, name);
      assert.ok(arrived > 0, `${name} reaches its own`);
      // And it hears nothing of the others.
      const streams = name.includes("other") ? otherChannel.streams : name.includes("web") ? web.streams : [];
      for (const subject of subjects.filter(
        (subject) => !streams.some((own) => own.startsWith(subject.split(".")[0]!)),
      ))
        if (!subject.startsWith("$") && !subject.startsWith("log.")) stage.admin.publish(subject, SECRET);
      stage.admin.publish("live.telegram.c.t", SECRET);
      stage.admin.publish("feed.chats", "for all channels");
      await stage.admin.flush();
      await client.settle();
      assertReadNothing(client, name);
      if (name.includes("account")) assert.ok(client.messages.some(({ payload }) => payload === "for all channels"));
      client.close();
    }
    await proof.seenInCore();
  });
});

const evilReplies = [
  "$JS.API.STREAM.DELETE.LOG",
  "$JS.API.STREAM.PURGE.LOG",
  "$JS.API.STREAM.MSG.DELETE.LOG",
  "$JS.API.CONSUMER.DELETE.LOG.wake",
  "$JS.API.CONSUMER.CREATE.LOG",
  "$JS.ACK.LOG.wake.1.1.1.1.1",
  "$SYS.REQ.CLAIMS.UPDATE",
  "_INBOX_router.t1",
  "_INBOX_admin.t1",
  "stats.t1.router",
  "feed.chats",
  "intake.pause",
  ...laneOwners.map((lane) => lane.subject),
];

/** All services of core that answer with what they were sent, so that an attacker chooses the payload. */
function echo(nc: NatsConnection): () => void {
  const subscriptions = ["query.>", "ipc.>", "stats.>"].map((subject) =>
    nc.subscribe(subject, { callback: (_error, message) => void (message.reply && message.respond(message.data)) }),
  );
  return () => subscriptions.forEach((subscription) => subscription.unsubscribe());
}

/** Each own subject with each foreign one as its reply; a direct get of nothing answers with an empty body. */
async function tryReplies(client: WireClient, services: readonly string[]): Promise<void> {
  for (const service of services)
    for (const reply of evilReplies) {
      client.publish(concrete(service), MARK, { reply });
      if (service.startsWith("$JS.API.DIRECT")) client.publish(concrete(service), "", { reply });
    }
  await client.settle();
}

describe("replies to foreign subjects", () => {
  it("stay in the account of who asked", async () => {
    const silence = echo(stage.admin);
    await stage.admin.flush();
    for (const { name, own, open } of outsiders()) {
      const client = await open();
      await tryReplies(client, own);
      assert.equal(client.closed, false);
      assert.ok((await proof.onlyOwn(own, name)) > 0);
      assertReadNothing(client, name);
      client.close();
    }
    silence();
  });

  it("answers of the services themselves reach who asked and nobody else", async () => {
    const runner = await stage.connect("agent-runner");
    runner.subscribe("query.agent-runner.*", { callback: (_error, message) => void message.respond("answer") });
    await runner.flush();
    const client = await stage.as("web");
    client.subscribe("_INBOX_web.>");
    assert.equal((await client.request("query.agent-runner.t9", "{}", "_INBOX_web"))?.payload, "answer");
    // The right to answer is no right to speak.
    await assert.rejects(jetstream(runner).publish("log.in.web.c.m9.0", MARK));
    await proof.onlyOwn(["query.>"], "a service that answers");
  });
});

describe("headers and message ids", () => {
  const headerTricks: Record<string, string>[] = [
    { "Nats-Rollup": "all" },
    { "Nats-Rollup": "sub" },
    { "Nats-TTL": "1s" },
    { "Nats-TTL": "never" },
    { "Nats-Schedule": "@every 1s", "Nats-Schedule-Target": "log.turn.web.c.t.wake" },
    { "Nats-Incr": "1" },
    { "Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1", "Nats-Batch-Commit": "1" },
    { "Nats-Expected-Stream": "OTHER" },
  ];

  it("that expire, schedule, roll up, count or batch are refused and nothing is stored", async () => {
    for (const { name, open, inbox } of outsiders().filter(({ name }) => /web|other/.test(name))) {
      const client = await open();
      const channel = name.includes("web") ? "web" : "other";
      for (const trick of headerTricks) {
        const answer = await client.request(`log.in.${channel}.c.trick.0`, MARK, inbox, trick);
        assert.match(answer?.payload ?? "", /"err_code":/, JSON.stringify(trick));
      }
      client.publish(`log.in.${channel}.c.trick.1`, MARK, {
        headers: { "Nats-Trace-Dest": "log.turn.web.c.t.wake", traceparent: "x" },
      });
      await client.settle();
      await proof.onlyOwn([`log.in.${channel}.>`], name, [`log.in.${channel}.c.trick.1`]);
      client.close();
    }
  });

  it("a foreign message id never makes an append of core a duplicate", async () => {
    const client = await stage.as("web");
    const log = await createJetStreamLog(await stage.connect("supervisor"), { name: "supervisor" });
    for (let index = 0; index < 30; index++) {
      const data = { process: `p${index}`, pid: 1, version: "0", restarts: 0 };
      const event = makeEvent("ProcessStarted", `known-id-${index}`, { source: "supervisor", nowMs: 0 }, data);
      // Inside any window: the id is taken just before, by somebody who knows it.
      client.publish(`log.in.web.c.id${index}.0`, MARK, { headers: { "Nats-Msg-Id": event.id } });
      await client.settle();
      const { seq } = await log.append(lanes.process(data.process), 0, event);
      assert.equal((await log.get(seq))?.subject, `log.process.p${index}`);
    }
    await proof.onlyOwn(["log.in.web.>", "log.process.*"], "message ids");
  });

  it("control: an append that carries a message id is swallowed as a duplicate of a channel's", async () => {
    const client = await stage.as("web");
    let swallowed = false;
    for (let index = 0; index < 200 && !swallowed; index++) {
      client.publish(`log.in.web.c.ctl${index}.0`, MARK, { headers: { "Nats-Msg-Id": `control-${index}` } });
      await client.settle();
      const ack = await jetstream(stage.admin).publish("log.process.control", MARK, { msgID: `control-${index}` });
      swallowed = ack.duplicate;
    }
    assert.ok(swallowed);
    await proof.onlyOwn(["log.in.web.>", "log.process.*"], "control");
  });

  it("an expected sequence tells whether a whole subject exists, and no token of one that is not guessed", async () => {
    const client = await stage.as("web");
    client.subscribe("_INBOX_web.>");
    const probe = async (subject: string): Promise<string> => {
      const expect = {
        "Nats-Expected-Last-Subject-Sequence": "9999",
        "Nats-Expected-Last-Subject-Sequence-Subject": subject,
      };
      return (await client.request("log.in.web.c.oracle.0", MARK, "_INBOX_web", expect))?.payload ?? "";
    };
    const exists = await probe("log.turn.telegram.c.t.run.step");
    assert.match(exists, /wrong last sequence: [1-9]/, "known and accepted: tokens are HMACs for this reason");
    for (const guess of ["log.turn.telegram.c.tt.>", "log.turn.telegram.C.>", "log.turn.telegram.c*.>", "log.turn.t.>"])
      assert.match(await probe(guess), /wrong last sequence: 0"/, guess);
    assertReadNothing(client, "the oracle");
    assert.doesNotMatch(exists, /telegram/);
    await proof.onlyOwn(["log.in.web.>"], "the oracle", []);
  });
});

describe("open batches", () => {
  it("of a channel are refused one by one and stop nobody", async () => {
    const client = await stage.as("web");
    client.subscribe("_INBOX_web.>");
    for (let index = 0; index < 60; index++)
      client.publish(`log.in.web.c.b${index}.0`, MARK, {
        reply: `_INBOX_web.batch${index}`,
        headers: { "Nats-Batch-Id": `batch-${index}`, "Nats-Batch-Sequence": "1" },
      });
    await client.until(() => client.messages.length === 60);
    assert.ok(client.messages.every((message) => message.payload.includes("10174")));
    await jetstream(stage.admin).publish("log.process.after-batches", "{}");
    await proof.onlyOwn(["log.in.web.>"], "batches", ["log.process.after-batches"]);
  });
});

describe("reading what is not one's own", () => {
  it("consumers, whatever their body says, are made by nobody outside core", async () => {
    const bodies = [
      { config: { filter_subject: "log.turn.>", ack_policy: "none" } },
      { config: { durable_name: "evil", filter_subject: "log.in.telegram.>", ack_policy: "explicit" } },
      { config: { name: "evil", filter_subjects: ["log.in.web.>", "log.turn.>"], ack_policy: "none" } },
      { config: { deliver_subject: "_INBOX_web.push", filter_subject: "log.>", ack_policy: "none" } },
      { config: { deliver_subject: "log.turn.web.c.t.wake", filter_subject: "log.in.web.>", ack_policy: "none" } },
      { config: { deliver_subject: "$JS.API.STREAM.DELETE.LOG", filter_subject: "log.>", ack_policy: "none" } },
    ].map((body) => JSON.stringify({ stream_name: "LOG", action: "", ...body }));
    const places = [
      "$JS.API.CONSUMER.CREATE.LOG",
      "$JS.API.CONSUMER.CREATE.LOG.evil",
      "$JS.API.CONSUMER.CREATE.LOG.evil.log.in.web.>",
      "$JS.API.CONSUMER.CREATE.LOG.wake",
      "$JS.API.CONSUMER.DURABLE.CREATE.LOG.evil",
      "$JS.API.DIRECT.GET.LOG.log.in.web.c",
    ];
    for (const { name, own, inbox, open } of outsiders()) {
      const client = await open();
      for (const place of places) for (const body of bodies) client.publish(place, body, { reply: `${inbox}.made` });
      client.publish("$JS.API.CONSUMER.MSG.NEXT.LOG.wake", '{"batch":10}', { reply: `${inbox}.next` });
      client.publish("$JS.API.CONSUMER.MSG.NEXT.LOG.evil", '{"batch":10}', { reply: `${inbox}.next` });
      await client.settle();
      await stage.admin.flush();
      await client.settle();
      const made = client.messages.filter(
        ({ payload }) => payload.includes("consumer_create") && !payload.includes("error"),
      );
      assert.deepEqual(made, [], name);
      assertReadNothing(client, name);
      await proof.onlyOwn(own, name);
      client.close();
    }
    const consumers = [];
    for await (const consumer of proof.jsm.consumers.list("LOG")) consumers.push(consumer.name);
    assert.deepEqual(consumers, ["wake"]);
  });

  it("direct gets by body give nothing; by subject, one's own only", async () => {
    const bodies = [
      { seq: 1 },
      { last_by_subj: "log.in.telegram.c.m.0" },
      { seq: 1, next_by_subj: "log.>" },
      { seq: 1, next_by_subj: "log.>", batch: 100 },
      { multi_last: ["log.>"], batch: 100 },
      { multi_last: ["log.in.telegram.>"], up_to_seq: 100 },
    ].map((body) => JSON.stringify(body));
    for (const { name, own, inbox, open } of outsiders()) {
      const client = await open();
      for (const body of bodies)
        for (const place of ["", ".log.in.web.c.m.0", ".log.in.other.c.m.0", ".log.in.telegram.c.m.0", ".log.>", ".>"])
          client.publish(`$JS.API.DIRECT.GET.LOG${place}`, body, { reply: `${inbox}.got` });
      for (const subject of ["log.in.telegram.c.m.0", "log.in.telegram.>", "log.*.*.c.m.0", "log.>", "log.turn.>"])
        client.publish(`$JS.API.DIRECT.GET.LOG.${subject}`, "", { reply: `${inbox}.got` });
      await client.settle();
      await stage.admin.flush();
      await client.settle();
      assertReadNothing(client, name);
      const given = client.messages.filter(({ headers: block }) => block.includes("Nats-Sequence"));
      assert.deepEqual(given, [], name);
      await proof.onlyOwn(own, name);
      client.close();
    }
    const client = await stage.as("web");
    client.subscribe("_INBOX_web.>");
    await client.request("log.in.web.own.m.0", "mine", "_INBOX_web");
    const mine = await client.request("$JS.API.DIRECT.GET.LOG.log.in.web.own.m.0", "", "_INBOX_web");
    assert.equal(mine?.payload, "mine");
    await proof.onlyOwn(["log.in.web.>", ...web.services], "web");
  });
});

describe("controls: the same attacks without the guards", () => {
  /** The channel's exact permissions, but in the account of core: what permissions alone are worth. */
  async function insideCore(access: Access): Promise<WireClient> {
    const { publicKey } = accountOf(controlStage.minted, CORE_ACCOUNT);
    const claims = jwtPermissions(permissionsOf(access));
    return controlStage.wire(await forgedCreds(controlStage.home, CORE_ACCOUNT, publicKey, "web", claims));
  }
  let controlStage: Stage;
  let controlProof: Proof;
  before(async () => {
    controlStage = await openStage();
    controlProof = await startProof(controlStage.admin);
  });
  after(() => controlStage.stop());

  it("open batches, roll-ups and expiry work on a stream that allows them", async () => {
    const unsafe = { allow_atomic: true, allow_rollup_hdrs: true, allow_msg_ttl: true };
    await controlProof.jsm.streams.update("LOG", unsafe);
    const client = await controlStage.as("web");
    client.subscribe("_INBOX_web.>");
    for (let index = 0; index < 60; index++)
      client.publish(`log.in.web.c.b${index}.0`, MARK, {
        reply: `_INBOX_web.batch${index}`,
        headers: { "Nats-Batch-Id": `batch-${index}`, "Nats-Batch-Sequence": "1" },
      });
    await client.until(() => client.messages.length === 60);
    const batch = headers();
    batch.set("Nats-Batch-Id", "core");
    batch.set("Nats-Batch-Sequence", "1");
    batch.set("Nats-Batch-Commit", "1");
    await assert.rejects(jetstream(controlStage.admin).publish("log.process.core", "{}", { headers: batch }));
    await jetstream(controlStage.admin).publish("log.turn.web.c.t.run.step", "{}");
    await client.request("log.in.web.c.all.0", MARK, "_INBOX_web", { "Nats-Rollup": "all" });
    await assert.rejects(controlProof.onlyOwn(["log.>"], "roll-up"));
    await controlProof.jsm.streams.update("LOG", { allow_rollup_hdrs: false });
  });

  it("replies forge events of others and delete the log inside one account", async () => {
    const probe = await startProof(controlStage.admin);
    const client = await insideCore(web);
    client.publish("log.in.web.c.m.0", MARK, { reply: "log.turn.web.c.t.wake" });
    await client.settle();
    await assert.rejects(probe.onlyOwn(web.services, "forged"), /foreign place/);
    client.publish("$JS.API.DIRECT.GET.LOG.log.in.web.nothing", "", { reply: "$JS.API.STREAM.DELETE.LOG" });
    await client.settle();
    const gone = async (): Promise<boolean> =>
      controlProof.jsm.streams.info("LOG").then(
        () => false,
        () => true,
      );
    const deadlineMs = performance.now() + 5000;
    while (!(await gone())) assert.ok(performance.now() < deadlineMs, "the log is still there");
  });
});
