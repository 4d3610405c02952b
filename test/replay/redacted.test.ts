/** A redacted bundle replays as its log did: no secret of the log is in it, and its decisions are those of its own texts. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { StoredEvent } from "../../bus/event.ts";
import { exportToFile, type ExportOptions } from "../../ops/bundle/export.ts";
import { toBundleEvent, toEntry, type BundleEvent, type BundleManifest } from "../../ops/bundle/format.ts";
import { importBundle } from "../../ops/bundle/import.ts";
import { openImported } from "../../ops/bundle/reader.ts";
import { createEntryRedactor } from "../../ops/bundle/redact-entry.ts";
import { createRedactor } from "../../ops/bundle/redact.ts";
import { replay, type ReplayReport } from "../../ops/replay/replay.ts";
import { createRerecord } from "../../ops/replay/rerecord.ts";
import { readStretch } from "../../ops/source/source.ts";
import { fixtureLogs } from "./fixture-logs.ts";
import { exportSourceOf, storedMessage } from "./recorded.ts";

const folder = mkdtempSync(join(tmpdir(), "taffrail-redacted-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const fixture = fixtureLogs().find(({ name }) => name.includes("queue-50"))!;
const { settings } = fixture;
const SECRETS = Array.from({ length: 100 }, (_, index) =>
  index % 2 === 0 ? `person${index}@example.org` : `sk-ant-api03-${"AbCdEfGh1234567890xYz".repeat(2)}${index}`,
);

/** Puts a secret into each text that a person, a model or a tool said, one after the other, until all are in. */
function planted(events: readonly BundleEvent[]): BundleEvent[] {
  let next = 0;
  const secret = (): string => SECRETS[next++ % SECRETS.length] ?? "";
  const more = (text: string): string => (text === "" ? text : `${text} ${secret()} ${secret()}`);
  return events.map((event) => {
    const data = structuredClone(event.data) as Record<string, unknown>;
    const said = (data["lastStep"] ?? data) as Record<string, unknown>;
    const type = String(event.headers["ce-type"]);
    if (/^(MessageReceived|MessageEdited|ScheduleTask|ModelStepCompleted|TurnCompleted)$/.test(type))
      said["text"] = more(String(said["text"]));
    if (type === "ToolCompleted" && data["outcome"] === "ok") data["result"] = more(String(data["result"]));
    if (type === "ModelStepFailed") data["message"] = more(String(data["message"]));
    return { ...event, data };
  });
}

function manifestOf(): BundleManifest {
  const { systemPrompt, maxOutputTokens, limits } = settings.runner;
  const bundle = { configuredModel: "demo", systemPrompt, maxSteps: limits.maxSteps, maxOutputTokens };
  return { settings: { ...bundle, queueMode: settings.router.queueMode } } as BundleManifest;
}

/** The fixture's log with secrets in it, its decisions made over them. */
async function secretLog(): Promise<StoredEvent[]> {
  const anew = createRerecord({ differing: new Set(), settingsOf: () => settings, mintOf: () => source.mint });
  const events = await anew(planted(fixture.entries.map((entry) => toBundleEvent(storedMessage(entry)))), manifestOf());
  return events.map(toEntry) as StoredEvent[];
}

const source = exportSourceOf(fixture.entries);

async function replayed(home: string): Promise<ReplayReport> {
  const imported = openImported(home);
  try {
    const { lastSeq } = await imported.log.identity();
    const { log, mint } = imported;
    return await replay(readStretch(log, 1, lastSeq), { settings, mint, log, startSeq: 1, endMs: 0 });
  } finally {
    imported.close();
  }
}

async function exportedAndImported(
  name: string,
  log: readonly StoredEvent[],
  more: Partial<ExportOptions>,
): Promise<string> {
  const file = join(folder, `${name}.jsonl`);
  const options = {
    scope: { type: "all" as const },
    settings: manifestOf().settings,
    exportedAt: "2026-01-01T00:00:00Z",
  };
  await exportToFile(exportSourceOf(log), { ...options, ...more }, file);
  importBundle(file, join(folder, name));
  return readFileSync(file, "utf8");
}

void test("a redacted bundle holds none of a hundred secrets, and its import replays equal", async () => {
  const log = await secretLog();
  const plain = await exportedAndImported("plain", log, {});
  assert.equal(SECRETS.filter((secret) => plain.includes(secret)).length, 100, "control: they are all in the log");
  assert.deepEqual((await replayed(join(folder, "plain"))).differences, []);

  const redactor = (): ExportOptions["redactor"] => createEntryRedactor(createRedactor([]), { blank: false });
  const covered = await exportedAndImported("redacted", log, {
    redactor: redactor()!,
    rerecord: createRerecord({ differing: new Set(), settingsOf: () => settings }),
  });
  assert.deepEqual(
    SECRETS.filter((secret) => covered.includes(secret)),
    [],
  );
  const report = await replayed(join(folder, "redacted"));
  assert.deepEqual(report.differences, []);
  assert.equal(report.events, log.length);

  await exportedAndImported("as-recorded", log, { redactor: redactor()! });
  const { differences } = await replayed(join(folder, "as-recorded"));
  assert.match(differences[0]?.path ?? "", /requestHash$/, "control: with the recorded hashes it would differ");
});

void test("what differs in the log still differs in its redacted bundle", async () => {
  const log = await secretLog();
  const index = log.findIndex(({ type }) => type === "ModelStepCompleted");
  const broken = log.map((entry, at) =>
    at === index ? ({ ...entry, data: { ...entry.data, requestHash: "x".repeat(43) } } as StoredEvent) : entry,
  );
  await exportedAndImported("broken", broken, {
    redactor: createEntryRedactor(createRedactor([]), { blank: false }),
    rerecord: createRerecord({ differing: new Set([log[index]!.seq]), settingsOf: () => settings }),
  });
  const { differences } = await replayed(join(folder, "broken"));
  assert.equal(differences[0]?.seq, log[index]!.seq);
});
