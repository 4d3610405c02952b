/** Notes of a group: one JSON line each in `<home>/groups/<group>/notes.jsonl`. */
import { mkdir, open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TaffrailError } from "../../../bus/errors.ts";

export interface Note {
  readonly key: string;
  readonly at: string;
  readonly text: string;
}

export interface Notes {
  /** Adds the note unless one with its key is there; on disk when it resolves. */
  add(group: string, note: Note): Promise<void>;
  list(group: string): Promise<Note[]>;
}

/** A chat's memory of short notes; more belongs into files. */
const MAX_NOTES = 1_000;

export function fileNotes(home: string): Notes {
  // One writer at a time: two calls of one group must both see what the other added.
  let queue: Promise<unknown> = Promise.resolve();
  const path = (group: string): string => join(home, "groups", group, "notes.jsonl");

  async function list(group: string): Promise<Note[]> {
    const text = await readFile(path(group), "utf8").catch(() => "");
    return text.split("\n").flatMap((line) => {
      try {
        return line === "" ? [] : [JSON.parse(line) as Note];
      } catch {
        return []; // The torn last line of a write that a power cut ended: its call runs again.
      }
    });
  }

  async function addNow(group: string, note: Note): Promise<void> {
    const notes = await list(group);
    if (notes.some((present) => present.key === note.key)) return;
    if (notes.length >= MAX_NOTES) throw new TaffrailError("TOOL_FAILED", `the memory is full (${MAX_NOTES} notes)`);
    await mkdir(dirname(path(group)), { recursive: true, mode: 0o700 });
    const file = await open(path(group), "a", 0o600);
    try {
      // The line break comes first, so that a torn line before it stays a line of its own.
      await file.appendFile(`\n${JSON.stringify(note)}`);
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  return {
    list,
    add(group, note) {
      const done = queue.then(() => addNow(group, note));
      queue = done.catch(() => undefined);
      return done;
    },
  };
}
