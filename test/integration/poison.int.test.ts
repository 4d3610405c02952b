/** What a hostile or unlucky input may do to the whole product: nothing but be refused, shown or answered. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { headers as makeHeaders } from "nats";
import { connectBus } from "../../bus/connect.ts";
import type { ItemView, TurnView } from "../../schemas/views.ts";
import { startSystem, until, type System } from "../support/system.ts";

let home: string;
let system: System;
before(async () => {
  home = await mkdtemp(join(tmpdir(), "taffrail-poison-"));
  system = await startSystem({ home, model: "demo" });
});
after(async () => {
  await system.stop();
  await rm(home, { recursive: true, force: true });
});

async function items(chat: string): Promise<ItemView[]> {
  const { status, body } = await system.api("GET", `/api/chats/${chat}/items?limit=100`);
  assert.equal(status, 200, JSON.stringify(body));
  return body["items"] as ItemView[];
}

async function ended(chat: string, turns: number): Promise<TurnView[]> {
  return until(`${turns} ended turns in ${chat}`, async () => {
    const found = (await items(chat)).filter((item): item is TurnView => item.kind === "turn");
    return found.filter(({ endedAt }) => endedAt !== undefined).length >= turns && found;
  });
}

async function say(chat: string, id: string, text: string): Promise<void> {
  const { status, body } = await system.api("POST", `/api/chats/${chat}/messages`, { id, text });
  assert.equal(status, 202, JSON.stringify(body));
}

test("a tool that throws at once ends as an error the model is told, in one claim", async () => {
  await say("throws", "m1", `echo ${"x".repeat(5000)}`);
  const [turn] = await ended("throws", 1);
  assert.equal(turn?.state, "completed");
  assert.equal(turn?.epoch, 1);
  assert.equal(turn?.steps.find((step) => step.type === "tool")?.state, "error");
});

test("a chat of long texts in a script of three bytes a character can always be loaded", async () => {
  for (let index = 0; index < 20; index++) await say("wide", `m${index}`, "語".repeat(20_000));
  const page = await until("the newest message", async () => {
    const found = await items("wide");
    return found.some((item) => item.kind === "message" && item.message === "m19") && found;
  });
  assert.ok(page.length > 0);
});

test("what a taken-over channel appends under an over-long subject is a dead letter, and everybody goes on", async () => {
  const { bus } = JSON.parse(readFileSync(join(home, "run", "taffrail.json"), "utf8")) as { bus: string };
  const nc = await connectBus({ server: bus, credsFile: join(home, "keys", "creds", "web.creds"), name: "web" });
  const headers = makeHeaders();
  headers.set("ce-type", "MessageReceived");
  await nc.request(`log.in.web.${"x".repeat(1500)}`, "poison", { headers, timeout: 5_000 });
  await nc.close();
  await until("its dead letters", async () => {
    const { stdout } = await system.cli("log", "show", "--type", "DeadLettered", "--json");
    return ["router", "ui-projection"].every((name) => stdout.includes(`"process":"${name}"`));
  });
  await say("after", "m1", "hello");
  assert.equal((await ended("after", 1))[0]?.state, "completed");
  const restarts = (await system.health())?.processes.map((one) => one.restarts);
  assert.deepEqual(new Set(restarts), new Set([0]));
});

test("a task's turn can be stopped from the chat it answers to", async () => {
  const due = new Date(Date.now() + 300).toISOString();
  const replyTo = { channel: "web", chat: "tasks" };
  const task = { command: "t1", type: "ScheduleTask", group: "main", due, replyTo, text: "count to 400" };
  assert.equal((await system.api("POST", "/api/commands", task)).status, 202);
  const turn = await until("the running task", async () =>
    (await items("tasks")).find((item): item is TurnView => item.kind === "turn" && item.state === "running"),
  );
  const stop = { command: "t2", type: "CancelTurn", chat: "tasks", turn: turn.turn };
  assert.equal((await system.api("POST", "/api/commands", stop)).status, 202);
  const [view] = await ended("tasks", 1);
  assert.ok(view?.state === "cancelled" || view?.state === "completed", view?.state);
});

test("a damaged read model is named and built again, and the past is there", async () => {
  const before = (await items("throws")).map(({ key }) => key);
  await system.stop();
  for (const suffix of ["-wal", "-shm"]) await rm(join(home, "state", `views.sqlite${suffix}`), { force: true });
  writeFileSync(
    join(home, "state", "views.sqlite"),
    "this is no database at all, but long enough to look at".repeat(50),
  );
  system = await startSystem({ home, model: "demo" });
  assert.match(system.output(), /read model is damaged/);
  await until("the rebuilt chat", async () => (await items("throws")).length === before.length);
  assert.deepEqual(
    (await items("throws")).map(({ key }) => key),
    before,
  );
});
