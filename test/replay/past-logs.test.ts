/** Logs of every release that recorded one stay readable, also where it is meant that they no longer replay equal. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { LogEntry } from "../../bus/event.ts";
import { importBundle } from "../../ops/bundle/import.ts";
import { replay } from "../../ops/replay/replay.ts";
import { replaySettings } from "../../ops/replay/settings.ts";
import { readStretch, withSource } from "../../ops/source/source.ts";
import { readTurn } from "../../ops/source/turn-events.ts";
import { newStats } from "../../ops/story/stats.ts";
import { statsText } from "../../ops/story/stats-text.ts";
import { storyText } from "../../ops/story/story-text.ts";
import { tellTurn } from "../../ops/story/story.ts";
import { projectBatch } from "../../services/ui-projection/app.ts";
import { openReadModel } from "../../services/ui-projection/database.ts";
import { readerOf } from "../support/entries-reader.ts";
import { fixtureFolder, systemFixtureFolder } from "./fixture-logs.ts";

const scratch = mkdtempSync(join(tmpdir(), "taffrail-past-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
let places = 0;
const newPlace = (): string => join(scratch, String(++places));

const logs = [fixtureFolder, systemFixtureFolder].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .map((name) => ({ name, file: join(folder, name) })),
);

/** Decoded, lifted to the newest form. */
async function entriesOf(home: string): Promise<LogEntry[]> {
  return withSource(home, async ({ log }) => {
    const all: LogEntry[] = [];
    for await (const batch of readStretch(log, 1, (await log.identity()).lastSeq)) all.push(...batch);
    return all;
  });
}

describe("recorded logs of all releases", () => {
  for (const { name, file } of logs)
    void test(`${name} is imported, decoded, folded, told and projected`, async () => {
      const home = newPlace();
      const { counts } = importBundle(file, home);
      const entries = await entriesOf(home);
      assert.equal(entries.length, counts.events);
      const unreadable = entries.filter((entry) => entry.type === "unreadable");
      assert.deepEqual(unreadable, []);

      const folded = await withSource(home, ({ log, mint, manifest }) =>
        replay(readStretch(log, 1, Number.MAX_SAFE_INTEGER), {
          settings: replaySettings(manifest!.settings, "now"),
          mint,
          log,
          startSeq: 1,
          endMs: 0,
          compares: () => false,
        }),
      );
      assert.deepEqual([folded.events, folded.compared, folded.unreadable], [entries.length, 0, 0]);

      const reader = readerOf(entries);
      const requests = entries.filter((entry) => entry.type === "TurnRequested");
      const stats = newStats({});
      for (const entry of entries) stats.add(entry);
      assert.equal(stats.result().turns.requested, requests.length);
      assert.match(statsText(stats.result()), /^events/);
      for (const { data } of requests.slice(0, 20)) {
        const { turn, entries: own } = await readTurn(reader, data.turn);
        assert.ok(storyText(tellTurn(turn, own, {})).startsWith(`turn ${turn}\n`));
      }

      const model = await openReadModel(`${newPlace()}.sqlite`);
      try {
        await projectBatch(model, entries, "past", (entry) => Promise.reject(new Error(`poison at ${entry.seq}`)));
        assert.equal((await model.checkpoint())?.seq, entries.at(-1)?.seq);
      } finally {
        await model.close();
      }
    });

  void test("each has beside it what it was decided with", () => {
    for (const folder of [fixtureFolder, systemFixtureFolder]) {
      const names = new Set(readdirSync(folder));
      for (const name of names)
        if (name.endsWith(".jsonl")) assert.ok(names.has(name.replace(/\.jsonl$/, ".replay.json")), name);
        else assert.ok(names.has(name.replace(/\.replay\.json$/, ".jsonl")), `${name} is of no log`);
    }
  });
});
