/** Figures over a log of any length in bounded memory. Pure. */

/** Buckets are this much wider each: a percentile is at most 1 % off. */
const GROWTH = 1.02;
/** Times beyond about a year are one bucket: 1,200 buckets at the most. */
const MAX_MS = 3.2e10;

/**
 * Percentiles of times from logarithmic buckets (the idea of DDSketch, Masson et al. 2019): at most 1,200 counters
 * however many times are added, and each percentile within 1 % of a time that was added.
 */
export class TimeSketch {
  readonly #buckets = new Map<number, number>();
  #count = 0;
  #maxMs = 0;

  add(ms: number): void {
    const bounded = Math.min(Math.max(ms, 0), MAX_MS);
    const bucket = bounded < 1 ? -1 : Math.floor(Math.log(bounded) / Math.log(GROWTH));
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1);
    this.#count++;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  get count(): number {
    return this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** Time in milliseconds that `share` (0 to 1) of all do not exceed; undefined without any. */
  percentile(share: number): number | undefined {
    if (this.#count === 0) return undefined;
    let left = Math.max(1, Math.ceil(share * this.#count));
    for (const [bucket, count] of [...this.#buckets].toSorted(([a], [b]) => a - b)) {
      left -= count;
      // The middle of the bucket, but never above what was there.
      if (left <= 0) return bucket < 0 ? 0 : Math.min(GROWTH ** (bucket + 0.5), this.#maxMs);
    }
    return this.#maxMs;
  }
}

/**
 * The most frequent of any number of names with at most `places` counters (Misra and Gries 1982): exact while there are
 * no more names than places; beyond, each count is too low by at most `missing`.
 */
export class TopNames {
  readonly #places: number;
  readonly #counts = new Map<string, number>();
  #missing = 0;

  constructor(places: number) {
    this.#places = places;
  }

  add(name: string): void {
    const known = this.#counts.get(name);
    if (known !== undefined) this.#counts.set(name, known + 1);
    else if (this.#counts.size < this.#places) this.#counts.set(name, 1);
    else this.#decrement();
  }

  /** Takes one from everybody; it happens once in `places` new names at the most, so it costs little in all. */
  #decrement(): void {
    this.#missing++;
    for (const [name, count] of this.#counts) {
      if (count === 1) this.#counts.delete(name);
      else this.#counts.set(name, count - 1);
    }
  }

  /** How much each count may be too low. */
  get missing(): number {
    return this.#missing;
  }

  /** Names kept; all there are while `missing` is 0. */
  get size(): number {
    return this.#counts.size;
  }

  top(count: number): { readonly name: string; readonly count: number }[] {
    return [...this.#counts]
      .map(([name, many]) => ({ name, count: many }))
      .toSorted((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
      .slice(0, count);
  }
}
