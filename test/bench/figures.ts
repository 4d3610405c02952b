/** Figures of a benchmark: medians, spreads, aims, and how they are printed. Pure. */

export interface Aim {
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** One figure. `low` and `high` are the best and the worst round (or sample), so that noise can be seen. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
  readonly aim?: Aim;
}

export interface ScenarioResult {
  readonly scenario: string;
  readonly figures: readonly Figure[];
  /** What a reader must know to judge the figures. */
  readonly notes: readonly string[];
  /** Why there are no figures. */
  readonly skipped?: string;
}

/** The `part` (0 to 1) quantile by linear interpolation; NaN of nothing. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? below;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** A figure from its rounds. */
export function figure(name: string, unit: string, values: readonly number[], aim?: Aim): Figure {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return { name, unit, value: median(values), low, high, rounds: values.length, ...(aim === undefined ? {} : { aim }) };
}

/** True or false for a figure with an aim, undefined without one. */
export function isMet({ aim, value }: Figure): boolean | undefined {
  if (aim === undefined) return undefined;
  return value <= (aim.atMost ?? Number.POSITIVE_INFINITY) && value >= (aim.atLeast ?? Number.NEGATIVE_INFINITY);
}

function short(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

function aimText({ aim }: Figure): string {
  if (aim?.atMost !== undefined) return `<= ${aim.atMost}`;
  return aim?.atLeast === undefined ? "" : `>= ${aim.atLeast}`;
}

function row(name: string, value: string, unit: string, spread: string, aim: string, met: string): string {
  return `${name.padEnd(33)}${value.padStart(8)} ${unit.padEnd(10)}${spread.padStart(14)}  ${aim.padEnd(8)}${met}`;
}

/** Lines of at most 80 columns. */
export function tableLines(results: readonly ScenarioResult[]): string[] {
  const lines = [row("figure", "median", "", "low-high", "aim", "met"), "-".repeat(80)];
  for (const { scenario, figures, notes, skipped } of results) {
    lines.push(skipped === undefined ? scenario : `${scenario}: SKIPPED, ${skipped}`);
    for (const one of figures) {
      const met = isMet(one);
      const spread = one.low === one.high ? "" : `${short(one.low)}-${short(one.high)}`;
      const verdict = met === undefined ? "" : met ? "yes" : "NO";
      lines.push(row(`  ${one.name}`, short(one.value), one.unit, spread, aimText(one), verdict));
    }
    for (const note of notes) lines.push(...wrapped(note));
  }
  return lines;
}

function wrapped(note: string): string[] {
  const lines: string[] = [];
  let line = "   ";
  for (const word of note.split(" ")) {
    if (line.length + 1 + word.length > 80) {
      lines.push(line);
      line = "   ";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
