/** Small pictures of numbers, for terminals. */

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;
const LEVELS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/** @param share from 0 to 1 @returns as many characters, blank where there is nothing */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(Math.max(share, 0), 1) * width * 8);
  return ('█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '')).padEnd(width);
}

/** One character for each value, the highest the largest of them. */
export function sparkline(values: readonly bigint[]): string {
  let largest = 0n;
  for (const value of values) if (value > largest) largest = value;
  return values
    .map((value) => (value <= 0n || largest === 0n ? '·' : (LEVELS[Number((value * 7n) / largest)] ?? '█')))
    .join('');
}
