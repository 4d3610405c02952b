/** When a process that ended is started again. Pure. */

/** Doubling starts here: long enough not to burn a core, short enough to be back within a second. */
const FIRST_BACKOFF_MS = 250;
/** A process that fails for good shows up in the log every ten seconds and costs next to nothing. */
const MAX_BACKOFF_MS = 10_000;
/** Ready for this long counts as healthy: the next end is a new matter. */
export const HEALTHY_AFTER_MS = 30_000;

/** Delay before the next start after `failures` ends in a row (0 for the first): at once, then 0.25 s doubling to 10 s. */
export function restartDelayMs(failures: number): number {
  if (failures <= 0) return 0;
  return Math.min(FIRST_BACKOFF_MS * 2 ** Math.min(failures - 1, 20), MAX_BACKOFF_MS);
}

/** Ends in a row to count on from, for a process that was ready for `readyMs` (undefined: never). */
export function failuresAfter(failures: number, readyMs: number | undefined): number {
  return readyMs !== undefined && readyMs >= HEALTHY_AFTER_MS ? 0 : failures;
}
