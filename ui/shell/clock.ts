/** The time now as signals, so that words such as "3 min ago" stay true. Each ticks only while something reads it. */
import { signal } from "@preact/signals";

function ticking(everyMs: number) {
  let timer: ReturnType<typeof setInterval> | undefined;
  const now = signal(Date.now(), {
    watched() {
      now.value = Date.now();
      timer = setInterval(() => (now.value = Date.now()), everyMs);
    },
    unwatched() {
      clearInterval(timer);
    },
  });
  return now;
}

/** For times in words. */
export const slowNow = ticking(20_000);
/** For something that runs. */
export const quickNow = ticking(1_000);
