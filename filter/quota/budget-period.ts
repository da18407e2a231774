/** Days and months of UTC as numbers, so that any two of one kind can be compared. settle.lua and admit.lua count the same way. */
import type { BudgetPeriod } from '../policy/compiled/quota.ts';

const DAY_MS = 86_400_000;

/** @param epochMs milliseconds since 1970 @returns days since 1970, or months since year 0 */
export function periodAt(epochMs: number, period: BudgetPeriod): number {
  if (period === 'day') return Math.floor(epochMs / DAY_MS);
  return monthAt(epochMs).number;
}

/** @returns when the period that `epochMs` lies in ends, in milliseconds since 1970 */
export function periodEnd(epochMs: number, period: BudgetPeriod): number {
  if (period === 'day') return (Math.floor(epochMs / DAY_MS) + 1) * DAY_MS;
  return monthAt(epochMs).end;
}

let month = { number: 0, start: 0, end: 0 };

/** Nearly every question is about the month of the one before. */
function monthAt(epochMs: number): { readonly number: number; readonly end: number } {
  if (epochMs < month.start || epochMs >= month.end) {
    const date = new Date(epochMs);
    const [year, index] = [date.getUTCFullYear(), date.getUTCMonth()];
    month = { number: year * 12 + index, start: Date.UTC(year, index), end: Date.UTC(year, index + 1) };
  }
  return month;
}
