/** A log whose events are of an older form replays equal, lifted on read. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { StoredMessage } from "../../bus/raw.ts";
import { INSTALL_KEY } from "../sim/simulation.ts";
import { fixtureLogs } from "./fixture-logs.ts";
import { buildPlanted } from "./planting.ts";

const folder = mkdtempSync(join(tmpdir(), "taffrail-upcast-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const log = fixtureLogs()[0]!;

/** As a release before the first might have written it: the text under another name. */
function older(message: StoredMessage): StoredMessage {
  if (message.headers["ce-type"] !== "MessageReceived") return message;
  const { text, ...data } = JSON.parse(Buffer.from(message.payload).toString()) as { text: string };
  const headers = { ...message.headers, "ce-dataschema": "taffrail:MessageReceived:0" };
  return { ...message, headers, payload: Buffer.from(JSON.stringify({ ...data, body: text })) };
}

void test("a log of an older form replays equal through its upcaster", async () => {
  const lifting = await buildPlanted(folder, {
    file: "schemas/upcasters/index.ts",
    find: "const upcasters: Readonly<Record<string, Upcaster>> = {};",
    replace: 'const upcasters = { "MessageReceived:0": ({ body, ...data }) => ({ ...data, text: body }) };',
  });
  const report = await lifting.replayStored(log.messages.map(older), log.settings, INSTALL_KEY);
  assert.deepEqual(report.differences, []);
  assert.equal(report.unreadable, 0);
});

void test("control: without the upcaster its messages cannot be read", async () => {
  const release = await buildPlanted(folder);
  const report = await release.replayStored(log.messages.map(older), log.settings, INSTALL_KEY);
  assert.ok(report.unreadable > 0);
  assert.equal(report.differences.length, 1);
});
