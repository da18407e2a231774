/** Durations and money as policies and headers write them. */

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000 } as const;

/** `700ms`, `20s`, `10m`. @returns milliseconds; undefined for what is no duration */
export function parseDuration(text: string | undefined): number | undefined {
  const match = /^(\d{1,9})(ms|s|m)$/.exec(text ?? '');
  const unit = match?.[2];
  if (unit !== 'ms' && unit !== 's' && unit !== 'm') return undefined;
  return Number(match?.[1]) * UNIT_MS[unit];
}

/** Money is counted in whole pico-dollars: a token of the cheapest model costs thousands of them, and no sum rounds. */
export const PICO_USD = 1_000_000_000_000;

/** US dollars as a decimal, such as `0.05`; at most a thousand, at most 12 decimals. @returns pico-dollars; undefined for anything else */
export function parseUsd(text: string): number | undefined {
  const match = /^(\d{1,4})(?:\.(\d{1,12}))?$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * PICO_USD + Number((match[2] ?? '').padEnd(12, '0'));
}

/** @returns US dollars as a decimal without needless zeros */
export function formatUsd(picoUsd: number): string {
  const whole = Math.floor(picoUsd / PICO_USD);
  const fraction = String(Math.round(picoUsd % PICO_USD))
    .padStart(12, '0')
    .replace(/0+$/, '');
  return fraction === '' ? String(whole) : `${whole}.${fraction}`;
}
