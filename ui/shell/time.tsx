import { fullTime, timeWords } from "../words/time.ts";
import { slowNow } from "./clock.ts";

/** A time in words; the full time with its zone on hover. `at` is RFC 3339. */
export function Time({ at }: { at: string }) {
  return (
    <time dateTime={at} title={fullTime(at)}>
      {timeWords(at, slowNow.value)}
    </time>
  );
}
