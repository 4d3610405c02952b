// The model fails in every way through the real system: bounded retries as events, then words a person can read; the chat goes on.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { NatsConnection } from "nats";
import { headers } from "nats";
import { keyPaths } from "../../bus/accounts/key-files.ts";
import { connectBus } from "../../bus/connect.ts";
import type { StoredEvent } from "../../bus/event.ts";
import { readRunFile } from "../../ops/supervisor/run-files.ts";
import type { TurnView } from "../../schemas/views.ts";
import { answerTo, assertOrder, endOf } from "../faults/one-answer.ts";
import { rowOf } from "../faults/processes.ts";
import { openSpy, type Spy } from "../faults/spy.ts";
import { startToldModel, wordsOf, type ToldModel, type Trouble } from "../faults/told-model.ts";
import { startSystem, until, type System } from "../support/system.ts";

const WORDS = 6;
/** The runner's bound of attempts at one step. */
const ATTEMPTS = 4;

let home: string;
let system: System;
let model: ToldModel;
let spy: Spy;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "taffrail-failures-"));
  model = await startToldModel();
  system = await startSystem({ home, model: "openai:told", env: { TAFFRAIL_MODEL_BASE_URL: model.baseUrl } });
  spy = await openSpy(home);
});

after(async () => {
  await spy.close();
  await system.stop();
  await model.close();
  await rm(home, { recursive: true, force: true });
});

async function send(chat: string, tag: string): Promise<string> {
  const id = randomUUID();
  const { status } = await system.api("POST", `/api/chats/${chat}/messages`, { id, text: `say ${tag} ${WORDS}` });
  assert.equal(status, 202);
  return id;
}

async function failuresIn(chat: string): Promise<StoredEvent<"ModelStepFailed">[]> {
  const events = await spy.events();
  return events.filter((event) => event.type === "ModelStepFailed").filter(({ data }) => data.chat === chat);
}

/** The turn of a message as the chat shows it. */
async function shownIn(chat: string, turn: string): Promise<TurnView> {
  return until(`the turn in ${chat}`, async () => {
    const { body } = await system.api("GET", `/api/chats/${chat}/items`);
    const items = body["items"] as TurnView[];
    return items.find((item) => item.kind === "turn" && item.turn === turn && item.endedAt !== undefined);
  });
}

async function assertGoesOn(chat: string): Promise<void> {
  const id = await send(chat, `${chat}next`);
  await spy.event("TurnCompleted", { chat });
  await until(`${chat} to go on`, async () => answerTo(await spy.events(), chat, id) === wordsOf(`${chat}next`, WORDS));
}

interface Case {
  readonly chat: string;
  readonly trouble: Trouble;
  readonly times: number;
  readonly code: string;
  /** What the person reads. */
  readonly words: RegExp;
  readonly attempts: number;
}

const status = (code: number, more: Record<string, string> = {}): Trouble => ({
  kind: "status",
  status: code,
  headers: more,
});

const FATAL: Case[] = [
  {
    chat: "e500",
    trouble: status(500),
    times: 9,
    code: "MODEL_SERVER_ERROR",
    words: /failed \(500\)/,
    attempts: ATTEMPTS,
  },
  {
    chat: "garbage",
    trouble: { kind: "garbage" },
    times: 9,
    code: "MODEL_BAD_RESPONSE",
    words: /answer|address/i,
    attempts: ATTEMPTS,
  },
  {
    chat: "broken",
    trouble: { kind: "broken" },
    times: 9,
    code: "MODEL_BROKEN_OFF",
    words: /broke/i,
    attempts: ATTEMPTS,
  },
  { chat: "e401", trouble: status(401), times: 9, code: "MODEL_AUTH", words: /API key \(401\)/, attempts: 1 },
  {
    chat: "e400",
    trouble: status(400),
    times: 9,
    code: "MODEL_BAD_REQUEST",
    words: /refused the request \(400\)/,
    attempts: 1,
  },
];

