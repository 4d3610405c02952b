/** A real Chromium on the real page: opening it, signing in, and what the tests read from it. */
import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from "playwright-core";
import { findChromium } from "../../ops/setup/chromium.mjs";
import type { System } from "../support/system.ts";

/** What the browser complained of; the page's own code gives it no reason to. */
export interface Visit {
  readonly page: Page;
  readonly problems: readonly string[];
  close(): Promise<void>;
}

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
];

export async function openBrowser(): Promise<Browser> {
  const given = process.env["TAFFRAIL_TEST_CHROMIUM"];
  const executablePath = given ?? (await findChromium()).executablePath;
  return chromium.launch({ executablePath, args: FLAGS });
}

/** A page of its own profile, not yet anywhere. */
export async function openVisit(browser: Browser, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  // The test loader wraps named functions in this helper, also those that run in the page.
  await page.addInitScript("globalThis.__name = (value) => value");
  await page.exposeFunction("tellViolation", (what: string) => problems.push(what));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      const tell = (window as unknown as { tellViolation: (what: string) => void }).tellViolation;
      tell(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  return { page, problems, close: () => context.close() };
}

/** A new one-time link, as `taffrail link` prints it. */
export async function newLink(system: System): Promise<string> {
  const { stdout, stderr } = await system.cli("link");
  if (!stdout.startsWith("http")) throw new Error(`no link: ${stdout} ${stderr}`);
  return stdout.trim();
}

/** Signs in with a new link and goes to the chat. */
export async function enterChat({ page }: Visit, system: System, chat: string): Promise<void> {
  await page.goto(await newLink(system));
  // On a phone the list comes first, so there is no composer yet.
  await page.locator('[data-testid="connection"][data-state="live"]').waitFor();
  await goToChat(page, system, chat);
}

export async function goToChat(page: Page, system: System, chat: string): Promise<void> {
  await page.goto(`${system.address}/#/chat/${encodeURIComponent(chat)}`);
  await page.getByTestId("composer").waitFor();
  await page.locator('[data-testid="connection"][data-state="live"]').waitFor();
}

export async function write(page: Page, text: string): Promise<void> {
  await page.getByTestId("composer").fill(text);
  await page.getByTestId("send").click();
}

/** The newest turn on the page. */
export function lastTurn(page: Page): Locator {
  return page.getByTestId("turn").last();
}

/** Its text as a reader sees it. */
export async function lastText(page: Page): Promise<string> {
  return (await lastTurn(page).getByTestId("turn-text").innerText()).trim();
}

/** Waits until the newest turn is in this state. */
export async function waitForState(page: Page, state: string): Promise<void> {
  await page.waitForFunction(
    (wanted) => {
      const turns = document.querySelectorAll('[data-testid="turn"]');
      return turns[turns.length - 1]?.getAttribute("data-state") === wanted;
    },
    state,
    { polling: "raf" },
  );
}

/** Waits until the newest turn's text holds `part` and this runner or a later one writes it. */
export async function waitForText(page: Page, part: string, epoch = 1): Promise<void> {
  // By frame: a locator's own waiting looks twice a second only.
  await page.waitForFunction(
    ({ wanted, from }) => {
      const texts = document.querySelectorAll('[data-testid="turn-text"]');
      const text = texts[texts.length - 1];
      const holder = Number(text?.closest("[data-epoch]")?.getAttribute("data-epoch"));
      return text?.textContent.includes(wanted) === true && holder >= from;
    },
    { wanted: part, from: epoch },
    { polling: "raf" },
  );
}

/** From now on keeps each different text the newest turn shows; it survives no reload. */
export async function recordTexts(page: Page): Promise<void> {
  await page.evaluate(() => {
    const seen: string[] = [];
    (window as unknown as { seenTexts: string[] }).seenTexts = seen;
    const look = (): void => {
      const texts = document.querySelectorAll<HTMLElement>('[data-testid="turn-text"]');
      const text = texts[texts.length - 1]?.innerText.trim() ?? "";
      if (text !== "" && text !== seen.at(-1)) seen.push(text);
    };
    look();
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
}

export function recordedTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => (window as unknown as { seenTexts: string[] }).seenTexts);
}
