/** What is typed and not sent, per chat, kept over a reload. */
import { signal } from "@preact/signals";

const prefix = "taffrail.draft.";

/** Rises when a draft is written from outside its field. */
export const draftChange = signal(0);

export function readDraft(chat: string): string {
  return sessionStorage.getItem(prefix + chat) ?? "";
}

/** Keeps the text of the field. */
export function keepDraft(chat: string, text: string): void {
  try {
    if (text === "") sessionStorage.removeItem(prefix + chat);
    else sessionStorage.setItem(prefix + chat, text);
  } catch {
    // A full storage loses only the survival of a reload.
  }
}

/** Puts a text into the field, after what already stands there. */
export function writeDraft(chat: string, text: string): void {
  const held = readDraft(chat);
  keepDraft(chat, held === "" ? text : `${held}\n${text}`);
  draftChange.value += 1;
}
