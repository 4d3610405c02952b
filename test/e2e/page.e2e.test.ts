import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { StoredEvent } from "../../bus/event.ts";
import { startSystem, until, type System } from "../support/system.ts";
import {
  enterChat,
  goToChat,
  lastText,
  lastTurn,
  newLink,
  openBrowser,
  openVisit,
  recordedTexts,
  recordTexts,
  waitForState,
  waitForText,
  write,
  type Visit,
} from "./browser.ts";

let home: string;
let system: System;
let browser: Browser;
let desk: Visit;

before(async () => {
  home = await mkdtemp(join(tmpdir(), "taffrail-page-"));
  await writeFile(join(home, "taffrail.yaml"), "models: [demo:fast]\n");
  [system, browser] = await Promise.all([startSystem({ home, model: "demo:slow" }), openBrowser()]);
  desk = await openVisit(browser, { viewport: { width: 1280, height: 800 } });
  await desk.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
});

after(async () => {
  await browser.close();
  await system.stop();
  await rm(home, { recursive: true, force: true });
});

/** What the log holds of a chat, by the CLI as a person would ask. */
async function logOf(chat: string): Promise<StoredEvent[]> {
  const { stdout } = await system.cli("log", "show", "--chat", chat, "--json");
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as StoredEvent);
}

async function newestAnswer(chat: string): Promise<StoredEvent<"TurnCompleted">["data"]> {
  const found = (await logOf(chat)).findLast((event) => event.type === "TurnCompleted");
  assert.ok(found, "an answer is in the log");
  return found.data;
}

async function choose(page: Page, model: string): Promise<void> {
  await page.getByTestId("model-picker").selectOption(model);
}

test("the one-time link lets one browser in and its second use is refused", async () => {
  const link = await newLink(system);
  await desk.page.goto(link);
  await desk.page.getByTestId("composer").waitFor();
  assert.ok(!desk.page.url().includes("enter="), "the token does not stay in the address");

  const second = await openVisit(browser);
  await second.page.goto(link);
  await second.page.getByTestId("enter-link").waitFor();
  assert.match(await second.page.getByRole("alert").innerText(), /link/i);
  const asked = await second.page.evaluate(() => fetch("/api/session").then((response) => response.status));
  assert.equal(asked, 401);
  await second.close();
});

test("an answer is seen word by word, is the log's at the end, and is the same after a reload", async (t) => {
  const { page } = desk;
  await goToChat(page, system, "growing");
  await recordTexts(page);
  await write(page, "hello");
  await waitForState(page, "completed");
  const texts = await recordedTexts(page);
  const final = await lastText(page);
  t.diagnostic(`${texts.length} distinct texts of an answer of ${final.split(" ").length} words`);
  assert.ok(texts.length >= 20, `${texts.length} steps`);
  for (const text of texts) assert.ok(final.startsWith(text), `"${text}" is a beginning of the answer`);
  assert.equal(final, (await newestAnswer("growing")).text);

  await page.reload();
  await waitForState(page, "completed");
  assert.equal(await lastText(page), final);
  assert.equal(await page.getByTestId("turn").count(), 1);
  assert.equal(await page.getByTestId("message").count(), 1);
});

test("a reload in the middle of an answer goes on without a gap or a repeat", async () => {
  const { page } = desk;
  await goToChat(page, system, "reloaded");
  await write(page, "hello again");
  await waitForText(page, "no AI");
  const shown = await lastText(page);
  await page.reload();
  await page.getByTestId("turn-text").waitFor();
  await recordTexts(page);
  assert.equal(await lastTurn(page).getAttribute("data-state"), "running", "the answer still runs");
  await waitForState(page, "completed");
  const texts = await recordedTexts(page);
  const final = await lastText(page);
  assert.ok(texts[0]?.startsWith(shown), "what was seen before is there at once");
  for (const text of texts) assert.ok(final.startsWith(text), `"${text}" is a beginning of the answer`);
  assert.ok(texts.length > 5, "it went on to stream");
  assert.equal(final, (await newestAnswer("reloaded")).text);
});

