// Every process is killed while answers stream, at several moments at once: each message still gets one answer.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { enterChat, lastText, openBrowser, openVisit, waitForState, waitForText, write, type Visit } from "../e2e/browser.ts";
import { startSystem, until, type System } from "../support/system.ts";
import { answerTo, assertOrder, isEnd } from "./one-answer.ts";
import { back, kill, rowOf } from "./processes.ts";
import { openSpy, type Spy } from "./spy.ts";
import { startToldModel, wordsOf, type ToldModel } from "./told-model.ts";

const PAGE_CHAT = "open";
const WORDS = 8;
/**
 * Two seconds on the machine where an idle process is back in 400 ms. A ratio, so that a slower machine is no failure.
 */
const MAX_RESTARTS_TO_FIRST_TOKEN = 5;

let home: string;
let system: System;
let model: ToldModel;
let browser: Browser;
let visit: Visit;
let spy: Spy;
/** From the kill of an idle process to its readiness. */
let bareRestartMs = 0;
let again: ChildProcess | undefined;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "taffrail-kill-"));
  model = await startToldModel();
  const env = { TAFFRAIL_MODEL_BASE_URL: model.baseUrl };
  [system, browser] = await Promise.all([startSystem({ home, model: "openai:told", env }), openBrowser()]);
  visit = await openVisit(browser);
  await enterChat(visit, system, PAGE_CHAT);
  spy = await openSpy(home);
  const fromMs = performance.now();
  const idle = await back(home, "agent-runner-1", await kill(home, "agent-runner-1"));
  bareRestartMs = idle.atMs - fromMs;
});

after(async () => {
  if (process.env["DBG"]) { console.log(await visit.page.locator("main").innerText()); console.log(system.output().slice(-9000)); console.log((await system.cli("log","show","--chat",PAGE_CHAT)).stdout); console.log(await system.health()); }
  await browser.close();
  await spy.close();
  await system.stop();
  const { supervisor } = { supervisor: again };
  if (supervisor !== undefined && supervisor.exitCode === null) {
    const gone = new Promise((resolve) => supervisor.once("exit", resolve));
    supervisor.kill("SIGTERM");
    await gone;
  }
  await model.close();
  await rm(home, { recursive: true, force: true });
});

/** Sends as a client must: the same id again until it is told that the log has it. */
async function sendSurely(chat: string, text: string): Promise<string> {
  const id = randomUUID();
  await until(`${text} to be taken`, async () => {
    const { status, body } = await system.api("POST", `/api/chats/${chat}/messages`, { id, text });
    assert.ok(status === 202 || status >= 500, `${status} ${JSON.stringify(body)}`);
    return status === 202;
  });
  return id;
}

interface Sent {
  readonly tag: string;
  readonly chat: string;
  readonly id: Promise<string>;
  readonly text: string;
}

function say(tag: string): Sent {
  const chat = `c-${tag}`;
  return { tag, chat, id: sendSurely(chat, `say ${tag} ${WORDS}`), text: wordsOf(tag, WORDS) };
}

function note(tag: string): Sent {
  const chat = `c-${tag}`;
  return { tag, chat, id: sendSurely(chat, `note ${tag} ${WORDS}`), text: wordsOf(tag, WORDS) };
}

/** Turns at every stage: some about to end, one with a tool, some just sent; and nothing waits for the kill. */
async function lively(name: string): Promise<Sent[]> {
  const ending = ["a", "b", "c"].map((one) => `${name}end${one}`);
  for (const tag of ending) model.hold(tag, WORDS - 1);
  const sent = ending.map(say);
  for (const { tag } of sent) await until(`${tag} to stream`, () => Promise.resolve(model.asked(tag) === 1));
  await spy.event("TurnClaimed", { chat: `c-${ending[2] ?? ""}` });
  model.release(ending[0] ?? "");
  await spy.event("TurnCompleted", { chat: `c-${ending[0] ?? ""}` });
  sent.push(note(`${name}note`), say(`${name}early`));
  await spy.event("MessageReceived", { chat: `c-${name}early` });
  for (const tag of ending) model.release(tag);
  for (const one of ["a", "b", "c"]) sent.push(say(`${name}just${one}`));
  return sent;
}

