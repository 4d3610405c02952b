/** The ports Clock and Random, so that a whole system can run in virtual time from one seed. */
import { randomBytes } from "node:crypto";

export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** `length` URL-safe characters. */
  token(length: number): string;
  /** A number in [0, 1), for jitter only. */
  fraction(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener("abort", done, { once: true });
    }),
};

export const systemRandom: Random = {
  token: (length) => randomBytes(length).toString("base64url").slice(0, length),
  fraction: () => Math.random(),
};
