/** Columns of text. Pure. */

/** `right` holds the indices of columns that are set to the right (numbers). */
export function table(head: readonly string[], rows: readonly (readonly string[])[], right: readonly number[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
