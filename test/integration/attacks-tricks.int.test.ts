/** What goes around the matrix: replies, headers, ids, batches, and reading by the body of a request. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection } from "nats";
import { makeEvent } from "../../bus/event.ts";
import { createJetStreamLog } from "../../bus/jetstream-log.ts";
import { lanes } from "../../bus/subjects.ts";
import { concrete, laneOwners } from "../support/attack-matrix.ts";
import { eachOutsider } from "../support/attack-outsiders.ts";
import { MARK, SECRET, startProof, type Proof } from "../support/attack-proof.ts";
import { openStage, type Stage } from "../support/attack-stage.ts";
import type { WireClient } from "../support/attack-wire.ts";

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

/** The web channel's own user, hearing its inbox. */
async function webClient(): Promise<WireClient> {
  const client = await stage.as("web");
  client.subscribe("_INBOX_web.>");
  return client;
}

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

/** Services of core that answer with what they were sent, so that an attacker chooses the answer. */
function echo(nc: NatsConnection): () => void {
  const subscriptions = ["query.>", "ipc.>", "stats.>"].map((subject) =>
    nc.subscribe(subject, { callback: (_error, message) => void (message.reply && message.respond(message.data)) }),
  );
  return () => subscriptions.forEach((subscription) => subscription.unsubscribe());
}

describe("replies to foreign subjects", () => {
  it("stay in the account of who asked", async () => {
    const silence = echo(stage.admin);
    await stage.admin.flush();
    await eachOutsider(stage, async ({ who, own, client }) => {
      for (const service of own)
        for (const reply of evilReplies) {
          client.publish(concrete(service), MARK, { reply });
          // A direct get of nothing answers with an empty body, which is what a deletion asks for.
          if (service.startsWith("$JS.API.DIRECT")) client.publish(concrete(service), "", { reply });
        }
      await client.settle();
      assert.ok((await proof.onlyOwn(own, who)) > 0);
    });
    silence();
  });

  it("of the services themselves reach who asked; the right to answer is no right to speak", async () => {
    const runner = await stage.connect("agent-runner");
    runner.subscribe("query.agent-runner.*", { callback: (_error, message) => void message.respond("answer") });
    await runner.flush();
    const client = await webClient();
    assert.equal((await client.request("query.agent-runner.t9", "{}", "_INBOX_web"))?.payload, "answer");
    await assert.rejects(jetstream(runner).publish("log.in.web.c.m9.0", MARK));
    await proof.onlyOwn(["query.>"], "a service that answers");
  });
});

