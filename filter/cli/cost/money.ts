/** Money and counts as people read them, and decimals as files have them: exact. */
import { NANO_USD } from '../../quantities.ts';

const NANO = BigInt(NANO_USD);

/** @returns US dollars with all nine decimals */
export function exactUsd(nanoUsd: bigint): string {
  return rounded(nanoUsd, 9);
}

/** @returns US dollars with so many decimals, half to even */
export function roundedUsd(nanoUsd: bigint, decimals: number): string {
  return rounded(divided(nanoUsd, 10n ** BigInt(9 - decimals)), decimals);
}

function rounded(units: bigint, decimals: number): string {
  const size = units < 0n ? -units : units;
  const one = 10n ** BigInt(decimals);
  return `${units < 0n ? '-' : ''}${size / one}.${String(size % one).padStart(decimals, '0')}`;
}

/** @param divisor above 0 @returns the nearest whole number, half to even */
export function divided(value: bigint, divisor: bigint): bigint {
  if (value < 0n) return -divided(-value, divisor);
  const whole = value / divisor;
  const twice = (value % divisor) * 2n;
  return twice > divisor || (twice === divisor && whole % 2n === 1n) ? whole + 1n : whole;
}

/** @returns nano-dollars a request, to the nearest */
export function costOfOne(nanoUsd: bigint, requests: number): bigint | undefined {
  return requests === 0 ? undefined : divided(nanoUsd, BigInt(requests));
}

/** @returns from 0 to 1; of nothing: 0 */
export function shareOf(part: bigint, whole: bigint): number {
  return whole === 0n ? 0 : Number((part * 1_000_000n) / whole) / 1_000_000;
}

/** @returns such as `12.3%` */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

const UNITS = ['', 'k', 'M', 'G', 'T'] as const;

/** @returns such as `12.3M`: four digits at most */
export function short(count: number): string {
  let value = count;
  for (const unit of UNITS) {
    if (value < 999.5 || unit === 'T') return unit === '' ? String(value) : `${value.toFixed(value < 99.95 ? 1 : 0)}${unit}`;
    value /= 1000;
  }
  return String(count);
}

/**
 * A decimal as exports write it: a sign, an exponent, a dollar sign, commas between thousands. Another currency's sign is no dollar's.
 * @returns whole units of 1e-18, what is below is cut; undefined for anything else
 */
export function attoOf(text: string): bigint | undefined {
  const match = /^([+-]?)\$?(\d+|\d{1,3}(?:,\d{3})+)?(?:\.(\d*))?(?:e([+-]?\d{1,2}))?$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const digits = whole.replaceAll(',', '') + fraction;
  if (digits === '') return undefined;
  const zeros = 18 - fraction.length + Number(exponent);
  const value = zeros >= 0 ? BigInt(digits) * 10n ** BigInt(zeros) : BigInt(digits) / 10n ** BigInt(-zeros);
  return sign === '-' ? -value : value;
}

/** One unit of what `attoOf` returns is so small. */
export const ATTO = 10n ** 18n;

/** @returns nano-dollars, half to even */
export function nanoOfAtto(attoUsd: bigint): bigint {
  return divided(attoUsd, ATTO / NANO);
}
