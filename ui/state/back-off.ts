/** How long to wait before the next attempt: 0.25 s, doubled to at most 5 s, so that a restart is found soon and a dead server is left in peace. */

export const firstDelayMs = 250;
export const longestDelayMs = 5000;

/** Delay in milliseconds before attempt `attempt` (1 is the first retry). `random` in 0..1 spreads many pages by up to a fifth. */
export function delayMs(attempt: number, random = 0): number {
  const full = Math.min(firstDelayMs * 2 ** Math.max(0, attempt - 1), longestDelayMs);
  return Math.round(full * (1 - random / 5));
}
