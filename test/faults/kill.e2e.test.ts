// Every process is killed while answers stream, at several moments at once: each message still gets one answer.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { randomUUID } from "node:crypto";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { enterChat, lastText, openBrowser, openVisit, waitForText, write, type Visit } from "../e2e/browser.ts";
import { startSystem, until, type System } from "../support/system.ts";
import { TORN_CALL_ID, writeTornCall } from "./dead-runner.ts";
import { answerTo, assertOrder, isEnd } from "./one-answer.ts";
import { back, kill, rowOf } from "./processes.ts";
import { openSpy, type Spy } from "./spy.ts";
import { startToldModel, wordsOf, type ToldModel } from "./told-model.ts";

const CLI = join(fileURLToPath(import.meta.url), "..", "..", "..", "dist", "cli.js");
const NAMES = ["router", "agent-runner-1", "scheduler", "stats", "ui-projection", "web", "broker"];
const PAGE_CHAT = "open";
const WORDS = 8;
/**
 * Two seconds on the machine where an idle process is back in 250 ms. A ratio, so that a slower machine is no failure.
 */
const MAX_RESTARTS_TO_FIRST_TOKEN = 8;

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
  await browser.close();
  await spy.close();
  await system.stop();
  if (again !== undefined && again.exitCode === null) {
    const gone = once(again, "exit");
    again.kill("SIGTERM");
    await gone;
  }
  await model.close();
  await rm(home, { recursive: true, force: true });
});

/** The name as a part of a tag. */
function short(name: string): string {
  return name.replaceAll(/\W/g, "");
}

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
  await page.waitForFunction(
    (last) => {
      const turns = document.querySelectorAll('[data-testid="turn"]');
      const turn = turns[turns.length - 1];
      return turn?.getAttribute("data-state") === "completed" && turn.textContent.includes(last);
    },
    `${tag}-${WORDS}`,
    { polling: "raf" },
  );
  const asked = await spy.event("MessageReceived", { text: `say ${tag} ${WORDS}` });
  const events = await until(`the end of ${tag} in the log`, async () => {
    const all = await spy.events();
    return all.some((event) => isEnd(event) && event.data.answers.includes(asked.data.message)) && all;
  });
  assert.equal(await lastText(page), answerTo(events, PAGE_CHAT, asked.data.message));
  assert.equal(await lastText(page), wordsOf(tag, WORDS));
  const messages = events.filter((event) => event.type === "MessageReceived" && event.data.chat === PAGE_CHAT).length;
  assert.equal(await page.getByTestId("turn").count(), messages, "each message has one turn on the page");
  assert.equal(await page.getByTestId("message").count(), messages);
  assertOrder(events);
}

async function killInStream(t: TestContext, name: string): Promise<void> {
  const { page } = visit;
  const first = `${short(name)}first`;
  model.hold(first, 3);
  await write(page, `say ${first} ${WORDS}`);
  await waitForText(page, `${first}-3`);
  const sent = await lively(short(name));

  const { startMs, atMs } = await back(home, name, await kill(home, name));
  // A runner must ask anew and is held at the same words; for all others the stream goes on with the next one.
  if (name.startsWith("agent-runner")) await waitForText(page, `${first}-3`, 2);
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
  const second = `${short(name)}second`;
  await write(page, `say ${second} ${WORDS}`);
  const pid = await kill(home, name);
  await back(home, name, pid);
  const next = await kill(home, name);
  await back(home, name, next);
  await assertPage(second);
}

for (const name of NAMES)
  test(`kill -9 of ${name} in a stream, after a send and twice in a row: one answer each`, (t) =>
    killInStream(t, name));

async function notes(): Promise<string[]> {
  const text = await readFile(join(home, "groups", "main", "notes.jsonl"), "utf8");
  return text.split("\n").flatMap((line) => (line === "" ? [] : [(JSON.parse(line) as { text: string }).text]));
}

test("tools that were called around the kills had their effect once", async () => {
  assert.deepEqual((await notes()).toSorted(), NAMES.map((name) => `${short(name)}note`).toSorted());
});

test("kill -9 between a tool's call and its result: run again when that is harmless, told when it is not", async () => {
  const { pid } = await rowOf(home, "agent-runner-1");
  // Frozen, so that the journal below is the only one; it dies without having seen the two turns.
  process.kill(pid, "SIGSTOP");
  const [harmless, risky] = [note("tornharmless"), note("tornrisky")];
  const calls = [
    { sent: harmless, name: "remember", arguments: { text: harmless.tag }, effect: "idempotent" as const },
    { sent: risky, name: "remember", arguments: { text: risky.tag }, effect: "at-most-once" as const },
  ];
  for (const { sent, ...call } of calls) {
    const request = await spy.event("TurnRequested", { chat: sent.chat });
    await writeTornCall(spy, request, "agent-runner-1/dead", call);
  }
  // The effect took place and only its result is missing: run again it must not double.
  const turn = (await spy.event("TurnRequested", { chat: harmless.chat })).data.turn;
  const line = { key: `${turn} ${TORN_CALL_ID}`, at: new Date().toISOString(), text: harmless.tag };
  await appendFile(join(home, "groups", "main", "notes.jsonl"), `\n${JSON.stringify(line)}`);
  process.kill(pid, "SIGKILL");

  await assertAnswered([harmless, risky]);
  const results = (await spy.events()).filter((event) => event.type === "ToolCompleted");
  const outcomeOf = (sent: Sent): (string | number)[] =>
    results.filter(({ data }) => data.chat === sent.chat).flatMap(({ data }) => [data.outcome, data.epoch]);
  assert.deepEqual(outcomeOf(harmless), ["ok", 2]);
  assert.deepEqual(outcomeOf(risky), ["interrupted", 2]);
  const written = await notes();
  assert.equal(written.filter((text) => text === harmless.tag).length, 1, "no effect twice");
  assert.equal(written.filter((text) => text === risky.tag).length, 0, "what may have had its effect is not repeated");
});

test("kill -9 of everything at once: after the next start each message has one answer, and the open page shows it", async () => {
  const { page } = visit;
  const tag = "everything";
  model.hold(tag, 3);
  await write(page, `say ${tag} ${WORDS}`);
  await waitForText(page, `${tag}-3`);
  const ending = say("everythingend");
  const early = say("everythingearly");
  await Promise.all([ending.id, early.id]);
  system.supervisor.kill("SIGKILL");
  await page.locator('[data-testid="connection"][data-state="lost"]').waitFor();
  model.release(tag);
  // Not by startSystem: the page must find the same port.
  again = spawn("setpriv", ["--pdeathsig", "TERM", process.execPath, CLI, "up"], {
    env: {
      ...process.env,
      TAFFRAIL_HOME: home,
      TAFFRAIL_PORT: String(system.port),
      TAFFRAIL_MODEL: "openai:told",
      TAFFRAIL_MODEL_BASE_URL: model.baseUrl,
    },
    stdio: "ignore",
  });
  await until("readiness", async () => (await system.health())?.ready === true);
  await spy.close();
  spy = await openSpy(home);
  await assertPage(tag);
  await assertAnswered([ending, early]);
  await page.reload();
  await assertPage(tag);
});
