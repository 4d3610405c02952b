/** The due list built anew from the log and compared with the live snapshot. */
import { rebuildFold } from "../../bus/rebuild-fold.ts";
import type { RebuildOptions, RebuildOutcome } from "../../bus/rebuild.ts";
import { parseSubject } from "../../bus/subjects.ts";
import { applyEvent, DUE_LIST_SHAPE, newDueList, type DueList } from "./due-list.ts";
import { READS } from "./reads.ts";

function named(kind: string, values: Readonly<Record<string, unknown>>): (readonly [string, unknown])[] {
  return Object.entries(values).map(([name, value]) => [`${kind} ${name}`, value] as const);
}

export function rebuildScheduler(options: RebuildOptions): Promise<RebuildOutcome> {
  return rebuildFold<DueList>(options, {
    shape: DUE_LIST_SHAPE,
    reads: READS,
    start(from = newDueList()) {
      return {
        take(entry) {
          if (entry.type !== "unreadable") applyEvent(from, entry);
        },
        takeAhead(entry) {
          // Only its own appends are folded ahead; the list does not say which of them.
          if (entry.type === "unreadable" || parseSubject(entry.subject)?.type !== "task") return false;
          applyEvent(from, entry);
          return true;
        },
        state: () => from,
      };
    },
    parts: ({ tasks, timers, timerSeqs, commands }) =>
      new Map([
        ...named("task", tasks),
        ...named("timer", timers),
        ...named("timer's fence of", timerSeqs),
        ...commands.map((command) => [`command ${command.data.command}`, command] as const),
      ]),
  });
}
