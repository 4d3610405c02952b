/** A rebuild in words, for 80 columns. Pure. */
import type { RebuildDifference, RebuildOutcome } from "../../bus/rebuild.ts";
import type { ViewName } from "./messages.ts";

const WIDTH = 80;
/** Of a long row, what stands before the first character that differs. */
const LEAD = 16;

export function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

function speed(events: number, ms: number): string {
  return `${grouped(Math.round((events / Math.max(ms, 1)) * 1000))} a second`;
}

/** The same stretch of both sides, around the first character that differs. */
function excerpts({ live = "nothing", rebuilt = "nothing" }: RebuildDifference): [string, string] {
  let at = 0;
  while (at < live.length && live[at] === rebuilt[at]) at++;
  const from = Math.max(0, at - LEAD);
  const cut = (text: string): string => {
    const room = WIDTH - 14;
    const part = `${from > 0 ? "…" : ""}${text.slice(from)}`;
    return part.length > room ? `${part.slice(0, room - 1)}…` : part;
  };
  return [cut(live), cut(rebuilt)];
}

export function describeOutcome(view: ViewName, outcome: RebuildOutcome, ms: number): string[] {
  const { seq, events, wentOnAt, begunAnew, liveHash, rebuiltHash, notCompared, difference, swapped, before } = outcome;
  const lines = [`${view}: ${grouped(events)} events in ${(ms / 1000).toFixed(1)} s, ${speed(events, ms)}`];
  if (wentOnAt !== undefined)
    lines.push(`  went on behind event ${grouped(wentOnAt)}, where the last rebuild had come`);
  if (begunAnew !== undefined) lines.push(`  begun anew; what the last rebuild left is of no use: ${begunAnew}`);
  if (liveHash !== undefined) lines.push(`  live     ${liveHash}`);
  lines.push(`  rebuilt  ${rebuiltHash}`);
  const place = swapped ? "the new one is in place" : "the live one stays";
  if (notCompared !== undefined) {
    lines.push(`  not compared: ${notCompared}`, `  to event ${grouped(seq)}; ${place}`);
  } else if (difference === undefined) lines.push(`  equal at event ${grouped(seq)}; ${place}`);
  else {
    const [live, rebuilt] = excerpts(difference);
    lines.push(`  DIFFERENT at event ${grouped(seq)}, first in ${difference.where}:`);
    lines.push(`    live     ${live}`, `    rebuilt  ${rebuilt}`, `  ${place}`);
    if (before !== undefined) lines.push(`  the old one is kept: ${before}`);
  }
  return lines;
}

export function progressLine(view: ViewName, seq: number, toSeq: number, perSecond: number): string {
  const left = perSecond > 0 ? `, ${Math.ceil((toSeq - seq) / perSecond)} s left` : "";
  return `${view}: event ${grouped(seq)} of ${grouped(toSeq)}, ${grouped(Math.round(perSecond))} a second${left}`;
}
