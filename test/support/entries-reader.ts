/** The reading side of a log over entries that a test holds. */
import type { LogEntry } from "../../bus/event.ts";
import { matchesFilter } from "../../bus/subjects.ts";
import type { LogReader } from "../../ops/source/source.ts";

/** `entries` in log order; gaps in their sequences are allowed, as in an imported bundle. */
export function readerOf(entries: readonly LogEntry[]): LogReader {
  return {
    fetch: ({ filter, fromSeq, toSeq = Number.MAX_SAFE_INTEGER, limit }) =>
      Promise.resolve(
        entries
          .filter((entry) => entry.seq >= fromSeq && entry.seq <= toSeq && matchesFilter(filter, entry.subject))
          .slice(0, limit),
      ),
    get: (seq) => Promise.resolve(entries.find((entry) => entry.seq === seq)),
    identity: () => Promise.resolve({ created: "", lastSeq: entries.at(-1)?.seq ?? 0 }),
    read: () => {
      throw new Error("a test's entries are not followed");
    },
  };
}
