/** The recorded logs of real systems: whole, and cut into bundles of one chat or one turn. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import { hashJson } from "../../bus/ids.ts";
import { exportToFile } from "../../ops/bundle/export.ts";
import { importBundle } from "../../ops/bundle/import.ts";
import type { WantedScope } from "../../ops/bundle/select.ts";
import { replay, type ReplayReport } from "../../ops/replay/replay.ts";
import { scopeFilter } from "../../ops/replay/scope.ts";
import { replaySettings } from "../../ops/replay/settings.ts";
import { readStretch, withSource } from "../../ops/source/source.ts";
import { decidedThen, readBeside, sortOut, type Beside } from "./beside.ts";
import { systemFixtureFolder } from "./fixture-logs.ts";
import { shapesOf } from "./shapes.ts";

/** Every so many turns and chats are cut out; all in the full run. */
const SHARE = process.env["TAFFRAIL_TEST_FULL"] === undefined ? 4 : 1;
/** Where a bundle ends with a message that waits for its turn. */
const ALWAYS = "queued";

const folder = mkdtempSync(join(tmpdir(), "taffrail-system-log-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let homes = 0;
const newPlace = (): string => join(folder, String(++homes));

function replayHome(
  home: string,
  beside: Beside | undefined,
  compares: (entry: LogEntry) => boolean = () => true,
): Promise<ReplayReport> {
  return withSource(home, async ({ log, mint, manifest }) => {
    const settings = replaySettings(manifest!.settings, "now");
    const { lastSeq } = await log.identity();
    const inScope = scopeFilter(manifest);
    return replay(readStretch(log, 1, lastSeq), {
      settings: beside === undefined ? settings : decidedThen(settings, beside),
      mint,
      log,
      startSeq: 1,
      all: true,
      compares: (entry) => inScope(entry) && compares(entry),
      endMs: (await log.get(lastSeq))?.storedAtMs ?? 0,
    });
  });
}

/** A part of the log in `home` as a bundle of its own, imported. */
async function partOf(home: string, scope: WantedScope): Promise<string> {
  const [file, part] = [`${newPlace()}.jsonl`, newPlace()];
  await withSource(home, (source) => {
    const { settings } = source.manifest!;
    return exportToFile(source, { scope, settings, exportedAt: "2031-01-31T18:30:00Z" }, file);
  });
  importBundle(file, part);
  return part;
}

for (const name of readdirSync(systemFixtureFolder).filter((one) => one.endsWith(".jsonl")))
  describe(`the recorded system ${name}`, () => {
    const beside = readBeside(join(systemFixtureFolder, name));
    let home: string;
    let entries: StoredEvent[];
    before(async () => {
      home = newPlace();
      importBundle(join(systemFixtureFolder, name), home);
      entries = await withSource(home, async ({ log }) => {
        const all: StoredEvent[] = [];
        const { lastSeq } = await log.identity();
        for await (const batch of readStretch(log, 1, lastSeq))
          for (const entry of batch) {
            assert.ok(entry.type !== "unreadable", `event ${entry.seq} cannot be read`);
            all.push(entry);
          }
        return all;
      });
    });

    const requests = (): StoredEvent<"TurnRequested">[] => entries.filter((entry) => entry.type === "TurnRequested");

    void test("replays equal, all turns of it", async () => {
      const report = await replayHome(home, beside);
      assert.deepEqual(sortOut(report.differences, beside.accepted), { unmeant: [], stale: [] });
      assert.equal(report.turns, requests().length);
    });

    void test("was decided with the prompt and the tools that stand beside it", () => {
      const { systemPrompt, tools } = beside.decidedWith;
      for (const entry of entries) {
        if (entry.type !== "TurnClaimed") continue;
        assert.equal(entry.data.versions.prompt, hashJson(systemPrompt));
        assert.equal(entry.data.versions.tools, hashJson(tools.map(({ spec, effect }) => [spec, effect])));
      }
    });

    void test("control: a release with another prompt finds it, were it not for that", async () => {
      const other = { ...beside, decidedWith: { ...beside.decidedWith, systemPrompt: "Another." } };
      const [first] = (await replayHome(home, other)).differences;
      assert.match(first?.path ?? "", /requestHash$/);
    });

    void test("replays equal turn by turn, each exported by itself", async () => {
      const some = requests().filter(({ data }, index) => index % SHARE === 0 || data.chat === ALWAYS);
      for (const { data } of some) {
        const part = await partOf(home, { type: "turn", turn: data.turn });
        const report = await replayHome(part, beside);
        assert.deepEqual(sortOut(report.differences, beside.accepted).unmeant, [], data.turn);
        assert.equal(report.turns, 1, data.turn);
        assert.ok(report.compared >= 2);
      }
    });

    void test("replays equal chat by chat, each exported by itself", async () => {
      const chats = new Set(requests().map(({ data }) => data.replyTo.chat));
      assert.ok(chats.size > 5);
      for (const chat of [...chats].filter((one, index) => index % SHARE === 0 || one === "tasks")) {
        const part = await partOf(home, { type: "chat", channel: "web", chat });
        const report = await replayHome(part, beside);
        assert.deepEqual(sortOut(report.differences, beside.accepted).unmeant, [], chat);
        assert.equal(report.turns, requests().filter(({ data }) => data.replyTo.chat === chat).length, chat);
      }
    });

    void test("holds turns of every shape", () => {
      const shapes = shapesOf(entries);
      for (const [shape, count] of Object.entries(shapes)) assert.ok(count >= 2, `${count} turns of "${shape}"`);
      assert.ok(shapes.turns >= 40);
    });
  });
