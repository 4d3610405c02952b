// Two runners and two routers on one log: the fences decide, and they are seen to.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { keyPaths } from "../../bus/accounts/key-files.ts";
import { hasCode } from "../../bus/errors.ts";
import { makeEvent } from "../../bus/event.ts";
import { filters, lanes } from "../../bus/subjects.ts";
import { readRunFile } from "../../ops/supervisor/run-files.ts";
import { startSystem, until, type System } from "../support/system.ts";
import { turnKeyOf } from "./dead-runner.ts";
import { answerTo, assertOrder, isEnd } from "./one-answer.ts";
import { rowOf } from "./processes.ts";
import { has, openSpy, type Spy } from "./spy.ts";
import { startToldModel, wordsOf, type ToldModel } from "./told-model.ts";

const DIST = join(fileURLToPath(import.meta.url), "..", "..", "..", "dist");
const WORDS = 6;

let home: string;
let system: System;
let model: ToldModel;
let spy: Spy;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "taffrail-runners-"));
  await writeFile(join(home, "taffrail.yaml"), "agent:\n  runners: 2\n");
  model = await startToldModel();
  system = await startSystem({
    home,
    model: "openai:told",
    env: { TAFFRAIL_MODEL_BASE_URL: model.baseUrl },
  });
  spy = await openSpy(home);
});

after(async () => {
  await spy.close();
  await system.stop();
  await model.close();
  await rm(home, { recursive: true, force: true });
});

async function send(chat: string, text: string, mode?: "steer" | "queue"): Promise<string> {
  const id = randomUUID();
  const { status, body } = await system.api("POST", `/api/chats/${chat}/messages`, {
    id,
    text,
    ...(mode === undefined ? {} : { mode }),
  });
  assert.equal(status, 202, JSON.stringify(body));
  return id;
}

/** Appends of this kind that were sent, taken or not. */
function sent(type: string, wanted: object): number {
  return spy.attempts.filter((attempt) => attempt.type === type && has(attempt.data, wanted)).length;
}

async function streaming(tag: string): Promise<void> {
  await until(`${tag} to stream`, () =>
    Promise.resolve(
      spy.attempts.some(({ subject, data }) => subject.startsWith("live.") && String(data["text"]).includes(tag)),
    ),
  );
}

test("a runner frozen past its lease loses the turn, and what it says when it wakes up is refused", async () => {
  const [chat, tag] = ["frozen", "frozen"];
  model.hold(tag, 2);
  const message = await send(chat, `say ${tag} ${WORDS}`);
  const first = await spy.event("TurnClaimed", { chat, epoch: 1 });
  await streaming(tag);
  const [name = ""] = first.data.runner.split("/");
  const { pid } = await rowOf(home, name);
  process.kill(pid, "SIGSTOP");
  try {
    const second = await spy.event("TurnClaimed", { chat, epoch: 2 });
    assert.notEqual(second.data.runner.split("/")[0], name, "the other one took it");
    model.release(tag);
    await spy.event("TurnCompleted", { chat, epoch: 2 });
  } finally {
    process.kill(pid, "SIGCONT");
  }
  // It finishes its own stream and says so: the append is sent, and the log does not have it.
  await until("the frozen runner to speak", () => Promise.resolve(sent("TurnCompleted", { chat, epoch: 1 }) > 0));
  // Sent through the same door afterwards, so the refusal is behind us once this is answered.
  await send("afterfrozen", `say after ${WORDS}`);
  await spy.event("TurnCompleted", { chat: "afterfrozen" });
  const events = await spy.events();
  assertOrder(events);
  assert.equal(answerTo(events, chat, message), wordsOf(tag, WORDS));
  assert.equal(model.asked(tag), 2);
  assert.equal((await rowOf(home, name)).pid, pid, "it was not restarted");
});

test("control: without its fence the log would take the frozen runner's word", async () => {
  const done = await spy.event("TurnCompleted", { chat: "frozen" });
  const key = turnKeyOf(done);
  const late = makeEvent(
    "TurnCompleted",
    "late",
    { source: "agent-runner", nowMs: Date.now() },
    { ...done.data, epoch: 1 },
  );
  const claimSeq = (await spy.event("TurnClaimed", { chat: "frozen", epoch: 1 })).seq;
  await assert.rejects(spy.log.append(lanes.end(key, "web"), claimSeq, late), (error) =>
    hasCode(error, "BUS_APPEND_CONFLICT"),
  );
  const turn = { filter: filters.turn(key), fromSeq: 1, limit: 100 };
  const stored = (await spy.log.fetch(turn)).length;
  // A lane whose fence guards nothing: an entity that does not exist.
  const unfenced = { subject: done.subject, fence: "log.turn.web.nobody.nothing.>" };
  await spy.log.append(unfenced, 0, late);
  assert.equal((await spy.log.fetch(turn)).length, stored + 1, "the log took it");
  assert.throws(() => assertOrder([done, { ...done, data: { ...done.data, epoch: 1 } }]));
});