test("tool calls show while the turn runs, stop ends it, and retry answers anew", async () => {
  const { page } = desk;
  await goToChat(page, system, "tools");
  await write(page, "remember milk then echo hi");
  const calls = page.getByTestId("tool-call");
  await calls.nth(1).waitFor();
  assert.equal(await lastTurn(page).getAttribute("data-state"), "running", "the calls are seen before the end");
  assert.deepEqual(await calls.evaluateAll((all) => all.map((one) => one.getAttribute("data-state"))), ["ok", "ok"]);
  await waitForText(page, "noted: milk");
  await page.getByTestId("stop").click();
  await waitForState(page, "cancelled");
  const stopped = (await logOf("tools")).find((event) => event.type === "TurnCancelled");
  assert.match(stopped?.data.partialText ?? "", /noted: milk/);

  await choose(page, "demo:fast");
  await page.locator('[data-testid="model-picker"]:has(option[value="demo:fast"]:checked)').waitFor();
  await lastTurn(page).getByTestId("retry").click();
  await waitForState(page, "completed");
  assert.equal(await lastText(page), (await newestAnswer("tools")).text);
  assert.equal(await page.locator('[data-testid="turn"][data-state="completed"]').count(), 1);
});

test("a message while an answer runs joins it", async () => {
  const { page } = desk;
  await goToChat(page, system, "steered");
  await choose(page, "demo");
  await write(page, "count to 120");
  await waitForText(page, "1 2 3");
  await page.getByTestId("mode-steer").check();
  await write(page, "echo second");
  await waitForState(page, "completed");
  const { answers, text } = await newestAnswer("steered");
  assert.equal(answers.length, 2, "one turn answers both");
  assert.equal(text, "second");
  assert.equal(await lastText(page), "second");
  assert.equal(await page.getByTestId("turn").count(), 1);
  assert.match(await lastTurn(page).innerText(), /119 120/, "what was said before stays");
});

test("an answer can be copied", async () => {
  const { page } = desk;
  await page.getByRole("button", { name: "Copy the answer" }).last().click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "second");
});

test("dark follows the system and can be chosen", async () => {
  const { page } = desk;
  const lightness = (): Promise<number> =>
    page.evaluate(() => {
      const probe = document.createElement("canvas").getContext("2d");
      if (probe === null) throw new Error("no canvas");
      const main = document.querySelector("main") ?? document.body;
      const clear = "rgba(0, 0, 0, 0)";
      const colours = [main, document.body, document.documentElement].map(
        (one) => getComputedStyle(one).backgroundColor,
      );
      probe.fillStyle = colours.find((colour) => colour !== clear) ?? "white";
      probe.fillRect(0, 0, 1, 1);
      return (
        probe
          .getImageData(0, 0, 1, 1)
          .data.slice(0, 3)
          .reduce((sum, part) => sum + part, 0) / 3
      );
    });
  await page.emulateMedia({ colorScheme: "light" });
  const light = await lightness();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await lightness();
  assert.ok(light > 180 && dark < 80, `light ${light}, dark ${dark}`);
  await page.getByRole("button", { name: /^Theme/ }).click();
  assert.ok((await lightness()) > 180, "light is chosen against the system");
  await page.reload();
  await page.getByTestId("composer").waitFor();
  assert.ok((await lightness()) > 180, "and stays chosen");
});

test("the page works at the width of a phone", async () => {
  const phone = await openVisit(browser, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const { page } = phone;
  await enterChat(phone, system, "phone");
  await choose(page, "demo:fast");
  await write(page, `echo ${"averylongword".repeat(12)}`);
  await waitForState(page, "completed");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${wide} pixels beside the screen`);
  const box = await page.getByTestId("send").boundingBox();
  assert.ok(box !== null && box.x + box.width <= 360 && box.y + box.height <= 740, "the send button is in reach");
  assert.deepEqual(phone.problems, []);
  await phone.close();
});

test("the browser had nothing to complain of", async () => {
  assert.deepEqual(desk.problems, []);
  // The control: a script that the policy forbids is noticed.
  await desk.page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'ran'";
    document.head.append(script);
  });
  await until("the violation", () =>
    Promise.resolve(desk.problems.some((problem) => problem.startsWith("CSP: script"))),
  );
  assert.notEqual(await desk.page.title(), "ran");
});
