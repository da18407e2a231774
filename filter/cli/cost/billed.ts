/** A row of a provider's export, whoever the provider is: what it counts and bills for a model on a day. */
import { isDay } from '../selection.ts';
import { attoOf } from './money.ts';

/** Of tokens and money that exports have. `input`: all of it, cached tokens included. */
export const MEASURES = ['input', 'cache read', 'cache write', 'output', 'USD'] as const;
export type Measure = (typeof MEASURES)[number];

export interface Billed {
  /** UTC, `2026-11-25`. */
  readonly day: string;
  /** Empty: the export tells none. */
  readonly model: string;
  /** Tokens, or units of 1e-18 USD. A measure that the export does not have is absent. */
  readonly amounts: ReadonlyMap<Measure, bigint>;
}

/** What a row has none of that we could compare: another service, a tax, a credit. */
export interface NotOurs {
  readonly notOurs: true;
  readonly attoUsd: bigint;
}

/** A cell that is not what its column should have. */
export class CellError extends Error {}

/** ISO 8601, seconds since 1970, or Azure's month/day/year. @throws CellError */
export function dayOf(text: string): string {
  if (/^\d{9,10}$/.test(text)) return new Date(Number(text) * 1000).toISOString().slice(0, 10);
  const [, month, day, year] = /^(\d\d?)\/(\d\d?)\/(\d{4})/.exec(text) ?? [];
  if (month !== undefined && day !== undefined && year !== undefined) {
    if (Number(month) > 12) throw new CellError(`expected month/day/year, found ${JSON.stringify(text)}`);
    return checked(`${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`, text);
  }
  const [, compact] = /^(20\d{6})$/.exec(text) ?? [];
  if (compact !== undefined) return checked(`${compact.slice(0, 4)}-${compact.slice(4, 6)}-${compact.slice(6)}`, text);
  // A time with an offset is of another day in UTC; without one exports mean UTC.
  const written = checked(text.slice(0, 10), text);
  const [, time, hours, minutes = '00'] = /^(.{10}[T ]\d\d:\d\d.*)([+-]\d\d):?(\d\d)?$/.exec(text) ?? [];
  if (time === undefined || hours === undefined) return written;
  const at = Date.parse(`${time.replace(' ', 'T').trim()}${hours}:${minutes}`);
  if (Number.isNaN(at)) throw new CellError(`expected a time, found ${JSON.stringify(text)}`);
  return new Date(at).toISOString().slice(0, 10);
}

/** @param day as in `2026-11-25` @throws CellError for one that no calendar has */
function checked(day: string, text: string): string {
  if (!/^\d{4}-\d\d-\d\d$/.test(day) || !isDay(day)) throw new CellError(`expected a date, found ${JSON.stringify(text)}`);
  return day;
}

/** @returns undefined for what is no day: sums and taxes may have none */
export function dayIn(text: string): string | undefined {
  try {
    return dayOf(text);
  } catch {
    return undefined;
  }
}

/** `59200.0` is whole, and nothing is 0. @throws CellError */
export function tokensOf(text: string): bigint {
  if (text === '') return 0n;
  const atto = attoOf(text);
  if (atto === undefined || atto % 10n ** 18n !== 0n)
    throw new CellError(`expected a number of tokens, found ${JSON.stringify(text)}`);
  return atto / 10n ** 18n;
}

/** Nothing is 0. @throws CellError */
export function attoUsdOf(text: string): bigint {
  if (text === '') return 0n;
  const atto = attoOf(text);
  if (atto === undefined) throw new CellError(`expected an amount of money, found ${JSON.stringify(text)}`);
  return atto;
}