const PASSING: Case[] = [
  { chat: "once500", trouble: status(500), times: 1, code: "MODEL_SERVER_ERROR", words: /500/, attempts: 1 },
  { chat: "oncegarbage", trouble: { kind: "garbage" }, times: 1, code: "MODEL_BAD_RESPONSE", words: /./, attempts: 1 },
  { chat: "oncebroken", trouble: { kind: "broken" }, times: 2, code: "MODEL_BROKEN_OFF", words: /./, attempts: 2 },
  {
    chat: "once429",
    trouble: status(429, { "retry-after": "1" }),
    times: 1,
    code: "MODEL_RATE_LIMITED",
    words: /429/,
    attempts: 1,
  },
];

async function assertFatal({ chat, trouble, times, code, words, attempts }: Case): Promise<void> {
  model.trouble(chat, ...Array.from({ length: times }, () => trouble));
  const id = await send(chat, chat);
  const failed = await spy.event("TurnFailed", { chat });
  assert.deepEqual(failed.data.code, code);
  assert.match(failed.data.text, words);
  const failures = await failuresIn(chat);
  assert.deepEqual(
    failures.map(({ data }) => [data.attempt, data.code]),
    Array.from({ length: attempts }, (_, index) => [index + 1, code]),
  );
  assert.equal(model.asked(chat), attempts, "not asked once more than the events say");
  assert.equal(endOf(await spy.events(), chat, id).type, "TurnFailed");
  const shown = await shownIn(chat, failed.data.turn);
  assert.deepEqual([shown.state, shown.text, shown.code], ["failed", failed.data.text, code]);
  await assertGoesOn(chat);
}

async function assertPassing({ chat, trouble, times, code, attempts }: Case): Promise<void> {
  model.trouble(chat, ...Array.from({ length: times }, () => trouble));
  const id = await send(chat, chat);
  await spy.event("TurnCompleted", { chat });
  const failures = await failuresIn(chat);
  assert.deepEqual(
    failures.map(({ data }) => data.code),
    Array.from({ length: attempts }, () => code),
  );
  for (const { data } of failures) assert.ok(data.retryable);
  assert.equal(answerTo(await spy.events(), chat, id), wordsOf(chat, WORDS), "nothing of the broken answers is in it");
}

/** A wait of more than 5 s is not held in a runner's hand. */
async function assertParked(): Promise<void> {
  const chat = "parked";
  model.trouble(chat, status(429, { "retry-after": "6" }));
  const id = await send(chat, chat);
  const parked = await spy.event("TurnParked", { chat });
  assert.equal(parked.data.waitingFor, "timer");
  const fired = await until("the timer", async () =>
    (await spy.events()).find((event) => event.type === "TimerFired" && event.data.parked.turn === parked.data.turn),
  );
  const due = Date.parse(parked.data.resumeAt ?? "");
  assert.ok(fired.storedAtMs >= due, "not before it is due");
  await spy.event("TurnCompleted", { chat });
  // The order of its events, below, shows that it was asked once before the wait and once behind it.
  assert.equal(model.asked(chat), 2);
  const own = (await spy.events()).filter((event) => "turn" in event.data && event.data.turn === parked.data.turn);
  assert.deepEqual(
    own.map(({ type }) => type),
    ["TurnRequested", "TurnClaimed", "ModelStepFailed", "TurnParked", "TurnResumed", "TurnClaimed", "TurnCompleted"],
  );
  assert.equal(answerTo(await spy.events(), chat, id), wordsOf(chat, WORDS));
}

/** Slow is no failure: what has come is kept and the rest is waited for. */
async function assertSlow(): Promise<void> {
  const chat = "slow";
  for (let words = 1; words < WORDS; words++) {
    model.hold(chat, words);
    if (words === 1) await send(chat, chat);
    await until(`word ${words}`, () =>
      Promise.resolve(spy.attempts.some(({ data }) => String(data["text"]).includes(`${chat}-${words}`))),
    );
  }
  assert.equal(
    (await spy.events()).some((event) => event.type === "TurnCompleted" && event.data.chat === chat),
    false,
  );
  model.release(chat);
  await spy.event("TurnCompleted", { chat });
  assert.equal((await failuresIn(chat)).length, 0);
}

// All at once: most of the time is the waiting between attempts.
test(
  "each failure is retried a bounded number of times and then told; passing ones end in the whole answer",
  {
    concurrency: true,
  },
  async (t) => {
    await Promise.all([
      ...FATAL.map((one) => t.test(`fatal: ${one.chat}`, () => assertFatal(one))),
      ...PASSING.map((one) => t.test(`passing: ${one.chat}`, () => assertPassing(one))),
      t.test("429 with a long retry-after parks the turn until a timer fires", assertParked),
      t.test("a slow model is waited for", assertSlow),
    ]);
    assertOrder(await spy.events());
  },
);