test("a steer in the middle of a step does not fence out the runner", async () => {
  const [chat, tag] = ["steered", "steered"];
  model.hold(tag, 2);
  const first = await send(chat, `say ${tag} ${WORDS}`);
  await streaming(tag);
  const claim = await spy.event("TurnClaimed", { chat });
  const second = await send(chat, `say joined ${WORDS}`);
  const steered = await spy.event("Steered", { chat });

  // The control: with a fence over the whole turn the step would now be refused, though nobody took the turn.
  const key = turnKeyOf(claim);
  const step = makeEvent(
    "ToolCompleted",
    "control",
    { source: "agent-runner", nowMs: Date.now() },
    {
      channel: "web",
      chat,
      turn: claim.data.turn,
      epoch: 1,
      step: 0,
      callId: "x",
      name: "echo",
      outcome: "ok",
      result: "",
      durationMs: 0,
    },
  );
  const wide = { subject: lanes.step(key).subject, fence: filters.turn(key) };
  await assert.rejects(spy.log.append(wide, claim.seq, step), (error) => hasCode(error, "BUS_APPEND_CONFLICT"));
  assert.ok(steered.seq > claim.seq);

  model.release(tag);
  const done = await spy.event("TurnCompleted", { chat });
  assert.deepEqual(done.data.answers, [first, second]);
  assert.equal(done.data.text, wordsOf("joined", WORDS));
  const own = (await spy.events()).filter(
    (event) => event.data !== undefined && has(event.data, { turn: claim.data.turn }),
  );
  assert.equal(own.filter((event) => event.type === "TurnClaimed").length, 1, "one epoch");
  const kept = own.find((event) => event.type === "ModelStepCompleted");
  assert.equal(
    kept?.type === "ModelStepCompleted" ? kept.data.text : "",
    wordsOf(tag, WORDS),
    "what it had said stays",
  );
  assert.equal(model.asked(tag), 1);
});

/** A router beside the supervised one: the same credentials, a memory of its own. */
async function secondRouter(): Promise<{ child: ChildProcess; stop(): Promise<void> }> {
  const other = await mkdtemp(join(tmpdir(), "taffrail-router-"));
  await mkdir(join(other, "keys"));
  await copyFile(keyPaths(home).installKey, keyPaths(other).installKey);
  const run = readRunFile(home);
  assert.ok(run);
  const child = spawn("setpriv", ["--pdeathsig", "KILL", process.execPath, join(DIST, "router.js")], {
    env: {
      PATH: process.env["PATH"],
      TAFFRAIL_PROCESS: "router",
      TAFFRAIL_BUS: run.bus,
      TAFFRAIL_CREDS: keyPaths(home).creds("router"),
      TAFFRAIL_HOME: other,
      TAFFRAIL_HOST: run.host,
      TAFFRAIL_SETTINGS: JSON.stringify({ queueMode: "steer", configuredModel: "openai:told" }),
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout?.on("data", (data: Buffer) => (printed += data.toString()));
  await until("the second router", () => Promise.resolve(printed.includes('"ready"')));
  return {
    child,
    async stop() {
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
      await rm(other, { recursive: true, force: true });
    },
  };
}

test("two routers at once open one turn per message", async (t) => {
  const router = await secondRouter();
  try {
    const chats = Array.from({ length: 50 }, (_, index) => `two${index}`);
    const from = spy.attempts.length;
    const ids = await Promise.all(chats.map((chat) => send(chat, `say ${chat} 2`)));
    // Beside them one chat where ten messages meet a running turn: joined or queued, each is answered once.
    const burst: string[] = [];
    for (let index = 0; index < 10; index++)
      burst.push(await send("burst", `say burst${index} 2`, index % 2 ? "queue" : "steer"));
    for (const chat of chats) await spy.event("TurnCompleted", { chat });
    await until("the burst", async () => {
      const ends = (await spy.events()).filter(
        (event) => event.type === "TurnCompleted" && event.data.chat === "burst",
      );
      const answered = ends.flatMap((event) => (isEnd(event) ? event.data.answers : []));
      return burst.every((id) => answered.includes(id));
    });
    const events = await spy.events();
    for (const [index, chat] of chats.entries()) {
      answerTo(events, chat, ids[index] ?? "");
      const requests = events.filter((event) => event.type === "TurnRequested" && event.data.chat === chat);
      assert.equal(requests.length, 1, `${chat} has one turn`);
    }
    for (const id of burst) answerTo(events, "burst", id);
    const asked = spy.attempts.slice(from).filter((attempt) => attempt.type === "TurnRequested").length;
    const stood = events.filter(
      (event) => event.type === "TurnRequested" && /^(two\d+|burst)$/.test(event.data.chat),
    ).length;
    t.diagnostic(`${asked} turns were asked for by the two, ${stood} stand in the log`);
    assert.ok(asked > stood, "both routers decided; the fence refused the later one");
    assert.equal(router.child.exitCode, null, "a refusal breaks no router");
  } finally {
    await router.stop();
  }
});
