/** Points in time as people type them: an age, a clock time, an RFC 3339 time, a sequence of the log. Pure. */
import { UsageError } from "./usage.ts";

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `10s`, `5m`, `2h`, `1d` in milliseconds; undefined for anything else. */
export function parseAge(text: string): number | undefined {
  const match = /^(\d{1,6})(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, count = "", unit = ""] = match;
  return Number(count) * (unit === "ms" ? 1 : (UNIT_MS[unit] ?? 0));
}

/** `18:30` (the next one) or a date with time, in milliseconds since the epoch; undefined for anything else. */
export function parseTime(text: string, nowMs: number): number | undefined {
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text.trim());
  if (clock !== null) {
    const due = new Date(nowMs);
    due.setHours(Number(clock[1]), Number(clock[2]), 0, 0);
    if (due.getTime() <= nowMs) due.setDate(due.getDate() + 1);
    return due.getTime();
  }
  if (!/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)/.test(text.trim())) return undefined;
  const ms = Date.parse(text.trim());
  return Number.isNaN(ms) ? undefined : ms;
}

export type Place = { readonly type: "seq"; readonly seq: number } | { readonly type: "time"; readonly atMs: number };

/** A place in the log: `120`, `10m` ago, or a time; `option` as an error names it. @throws UsageError */
export function parsePlace(text: string, option: string, nowMs: number): Place {
  if (/^\d+$/.test(text)) return { type: "seq", seq: Number(text) };
  const age = parseAge(text);
  if (age !== undefined) return { type: "time", atMs: nowMs - age };
  // A clock time means the last one, not the next.
  const clock = /^\d{1,2}:\d{2}$/.test(text);
  const atMs = parseTime(text, nowMs);
  if (atMs === undefined)
    throw new UsageError(`${option} "${text}" is neither a sequence, a time nor an age such as 10m`);
  return { type: "time", atMs: clock && atMs > nowMs ? atMs - 86_400_000 : atMs };
}