describe("headers", () => {
  const tricks: Record<string, string>[] = [
    { "Nats-Rollup": "all" },
    { "Nats-Rollup": "sub" },
    { "Nats-TTL": "1s" },
    { "Nats-TTL": "never" },
    { "Nats-Schedule": "@every 1s", "Nats-Schedule-Target": "log.turn.web.c.t.wake" },
    { "Nats-Incr": "1" },
    { "Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1", "Nats-Batch-Commit": "1" },
    { "Nats-Expected-Stream": "OTHER" },
  ];

  it("that roll up, expire, schedule, count or batch are refused and nothing is stored", () =>
    eachOutsider(stage, async ({ who, channel, inbox, client }) => {
      if (channel === undefined) return;
      for (const trick of tricks) {
        const answer = await client.request(`log.in.${channel}.c.trick.0`, MARK, inbox, trick);
        assert.match(answer?.payload ?? "", /"err_code":/, JSON.stringify(trick));
      }
      await proof.onlyOwn([`log.in.${channel}.>`], who, []);
    }));

  it("that trace do not write the server's trace to a foreign subject", () =>
    eachOutsider(stage, async ({ who, channel, client }) => {
      if (channel === undefined) return;
      for (const dest of ["log.turn.web.c.t.wake", "_INBOX_router.trace", "$JS.API.STREAM.DELETE.LOG"])
        client.publish(`log.in.${channel}.c.trace.0`, MARK, { headers: { "Nats-Trace-Dest": dest } });
      await client.settle();
      await proof.onlyOwn([`log.in.${channel}.>`], who);
    }));

  it("with an expected sequence tell whether a whole subject exists, and nothing of one that is not guessed", async () => {
    const client = await webClient();
    const probe = async (subject: string): Promise<string> => {
      const expect = {
        "Nats-Expected-Last-Subject-Sequence": "9999",
        "Nats-Expected-Last-Subject-Sequence-Subject": subject,
      };
      return (await client.request("log.in.web.c.oracle.0", MARK, "_INBOX_web", expect))?.payload ?? "";
    };
    const exists = await probe("log.turn.telegram.c.t.run.step");
    assert.match(exists, /wrong last sequence: [1-9]/, "known and accepted: tokens are HMACs for this reason");
    assert.doesNotMatch(exists, new RegExp(`telegram|${SECRET}`));
    for (const guess of ["log.turn.telegram.c.tt.>", "log.turn.telegram.C.>", "log.turn.telegram.c*.>", "log.turn.t.>"])
      assert.match(await probe(guess), /wrong last sequence: 0"/, guess);
    await proof.onlyOwn(["log.in.web.>"], "the oracle", []);
  });
});

describe("a foreign message id", () => {
  it("never makes an append of core a duplicate", async () => {
    const client = await webClient();
    const log = await createJetStreamLog(await stage.connect("supervisor"), { name: "supervisor" });
    for (let index = 0; index < 30; index++) {
      const data = { process: `p${index}`, pid: 1, version: "0", restarts: 0 };
      const event = makeEvent("ProcessStarted", `known-id-${index}`, { source: "supervisor", nowMs: 0 }, data);
      // Taken just before, by somebody who knows it.
      client.publish(`log.in.web.c.id${index}.0`, MARK, { headers: { "Nats-Msg-Id": event.id } });
      await client.settle();
      const { seq } = await log.append(lanes.process(data.process), 0, event);
      assert.equal((await log.get(seq))?.subject, `log.process.p${index}`);
    }
    await proof.onlyOwn(["log.in.web.>"], "message ids", ["log.in.web.>", "log.process.*"]);
  });

  it("control: swallows an append that carries a message id", async () => {
    const client = await webClient();
    let swallowed = false;
    for (let index = 0; index < 200 && !swallowed; index++) {
      client.publish(`log.in.web.c.ctl${index}.0`, MARK, { headers: { "Nats-Msg-Id": `control-${index}` } });
      await client.settle();
      const ack = await jetstream(stage.admin).publish("log.process.control", "{}", { msgID: `control-${index}` });
      swallowed = ack.duplicate;
    }
    assert.ok(swallowed);
    await proof.onlyOwn(["log.in.web.>"], "control", ["log.in.web.>", "log.process.*"]);
  });
});

describe("open batches", () => {
  it("of a channel are refused one by one and stop nobody", async () => {
    const client = await webClient();
    for (let index = 0; index < 60; index++)
      client.publish(`log.in.web.c.b${index}.0`, MARK, {
        reply: `_INBOX_web.batch${index}`,
        headers: { "Nats-Batch-Id": `batch-${index}`, "Nats-Batch-Sequence": "1" },
      });
    await client.until(() => client.messages.length === 60);
    // 10174: atomic publish is disabled.
    assert.ok(client.messages.every((message) => message.payload.includes("10174")));
    await jetstream(stage.admin).publish("log.process.after-batches", "{}");
    await proof.onlyOwn(["log.in.web.>"], "batches", ["log.process.after-batches"]);
  });
});

describe("reading what is not one's own", () => {
  it("by consumers fails, whatever the body says: nobody outside core makes one", async () => {
    const bodies = [
      { filter_subject: "log.turn.>", ack_policy: "none" },
      { durable_name: "evil", filter_subject: "log.in.telegram.>", ack_policy: "explicit" },
      { name: "evil", filter_subjects: ["log.in.web.>", "log.turn.>"], ack_policy: "none" },
      { deliver_subject: "_INBOX_web.push", filter_subject: "log.>", ack_policy: "none" },
      { deliver_subject: "log.turn.web.c.t.wake", filter_subject: "log.in.web.>", ack_policy: "none" },
      { deliver_subject: "$JS.API.STREAM.DELETE.LOG", filter_subject: "log.>", ack_policy: "none" },
    ].map((config) => JSON.stringify({ stream_name: "LOG", action: "", config }));
    const places = [
      "CONSUMER.CREATE.LOG",
      "CONSUMER.CREATE.LOG.evil",
      "CONSUMER.CREATE.LOG.evil.log.in.web.>",
      "CONSUMER.CREATE.LOG.wake",
      "CONSUMER.DURABLE.CREATE.LOG.evil",
      "DIRECT.GET.LOG.log.in.web.c",
    ];
    await eachOutsider(stage, async ({ who, own, inbox, client }) => {
      for (const place of places)
        for (const body of bodies) client.publish(`$JS.API.${place}`, body, { reply: `${inbox}.made` });
      for (const name of ["wake", "evil"])
        client.publish(`$JS.API.CONSUMER.MSG.NEXT.LOG.${name}`, '{"batch":10}', { reply: `${inbox}.next` });
      await client.settle();
      const answers = client.messages.filter(({ subject }) => subject.startsWith(inbox));
      const made = answers.filter(({ payload }) => /consumer_create/.test(payload) && !/"error"/.test(payload));
      assert.deepEqual(made, [], who);
      await proof.onlyOwn(own, who);
    });
    const consumers = [];
    for await (const consumer of proof.jsm.consumers.list("LOG")) consumers.push(consumer.name);
    assert.deepEqual(consumers, ["wake"]);
  });

  it("by the body of a direct get gives nothing; by its subject, one's own only", async () => {
    const bodies = [
      { seq: 1 },
      { last_by_subj: "log.in.telegram.c.m.0" },
      { seq: 1, next_by_subj: "log.>" },
      { seq: 1, next_by_subj: "log.>", batch: 100 },
      { multi_last: ["log.>"], batch: 100 },
      { multi_last: ["log.in.telegram.>"], up_to_seq: 100 },
    ].map((body) => JSON.stringify(body));
    const places = ["", ".log.in.web.c.m.0", ".log.in.other.c.m.0", ".log.in.telegram.c.m.0", ".log.>", ".>"];
    const foreign = ["log.in.telegram.c.m.0", "log.in.telegram.>", "log.*.*.c.m.0", "log.>", "log.turn.>", ">"];
    await eachOutsider(stage, async ({ who, own, inbox, client }) => {
      for (const place of places)
        for (const body of bodies) client.publish(`$JS.API.DIRECT.GET.LOG${place}`, body, { reply: `${inbox}.got` });
      for (const subject of foreign) client.publish(`$JS.API.DIRECT.GET.LOG.${subject}`, "", { reply: `${inbox}.got` });
      await client.settle();
      await stage.admin.flush();
      await client.settle();
      assert.deepEqual(
        client.messages.filter((message) => message.headers.includes("Nats-Sequence")),
        [],
        who,
      );
      await proof.onlyOwn(own, who);
    });
    const client = await webClient();
    await client.request("log.in.web.own.m.0", "mine", "_INBOX_web");
    const mine = await client.request("$JS.API.DIRECT.GET.LOG.log.in.web.own.m.0", "", "_INBOX_web");
    assert.equal(mine?.payload, "mine");
    await proof.onlyOwn(["log.in.web.>"], "web");
  });
});
