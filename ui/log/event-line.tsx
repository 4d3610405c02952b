import type { EventRow } from "../../schemas/views.ts";
import { exactTime, fullTime } from "../words/time.ts";

/** The entity of a subject: what stands between the lane prefix and the lane, shortened in the middle. */
export function entityWords(subject: string): string {
  const tokens = subject.replace(/^log\./, "").split(".");
  return tokens.map((token) => (token.length > 10 ? `${token.slice(0, 4)}…${token.slice(-4)}` : token)).join(".");
}

/** Whether an event tells of something that went wrong, and is marked by a word and a colour. */
export function isTrouble(type: string): boolean {
  return /Failed|Refused|DeadLettered|Interrupted|ProcessExited|IntakePaused/.test(type);
}

/** The cells of one event: time, type, entity, process, and what happened in words. */
export function EventCells({ row, depth, withIds }: { row: EventRow; depth: number; withIds: boolean }) {
  return (
    <>
      <time class="at figure" dateTime={row.at} title={fullTime(row.at)}>
        {exactTime(row.at)}
      </time>
      <span class={`type depth-${depth}${isTrouble(row.type) ? " trouble" : ""}`}>{row.type}</span>
      <span class="entity figure" title={row.subject}>
        {withIds ? row.id : entityWords(row.subject)}
      </span>
      <span class="source">{row.source}</span>
      <span class="line" dir="auto" title={row.line}>
        {row.line}
      </span>
    </>
  );
}