async function assertAnswered(sent: readonly Sent[]): Promise<void> {
  for (const { chat, id, text } of sent) {
    await id;
    await spy.event("TurnCompleted", { chat });
    const events = await spy.events();
    assert.equal(answerTo(events, chat, await id), text);
    assert.equal(events.filter((event) => isEnd(event) && event.data.chat === chat).length, 1);
  }
  assertOrder(await spy.events());
}

/** The page shows one answer to the newest message, the log's. */
async function assertPage(tag: string): Promise<void> {
  const { page } = visit;
  await waitForState(page, "completed");
  await waitForText(page, `${tag}-${WORDS}`);
  const events = await spy.events();
  const asked = events.find((event) => event.type === "MessageReceived" && event.data.text === `say ${tag} ${WORDS}`);
  assert.ok(asked?.type === "MessageReceived");
  assert.equal(await lastText(page), answerTo(events, PAGE_CHAT, asked.data.message));
  assert.equal(await lastText(page), wordsOf(tag, WORDS));
  const messages = events.filter((event) => event.type === "MessageReceived" && event.data.chat === PAGE_CHAT).length;
  assert.equal(await page.getByTestId("turn").count(), messages, "each message has one turn on the page");
  assert.equal(await page.getByTestId("message").count(), messages);
  assertOrder(events);
}

async function killInStream(t: TestContext, name: string): Promise<void> {
  const { page } = visit;
  const short = name.replaceAll(/\W/g, "");
  const first = `${short}first`;
  model.hold(first, 3);
  await write(page, `say ${first} ${WORDS}`);
  await waitForText(page, `${first}-3`);
  const sent = await lively(short);

  const { startMs, atMs } = await back(home, name, await kill(home, name));
  // A runner must ask anew and is held at the same words; for all others the stream goes on with the next one.
  if (name.startsWith("agent-runner")) await page.locator(`[data-epoch="2"]`).last().getByText(`${first}-3`).waitFor();
  else {
    model.hold(first, 4);
    await waitForText(page, `${first}-4`);
  }
  const firstTokenMs = performance.now() - atMs;
  t.diagnostic(
    `${name}: ready ${startMs.toFixed(0)} ms after its start, first token on the page ${firstTokenMs.toFixed(0)} ms after that; ` +
      `a bare restart takes ${bareRestartMs.toFixed(0)} ms`,
  );
  model.release(first);
  await assertPage(first);
  await assertAnswered(sent);
  if (!name.startsWith("agent-runner")) assert.equal(model.asked(first), 1, "a step in hand is not asked again");
  assert.ok(firstTokenMs <= MAX_RESTARTS_TO_FIRST_TOKEN * bareRestartMs, `${firstTokenMs} ms`);

  // Just after the send, and once more as soon as it is back.
  const second = `${short}second`;
  await write(page, `say ${second} ${WORDS}`);
  const pid = await kill(home, name);
  await back(home, name, pid);
  const next = await kill(home, name);
  await back(home, name, next);
  await assertPage(second);
}

for (const name of ["router", "agent-runner-1", "scheduler", "stats", "ui-projection", "web", "broker"])
  test(`kill -9 of ${name} in a stream, after a send and twice in a row: one answer each`, (t) => killInStream(t, name));

test("tools that were called around the kills had their effect once", async () => {
  const notes = (await readFile(join(home, "groups", "main", "notes.jsonl"), "utf8")).split("\n").filter(Boolean);
  const tags = notes.map((line) => (JSON.parse(line) as { text: string }).text);
  assert.equal(tags.length, 7);
  assert.deepEqual(new Set(tags).size, tags.length, "no note twice");
});
