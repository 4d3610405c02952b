/**
 * Virtual time and seeded chance: a whole system runs in one thread, years play in seconds, and a failure replays from
 * its seed.
 */
import type { Clock, Random } from "../../bus/ports.ts";

/** A clock of one process: after `kill()` its sleeps never end, as those of a process that was killed with -9. */
export interface ProcessClock extends Clock {
  kill(): void;
}

export interface VirtualClock extends Clock {
  /** Plays until virtual time is `untilMs`; what sleeps longer goes on sleeping. */
  run(untilMs: number): Promise<void>;
  /**
   * Plays until `promise` settles and passes its result on. Rejects when nothing sleeps and nothing is held but the
   * promise is open (it would wait for ever), or when virtual time would pass `limitMs` from now.
   */
  settle<T>(promise: Promise<T>, limitMs?: number): Promise<T>;
  /** Time stands still until `work` settles: for work outside of the event loop's sight (a database, a file). */
  hold<T>(work: Promise<T>): Promise<T>;
  /** The clock of one process. */
  attach(): ProcessClock;
  /** How many sleep. */
  readonly sleeping: number;
}

interface Sleeper {
  readonly atMs: number;
  readonly order: number;
  wake: (() => void) | undefined;
}

/** Immediates of clocks that drain now: several may play in one thread, and must not wait for each other. */
let drains = 0;

/** Immediates that make immediates for ever would stop time; no code of ours chains more than a handful. */
const MAX_DRAIN_TURNS = 10_000;
/** Ten virtual years: a settle without limit is a test that waits for what never comes. */
const DEFAULT_LIMIT_MS = 10 * 366 * 86_400_000;

/**
 * Makes a clock that stands at `startMs` (milliseconds since the epoch) and moves only while it is played.
 * Sleeps end in the order of (time, insertion); between two of them all microtasks and immediates run out.
 */
export function createVirtualClock(startMs: number): VirtualClock {
  const heap = createHeap();
  let exactMs = startMs;
  let inserted = 0;
  let held = 0;
  let live = 0;

  function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const done = (): void => {
        sleeper.wake = undefined;
        live--;
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const sleeper: Sleeper = { atMs: exactMs + Math.max(0, ms), order: inserted++, wake: done };
      live++;
      heap.push(sleeper);
      signal?.addEventListener("abort", done, { once: true });
    });
  }

  /** Runs all microtasks and immediates that are ready, and all held work. */
  async function drain(): Promise<void> {
    for (let turn = 0; turn < MAX_DRAIN_TURNS; turn++) {
      drains++;
      await new Promise((resolve) => setImmediate(resolve));
      drains--;
      if (held > 0) turn = 0;
      else if (process.getActiveResourcesInfo().filter((kind) => kind === "Immediate").length <= drains) return;
    }
    throw new Error(`immediates are still made after ${MAX_DRAIN_TURNS} turns: time cannot move`);
  }

  /** Ends the next sleep that is due by `untilMs`; false when there is none. */
  function step(untilMs: number): boolean {
    for (let next = heap.peek(); next !== undefined; next = heap.peek()) {
      if (next.wake !== undefined && next.atMs > untilMs) return false;
      heap.pop();
      if (next.wake === undefined) continue;
      exactMs = Math.max(exactMs, next.atMs);
      next.wake();
      return true;
    }
    return false;
  }

  const clock: Clock = { nowMs: () => Math.floor(exactMs), sleep };
  return {
    ...clock,
    get sleeping() {
      return live;
    },
    async run(untilMs) {
      do await drain();
      while (step(untilMs));
      exactMs = Math.max(exactMs, untilMs);
    },
    async settle(promise, limitMs = DEFAULT_LIMIT_MS) {
      const untilMs = exactMs + limitMs;
      let open = true;
      const close = (): void => {
        open = false;
      };
      promise.then(close, close);
      for (;;) {
        await drain();
        if (!open) return promise;
        if (step(untilMs)) continue;
        throw new Error(
          live > 0 ? `still open after ${limitMs} ms of virtual time` : "still open, and nothing sleeps any more",
        );
      }
    },
    async hold(work) {
      held++;
      try {
        return await work;
      } finally {
        held--;
      }
    },
    attach() {
      let killed = false;
      return {
        nowMs: () => clock.nowMs(),
        sleep: (ms, signal) =>
          new Promise((resolve) => {
            if (killed) return;
            void sleep(ms, signal).then(() => {
              if (!killed) resolve();
            });
          }),
        kill: () => {
          killed = true;
        },
      };
    },
  };
}

/** A binary heap by (time, insertion). */
function createHeap(): { push(item: Sleeper): void; pop(): void; peek(): Sleeper | undefined } {
  const items: Sleeper[] = [];
  const before = (a: Sleeper, b: Sleeper): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
  return {
    peek: () => items[0],
    push(item) {
      let at = items.push(item) - 1;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (!before(item, items[parent]!)) break;
        items[at] = items[parent]!;
        at = parent;
      }
      items[at] = item;
    },
    pop() {
      const last = items.pop();
      if (last === undefined || items.length === 0) return;
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= items.length) break;
        if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++;
        if (!before(items[child]!, last)) break;
        items[at] = items[child]!;
        at = child;
      }
      items[at] = last;
    },
  };
}

export interface SeededRandom extends Random {
  /** A whole number in [0, below). */
  below(below: number): number;
  /** True with `probability`. */
  chance(probability: number): boolean;
  pick<T>(choices: readonly T[]): T;
  /** An independent stream: drawing from it does not move this one. */
  fork(name: string): SeededRandom;
}

const URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** The same numbers for the same seed, on every machine. Generator: splitmix32 over a counter; not for secrets. */
export function createSeededRandom(seed: number | string): SeededRandom {
  let state = hash32(String(seed));
  const fraction = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    mixed ^= mixed >>> 15;
    return (mixed >>> 0) / 0x1_0000_0000;
  };
  const below = (limit: number): number => Math.floor(fraction() * limit);
  return {
    fraction,
    below,
    chance: (probability) => fraction() < probability,
    pick: (choices) => {
      if (choices.length === 0) throw new RangeError("nothing to pick from");
      return choices[below(choices.length)]!;
    },
    token: (length) => Array.from({ length }, () => URL_SAFE[below(64)]).join(""),
    fork: (name) => createSeededRandom(`${seed}/${name}`),
  };
}

/** FNV-1a over UTF-16 units. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}
