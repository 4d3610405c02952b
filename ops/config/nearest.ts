/** The nearest name by edit distance, for "did you mean". Pure. */

/** Damerau-Levenshtein distance (adjacent swap counts once): number of edits that make `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) best = Math.min(best, (beforeLast[column - 2] ?? 0) + 1);
      current.push(best);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
}

/** The name most like `wrong`; undefined when none is near (more than a third of it differs, at least two edits are free). */
export function nearestName(wrong: string, names: readonly string[]): string | undefined {
  const lower = wrong.toLowerCase();
  let best: { name: string; distance: number } | undefined;
  for (const name of names) {
    const distance = editDistance(lower, name.toLowerCase());
    if (best === undefined || distance < best.distance) best = { name, distance };
  }
  return best !== undefined && best.distance <= Math.max(2, Math.floor(wrong.length / 3)) ? best.name : undefined;
}

/** `; did you mean "x"?` or the list of names when none is near. */
export function suggestion(wrong: string, names: readonly string[]): string {
  const near = nearestName(wrong, names);
  return near === undefined ? `; known: ${names.join(", ")}` : `; did you mean "${near}"?`;
}