test("a model that is down is said to be down, and is asked again when it is back", async () => {
  await model.down();
  await send("down", "down");
  const failed = await spy.event("TurnFailed", { chat: "down" });
  assert.equal(failed.data.code, "MODEL_UNREACHABLE");
  assert.match(failed.data.text, /reach|answer/i);
  assert.equal((await failuresIn("down")).length, ATTEMPTS);
  const id = await send("brief", "brief");
  await spy.event("ModelStepFailed", { chat: "brief" });
  await model.up();
  await spy.event("TurnCompleted", { chat: "brief" });
  assert.equal(answerTo(await spy.events(), "brief", id), wordsOf("brief", WORDS));
  await assertGoesOn("down");
});

/** The channel's own connection, with the credentials it runs by. */
async function asWeb(): Promise<NatsConnection> {
  const run = readRunFile(home);
  assert.ok(run);
  return connectBus({ server: run.bus, credsFile: keyPaths(home).creds("web"), name: "web" });
}

test("poison on a channel's lane becomes a visible dead letter, and everybody goes on", async () => {
  const names = ["router", "agent-runner-1", "scheduler", "ui-projection", "web"];
  const pids = async (): Promise<number[]> => Promise.all(names.map(async (name) => (await rowOf(home, name)).pid));
  const pidsBefore = await pids();
  const nc = await asWeb();
  const cloud = headers();
  for (const [name, value] of Object.entries({
    "ce-specversion": "1.0",
    "ce-id": "poison",
    "ce-type": "MessageReceived",
    "ce-source": "web",
    "ce-time": new Date().toISOString(),
    "ce-dataschema": "taffrail:MessageReceived:1",
    "ce-correlationid": "poison",
  }))
    cloud.set(name, value);
  const poison: [string, Uint8Array | string, typeof cloud | undefined][] = [
    ["log.in.web.poison.bytes.0", new Uint8Array([0, 255, 254, 1]), undefined],
    ["log.in.web.poison.nothing.0", "", undefined],
    ["log.in.web.poison.schema.0", '{"channel":"web"}', cloud],
    ["log.in.web.poison.deep.0", "[".repeat(50_000), cloud],
    ["log.cmd.web.poison", "{", cloud],
  ];
  const seqs: number[] = [];
  for (const [subject, payload, with_] of poison) {
    const ack = await nc.request(subject, payload, {
      timeout: 3_000,
      ...(with_ === undefined ? {} : { headers: with_ }),
    });
    seqs.push(ack.json<{ seq: number }>().seq);
  }
  await nc.close();
  // What only a process of the core could send: the runners' own queue.
  const wake = (await spy.nc.request("log.turn.web.nochat.noturn.wake", "{")).json<{ seq: number }>().seq;

  const letters = await until("the dead letters", async () => {
    const { stdout } = await system.cli("log", "show", "--type", "DeadLettered", "--json");
    const all = stdout
      .split("\n")
      .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as StoredEvent<"DeadLettered">]));
    const of = (process: string): number[] =>
      all.filter(({ data }) => data.process === process).map(({ data }) => data.seq);
    const complete = ["router", "ui-projection"].every((process) => seqs.every((seq) => of(process).includes(seq)));
    return complete && of("scheduler").length > 0 && of("agent-runner").includes(wake) ? all : undefined;
  });
  const named = new Set(letters.map(({ data }) => `${data.process} ${data.seq}`));
  assert.equal(named.size, letters.length, "one letter per process and event");
  for (const { data } of letters) assert.equal(data.code, "BUS_EVENT_UNREADABLE");
  assert.match((await system.cli("log", "show", "--type", "DeadLettered")).stdout, /poison|unreadable|dead/i);

  const id = await send("poison", "poison");
  await spy.event("TurnCompleted", { chat: "poison" });
  assert.equal(answerTo(await spy.events(), "poison", id), wordsOf("poison", WORDS));
  assert.deepEqual(await pids(), pidsBefore, "nobody had to be restarted");
});
