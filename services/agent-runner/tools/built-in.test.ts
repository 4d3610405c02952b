import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInTools } from "./built-in.ts";
import type { Note, Notes } from "./notes.ts";

const NOW_MS = Date.UTC(2026, 6, 1, 12);

function memoryNotes(): Notes {
  const notes: Note[] = [];
  return {
    add(_group, one) {
      if (!notes.some((present) => present.key === one.key)) notes.push(one);
      return Promise.resolve();
    },
    list: () => Promise.resolve(notes),
  };
}

/** Async, because a tool may also throw. */
async function call(notes: Notes, name: string, args: Record<string, unknown>, callKey = "turn s0c0"): Promise<string> {
  const tool = builtInTools(notes).find((one) => one.spec.name === name);
  assert.ok(tool, name);
  return tool.run(args, { group: "main", callKey, nowMs: NOW_MS, signal: new AbortController().signal });
}

test("each tool says what its repetition does", () => {
  const effects = builtInTools(memoryNotes()).map(({ spec, effect }) => [spec.name, effect]);
  assert.deepEqual(effects, [
    ["time", "pure"],
    ["echo", "pure"],
    ["remember", "idempotent"],
    ["recall", "pure"],
  ]);
});

test("time tells the clock it is given, in a zone when asked, and names a zone that is none", async () => {
  const notes = memoryNotes();
  assert.equal(await call(notes, "time", {}), "2026-07-01T12:00:00.000Z");
  assert.match(await call(notes, "time", { zone: "Europe/Berlin" }), /14:00:00 in Europe\/Berlin/);
  await assert.rejects(call(notes, "time", { zone: "Mars/Base" }), /no time zone Mars\/Base/);
});

test("echo and remember refuse what is no text or too long", async () => {
  const notes = memoryNotes();
  assert.equal(await call(notes, "echo", { text: "hi" }), "hi");
  for (const name of ["echo", "remember"])
    for (const text of [undefined, "", 7, "x".repeat(4_097)])
      await assert.rejects(call(notes, name, { text }), /text must be/);
});

test("remember run again under its call key notes once; recall shows the newest", async () => {
  const notes = memoryNotes();
  assert.equal(await call(notes, "recall", {}), "no notes yet");
  await call(notes, "remember", { text: "milk" });
  await call(notes, "remember", { text: "milk" });
  await call(notes, "remember", { text: "bread" }, "turn s1c0");
  assert.equal(await call(notes, "recall", {}), "- milk\n- bread");
});
