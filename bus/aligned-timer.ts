/** Timers of all processes that fire at the same instants: an idle machine then wakes once rather than ten times. */

/** Calls `work` at every full `everyMs` of the wall clock, until the returned function is called. */
export function everyAligned(everyMs: number, work: () => void): () => void {
  let timer: NodeJS.Timeout;
  const schedule = (): void => {
    // At least half a period, so that a timer that fires a little early does not fire twice.
    const waitMs = everyMs - (Date.now() % everyMs);
    timer = setTimeout(
      () => {
        schedule();
        work();
      },
      waitMs < everyMs / 2 ? waitMs + everyMs : waitMs,
    );
  };
  schedule();
  return () => clearTimeout(timer);
}
