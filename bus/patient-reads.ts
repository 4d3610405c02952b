/** Reads that outlast a broker's restart: what was half done with a result in hand must not be given up for a read. */
import { TaffrailError } from "./errors.ts";
import type { Log } from "./log.ts";
import type { Clock } from "./ports.ts";

/** As long as an append is tried: a broker that is away longer needs a person. */
const LIMIT_MS = 60_000;
const FIRST_DELAY_MS = 25;
const MAX_DELAY_MS = 1_000;

/** The log with a `fetch` and a `get` that are tried again while the broker does not answer, at most for `LIMIT_MS`. */
export function patientReads(log: Log, { clock, signal }: { clock: Clock; signal: AbortSignal }): Log {
  async function patiently<T>(read: () => Promise<T>): Promise<T> {
    const untilMs = clock.nowMs() + LIMIT_MS;
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 2, MAX_DELAY_MS)) {
      try {
        return await read();
      } catch (error) {
        const passing = error instanceof TaffrailError && error.retryable;
        if (!passing || signal.aborted || clock.nowMs() >= untilMs) throw error;
      }
      await clock.sleep(delayMs, signal);
    }
  }
  return {
    ...log,
    fetch: (options) => patiently(() => log.fetch(options)),
    get: (seq) => patiently(() => log.get(seq)),
  };
}
