import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { errorCatalogue, hasCode } from "../../bus/errors.ts";
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
    assert.match(error.message, /sequence 14 still holds an? [a-z-]+ in (?:data|headers|subject)/);
    assert.match(errorCatalogue.BUNDLE_NOT_REDACTED.action, /--redact=text/);
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
    "Chapter 1.2.3 of v1.2.3.4 listens on 127.0.0.1:4222 and [::1]:4222, std::vector a::b at 12:30:45",
    "Look at the dot in the middle; the pin is on it; at some point in time. The years 2021 2022 2023 2024 were good.",
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

function counted(from: number, to: number, step = 1): string[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => String(from + index * step));
}

test("lists of numbers stay as they are, blank separated, a line each, or with hyphens", () => {
  const redactor = createRedactor([]);
  const lists = [
    counted(300, 400),
    counted(200, 300),
    counted(1, 400),
    counted(900, 1100),
    counted(4000, 4100),
    counted(2000, 9999, 7),
    counted(0, 120).map((one) => one.padStart(3, "0")),
    counted(1, 60).map((one) => String(Number(one) ** 2)),
  ];
  for (const list of lists)
    for (const between of [" ", "\n", "-", ", ", "."]) {
      const text = list.join(between);
      assert.equal(redactor.redact(text), text);
    }
});

test("cards in one piece and grouped are covered, also beside a date, a code, or each other", () => {
  const cards = [
    "4111111111111111",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "3782 822463 10005",
    "3056 930902 5904",
    "5500 0000 0000 0004",
  ];
  for (const card of cards)
    for (const [before, behind] of [
      ["", ""],
      ["pay 2 ", ", thanks"],
      ["", " 12/27 123"],
      [`${cards[1]} ${cards[5]} `, ""],
    ] as const) {
      const text = createRedactor([]).redact(`${before}${card}${behind}`);
      assert.ok(!text.includes(card), text);
      assert.ok(!/\d{5}|1111|0004/.test(text), text);
    }
});

test("redacting any mix of numbers, words and secrets twice is redacting it once", () => {
  const piece = fc.oneof(
    fc.nat(10_000).map(String),
    fc.nat(999_999_999).map((one) => `0${one}`),
    fc.constantFrom("4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "078-05-1120", "+49 170 1234567", "10.0.0.7"),
    fc.constantFrom(
      "my password is",
      "PIN",
      "ssn",
      "wifi key:",
      "Sommer2024!",
      "ann@example.org",
      "at example dot org",
    ),
    fc.constantFrom("redacted-card-1", "[redacted:phone-2]", "2001:db8::7", "+", "00", "(555)"),
  );
  const mix = fc.array(fc.tuple(piece, fc.constantFrom(" ", "-", ".", "\n", ", ", "")), { maxLength: 30 });
  fc.assert(
    fc.property(mix, (pieces) => {
      const redactor = createRedactor([]);
      const once = redactor.redact(pieces.flat().join(""));
      assert.equal(redactor.redact(once), once);
    }),
    { numRuns: 1_500 },
  );
});

test("a secret that only the settings tell is covered in events that say it without its words", async () => {
  const event = storedEvent("MessageReceived", 1, lanes.message("web", "c", "m").subject, {
    channel: "web",
    chat: "c",
    message: "m",
    from: { id: "o", owner: true },
    text: "try Blau-Kraut77! or Blau-Kraut77 then",
  });
  const log = { messages: [event], planted: [], known: [], systemPrompt: "The wifi password is Blau-Kraut77!" };
  const { text } = await exported(log, createEntryRedactor(knowing([]), { blank: false }));
  assert.doesNotMatch(text, /Kraut/);
  assert.match(text, /try \[redacted:password-\d\] or \[redacted:password-\d\] then/);
});

test("a password is covered with the signs at its end, and a plain word without those of its sentence", () => {
  const redactor = createRedactor([]);
  assert.match(redactor.redact("my password is Sommer2024!"), /^my password is \[redacted:password-1\]$/);
  assert.match(redactor.redact("my password is Sommer2024?!, ok"), /^my password is \[redacted:password-2\], ok$/);
  assert.match(redactor.redact("(my password is Winter#1!)"), /^\(my password is \[redacted:password-3\]\)$/);
  assert.match(redactor.redact("my password is Sommer!"), /^my password is \[redacted:password-4\]!$/);
});

const SAID: readonly (readonly [text: string, secret: string])[] = [
  ["the password for the router is: Tiger77x", "Tiger77x"],
  ["the password for the guest wifi is Tiger77x.", "Tiger77x"],
  ["password for the router: Tiger77x", "Tiger77x"],
  ["Das Passwort für den Router lautet Tiger77x", "Tiger77x"],
  ["pw max123", "max123"],
  ["PW Max123!", "Max123!"],
  ["my wifi key: Blau-Kraut77!", "Blau-Kraut77!"],
  ["the WLAN-Schlüssel ist Blau-Kraut77!", "Blau-Kraut77!"],
  ["PIN 4711", "4711"],
  ["my pin code 4711", "4711"],
  ["Pin: 4711", "4711"],
  ["ssn 078-05-1120", "078-05-1120"],
  ["SSN: 078051120", "078051120"],
  ["it is 078-05-1120.", "078-05-1120"],
  ["log in at 203.0.113.7:22", "203.0.113.7"],
  ["version 1.2.3.4", "1.2.3.4"],
  ["ping 2001:db8:85a3::8a2e:370:7334 now", "2001:db8:85a3::8a2e:370:7334"],
  ["ssh root@[fe80::1]", "fe80::1"],
  ["write to anna at example dot org", "anna at example dot org"],
  ["anna.b (at) mail (dot) example (dot) de", "anna.b (at) mail"],
  ["anna [at] example.org", "anna [at] example.org"],
  ["call +49 170 1234567 at 5", "1234567"],
  ["call 030 12 34 56 78", "12 34 56 78"],
  ["call (555) 234-5678 or 555 234 5679", "234 5679"],
  ["DE89 3704 0044 0532 0130 00 and thanks", "0532 0130 00"],
  ["GB29NWBK60161331926819 now", "GB29NWBK60161331926819"],
];

test("secrets as people say them are covered", () => {
  for (const [text, secret] of SAID) {
    const covered = createRedactor([]).redact(text);
    assert.ok(!covered.includes(secret) && covered.includes("[redacted:"), `${text} -> ${covered}`);
  }
});

test("the last look names the kind and the member, in the settings too", async () => {
  const log = { messages: [], planted: [], known: [], systemPrompt: "ask ann@example.org" };
  const blind = createEntryRedactor(knowing([]), { blank: false });
  let looks = 0;
  const forgetful: EntryRedactor = { ...blind, settings: (one) => (looks++ === 0 ? one : blind.settings(one)) };
  await assert.rejects(exported(log, forgetful), /still holds an email in manifest\.settings\.systemPrompt/);
});

test("the time grows with the text and not with its square, whatever the text repeats", () => {
  for (const piece of ["0", "1 ", "1:", "a.", "a at ", "pin ", "ab12 ", "password for ", "0 1-"]) {
    const spent = (length: number): number => {
      const text = piece.repeat(length / piece.length);
      const from = performance.now();
      createRedactor([]).redact(text);
      return performance.now() - from;
    };
    spent(10_000);
    const short = Math.max(spent(20_000), 20);
    const long = spent(160_000);
    assert.ok(long < short * 32, `${JSON.stringify(piece)}: ${short} ms, then ${long} ms for 8 times the text`);
  }
});
