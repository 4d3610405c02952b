import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hasCode } from "../../bus/errors.ts";
import { memorySource, storedEvent } from "../../test/support/memory-source.ts";
import { plantSecrets, readable, type PlantedLog } from "../../test/support/planted-secrets.ts";
import { lanes } from "../../bus/subjects.ts";
import { exportToFile } from "./export.ts";
import { importBundle } from "./import.ts";
import { createEntryRedactor, blankText } from "./redact-entry.ts";
import { createRedactor } from "./redact.ts";
import type { EntryRedactor } from "./redact-entry.ts";

const folder = mkdtempSync(join(tmpdir(), "taffrail-redact-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

const SETTINGS = { configuredModel: "demo", maxSteps: 20, maxOutputTokens: 4096, queueMode: "steer" } as const;

async function exported(log: PlantedLog, redactor?: EntryRedactor): Promise<{ file: string; text: string }> {
  const file = join(folder, `${++files}.jsonl`);
  const options = {
    scope: { type: "all" as const },
    settings: { ...SETTINGS, systemPrompt: log.systemPrompt },
    exportedAt: "2026-01-01T00:00:00Z",
    ...(redactor === undefined ? {} : { redactor }),
  };
  await exportToFile(memorySource(log.messages), options, file);
  return { file, text: readFileSync(file, "utf8") };
}

function left(text: string, { planted }: PlantedLog): string[] {
  const all = readable(text);
  return planted.filter(({ secret }) => all.includes(secret)).map(({ secret, place }) => `${secret} in ${place}`);
}

function knowing(values: readonly string[]) {
  return createRedactor(values.map((value) => ({ label: "known", value })));
}

test("of 100 planted secrets of every kind, in every place, none is in a redacted bundle; all are in a plain one", async () => {
  const log = plantSecrets(100);
  assert.equal(new Set(log.planted.map(({ secret }) => secret)).size, 100);
  const plain = await exported(log);
  assert.deepEqual(
    log.planted.filter(({ secret }) => !readable(plain.text).includes(secret)),
    [],
    "control: without redaction this test finds every one",
  );
  const covered = await exported(log, createEntryRedactor(knowing(log.known), { blank: false }));
  assert.deepEqual(left(covered.text, log), []);
  assert.match(covered.text, /\[redacted:email-\d+\]/);
  const home = join(folder, "redacted");
  assert.equal(importBundle(covered.file, home).counts.events, 99, "and it can be imported");
});

test("other secrets in other places are covered too", async () => {
  const log = plantSecrets(700);
  const covered = await exported(log, createEntryRedactor(knowing(log.known), { blank: false }));
  assert.deepEqual(left(covered.text, log), []);
});

test("with all words blanked no word is left, and lengths and punctuation stay", async () => {
  const log = plantSecrets(100);
  const covered = await exported(log, createEntryRedactor(knowing(log.known), { blank: true }));
  assert.deepEqual(left(covered.text, log), []);
  const events = covered.text.slice(covered.text.indexOf("\n"));
  assert.equal(/before|, after|refused:/.exec(events)?.[0], undefined);
  assert.ok(!covered.text.includes("Be kind"));
  assert.equal(blankText("Grüße, 3 Äpfel! [redacted:email-1] ok"), "xxxxx, 0 xxxxx! [redacted:email-1] xx");
});

test("an export whose last look finds something fails with its sequence and leaves no file", async () => {
  const log = plantSecrets(40);
  const blind = createEntryRedactor(knowing([]), { blank: false });
  const forgetful: EntryRedactor = { ...blind, redact: (event) => (event.seq === 14 ? event : blind.redact(event)) };
  const before = files + 1;
  await assert.rejects(exported(log, forgetful), (error) => {
    assert.ok(hasCode(error, "BUNDLE_NOT_REDACTED"));
    return error.data["seq"] === 14;
  });
  assert.ok(!existsSync(join(folder, `${before}.jsonl`)));
});

test("the same secret has the same replacement everywhere, also where its words are missing", async () => {
  const say = (seq: number, text: string) =>
    storedEvent("MessageReceived", seq, lanes.message("web", "c", `m${seq}`).subject, {
      channel: "web",
      chat: "c",
      message: `m${seq}`,
      from: {
        id: "o",
        owner: true,
      },
      text,
    });
  const messages = [
    say(1, "try Tr0ub4dor once more"),
    say(2, "my password is Tr0ub4dor."),
    say(3, "ask ann@example.org"),
  ];
  const log = { messages, planted: [], known: [], systemPrompt: "write to ann@example.org" };
  const { text } = await exported(log, createEntryRedactor(knowing([]), { blank: false }));
  const lines = text.split("\n");
  assert.match(lines[1] ?? "", /"try \[redacted:password-1\] once more"/);
  assert.match(lines[2] ?? "", /"my password is \[redacted:password-1\]\."/);
  assert.match(lines[3] ?? "", /\[redacted:email-1\]/);
  assert.match(lines[0] ?? "", /write to \[redacted:email-1\]/);
});

test("what is no secret stays: times, versions, paths, prices, links, ids of ours", () => {
  const redactor = createRedactor([]);
  const harmless = [
    "It is 12:30 on 2026-01-01, that is 2026-01-01T12:30:00Z.",
    "Version 3.11.0-rc.14 costs 1,299.00 EUR, or 12 345 678 in all.",
    "See https://example.org/docs/a/b?page=12#top and /usr/lib/node_modules/npm/README.md",
    "She passed the token ring exam; the key is under the mat. Keys: none.",
    "count to 20, then 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
    "The id 5f0c2d0e-7b2f-4b57-9a55-0a9a4f9d7e11 and the file report_final_version_2.pdf",
    "Donaudampfschifffahrtsgesellschaftskapitän und Bundesausbildungsförderungsgesetz",
  ];
  assert.deepEqual(
    harmless.map((text) => redactor.redact(text)),
    harmless,
  );
});

test("redacting twice changes nothing more", () => {
  const { messages, known } = plantSecrets(200);
  const redactor = knowing(known);
  const texts = messages.map(({ payload }) => Buffer.from(payload).toString("utf8"));
  for (const text of texts) redactor.learn(text);
  for (const text of texts) assert.equal(redactor.redact(redactor.redact(text)), redactor.redact(text));
});
