import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileNotes } from "./notes.ts";

const homes: string[] = [];
after(() => Promise.all(homes.map((home) => rm(home, { recursive: true, force: true }))));

async function newHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "taffrail-notes-"));
  homes.push(home);
  return home;
}

const note = (key: string): { key: string; at: string; text: string } => ({
  key,
  at: "2026-01-01",
  text: `text ${key}`,
});
const fileOf = (home: string): string => join(home, "groups", "main", "notes.jsonl");

test("a note is added once per call key, also by two calls at once and after a restart", async () => {
  const home = await newHome();
  const notes = fileNotes(home);
  await Promise.all([notes.add("main", note("a")), notes.add("main", note("a")), notes.add("main", note("b"))]);
  await fileNotes(home).add("main", note("b"));
  assert.deepEqual(
    (await notes.list("main")).map(({ key }) => key),
    ["a", "b"],
  );
});

test("groups do not see each other's notes", async () => {
  const notes = fileNotes(await newHome());
  await notes.add("main", note("a"));
  assert.deepEqual(await notes.list("other"), []);
});

test("a line that a power cut tore is no note, and the next note stays whole", async () => {
  const home = await newHome();
  const notes = fileNotes(home);
  await notes.add("main", note("a"));
  await appendFile(fileOf(home), '\n{"key":"torn","te');
  await notes.add("main", note("b"));
  assert.deepEqual(
    (await notes.list("main")).map(({ key }) => key),
    ["a", "b"],
  );
  assert.match(await readFile(fileOf(home), "utf8"), /torn/);
});

test("a full memory says so, and goes on refusing without harm", async () => {
  const home = await newHome();
  const notes = fileNotes(home);
  await notes.add("main", note("first"));
  const lines = Array.from({ length: 999 }, (_, index) => JSON.stringify(note(`n${index}`)));
  await appendFile(fileOf(home), `\n${lines.join("\n")}`);
  await assert.rejects(notes.add("main", note("more")), /memory is full/);
  await assert.rejects(notes.add("main", note("more")), /memory is full/);
  await notes.add("main", note("first"));
  assert.equal((await notes.list("main")).length, 1_000);
});
