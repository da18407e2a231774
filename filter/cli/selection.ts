/** Which audit records are wanted, as commands are told it. */
import { parseDuration } from '../quantities.ts';
import type { Selection } from './audit-records.ts';

/** Asked for wrongly: told together with how to ask. */
export class UsageError extends Error {}

const text = { type: 'string' } as const;

/** For `parseArgs`. */
export const SELECTION_OPTIONS = {
  ...{ tenant: text, alias: text, outcome: text, request: text, since: text, until: text },
} as const;

export type SelectionOptions = Readonly<Partial<Record<keyof typeof SELECTION_OPTIONS, string>>>;

/** @throws UsageError */
export function selectionOf({ tenant, alias, outcome, request, since, until }: SelectionOptions): Selection {
  return { tenant, alias, outcome, request, sinceMs: timeOf('--since', since), untilMs: timeOf('--until', until) };
}

const LONG_MS = { h: 3_600_000, d: 86_400_000 } as const;

/** A day, with or without a time and an offset. */
const TIME = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** @param text `2026-02-30` is none: `Date.parse` takes it for one of March @returns whether a calendar has it */
export function isDay(text: string): boolean {
  const at = Date.parse(text);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}

/** A time, UTC where it does not say otherwise, or how long ago. @returns milliseconds since the epoch @throws UsageError */
export function timeOf(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const [, amount, unit] = /^(\d{1,6})([hd])$/.exec(value) ?? [];
  const ago = unit === 'h' || unit === 'd' ? Number(amount) * LONG_MS[unit] : parseDuration(value);
  const at = ago === undefined ? pointOf(value) : Date.now() - ago;
  if (Number.isNaN(at))
    throw new UsageError(
      `${option}: expected 7d, 24h, 30m, 10s or a time such as 2026-11-25T12:00:00Z, found ${JSON.stringify(value)}`,
    );
  return at;
}

/** `Date.parse` takes a time without an offset for one of this machine's zone, and a lone `7` for a month. */
function pointOf(value: string): number {
  const found = TIME.exec(value);
  if (found === null || !isDay(value.slice(0, 'YYYY-MM-DD'.length))) return Number.NaN;
  const hasOffset = found[1] !== undefined || value.length === 'YYYY-MM-DD'.length;
  return Date.parse(`${value.replace(' ', 'T')}${hasOffset ? '' : 'Z'}`);
}
