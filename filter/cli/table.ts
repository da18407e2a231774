/** Text tables for terminals. */

/** Callers name much of what stands in a table: what would move a terminal's cursor, or be a command to it, is shown as `?`. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** @param right columns of numbers, by their place */
export function table(
  head: readonly string[],
  cells: readonly (readonly string[])[],
  right: ReadonlySet<number> = new Set(),
): string {
  const rows = cells.map((row) => row.map((cell) => cell.replace(CONTROLS, '?')));
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell[right.has(column) ? 'padStart' : 'padEnd'](widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** @returns the columns from one on */
export function rightFrom(first: number, columns: number): ReadonlySet<number> {
  return new Set(Array.from({ length: columns - first }, (_, index) => first + index));
}
