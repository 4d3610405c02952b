/** Times and spans in words: relative up to an hour, then the clock, the full time with zone for those who ask. Pure. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
const dayAndClock = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hour12: false,
});
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const exact = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hour12: false,
});

/** `at` is RFC 3339. A time slightly ahead (clocks differ) is "now". */
export function timeWords(at: string, nowMs: number): string {
  const atMs = Date.parse(at);
  if (Number.isNaN(atMs)) return "";
  const minutes = Math.floor((nowMs - atMs) / 60_000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min ago`;
  const sameDay = new Date(atMs).toDateString() === new Date(nowMs).toDateString();
  return (sameDay ? clock : dayAndClock).format(atMs);
}

/** The whole time with its zone. */
export function fullTime(at: string): string {
  const atMs = Date.parse(at);
  return Number.isNaN(atMs) ? at : full.format(atMs);
}

/** Clock time to the millisecond, for the log. */
export function exactTime(at: string): string {
  const atMs = Date.parse(at);
  return Number.isNaN(atMs) ? at : exact.format(atMs);
}

/** A span in words: `180 ms`, `4 s`, `2 min 5 s`. */
export function spanWords(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
