/** Durations and money as policies and headers write them. */

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000 } as const;

/** `700ms`, `20s`, `10m`. @returns milliseconds; undefined for what is no duration */
export function parseDuration(text: string | undefined): number | undefined {
  const match = /^(\d{1,9})(ms|s|m)$/.exec(text ?? '');
  const unit = match?.[2];
  if (unit !== 'ms' && unit !== 's' && unit !== 'm') return undefined;
  return Number(match?.[1]) * UNIT_MS[unit];
}

/** Money is counted in whole nano-dollars: sums up to nine million dollars are exact. */
const NANO_USD = 1_000_000_000;

/** US dollars as a decimal, such as `0.05`; up to nine million, at most 9 decimals. @returns nano-dollars; undefined for anything else */
export function parseUsd(text: string): number | undefined {
  const match = /^(\d{1,7})(?:\.(\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  const nano = Number(match[1]) * NANO_USD + Number((match[2] ?? '').padEnd(9, '0'));
  return Number.isSafeInteger(nano) ? nano : undefined;
}

/** US dollars per million tokens, a decimal of at most 6 places. @returns pico-dollars per token; undefined for anything else */
export function parseRate(text: string): number | undefined {
  const match = /^(\d{1,6})(?:\.(\d{1,6}))?$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * 1_000_000 + Number((match[2] ?? '').padEnd(6, '0'));
}

/** @returns US dollars as a decimal without needless zeros */
export function formatUsd(nanoUsd: number): string {
  const sign = nanoUsd < 0 ? '-' : '';
  const whole = Math.floor(Math.abs(nanoUsd) / NANO_USD);
  const fraction = String(Math.abs(nanoUsd) % NANO_USD)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return sign + (fraction === '' ? String(whole) : `${whole}.${fraction}`);
}
