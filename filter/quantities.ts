/** Durations and money as policies and headers write them. */

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000 } as const;

/** `700ms`, `20s`, `10m`. @returns milliseconds; undefined for what is no duration */
export function parseDuration(text: string | undefined): number | undefined {
  const match = /^(\d{1,9})(ms|s|m)$/.exec(text ?? '');
  const unit = match?.[2];
  if (unit !== 'ms' && unit !== 's' && unit !== 'm') return undefined;
  return Number(match?.[1]) * UNIT_MS[unit];
}

/** Amounts of money are whole nano-dollars: exact in a number up to nine million dollars. Rates per token are finer (see prices/). */
export const NANO_USD = 1_000_000_000;

/** US dollars as a decimal, such as `0.05`; at most nine million, at most 9 decimals. @returns nano-dollars; undefined for anything else */
export function parseUsd(text: string): number | undefined {
  const match = /^(\d{1,7})(?:\.(\d{1,9}))?$/.exec(text);
  if (match === null) return undefined;
  const nanoUsd = Number(match[1]) * NANO_USD + Number((match[2] ?? '').padEnd(9, '0'));
  return Number.isSafeInteger(nanoUsd) ? nanoUsd : undefined;
}

/** @returns US dollars as a decimal without needless zeros */
export function formatUsd(nanoUsd: number): string {
  if (nanoUsd < 0) return `-${formatUsd(-nanoUsd)}`;
  // The remainder is exact where a quotient of large amounts is not.
  const rest = nanoUsd % NANO_USD;
  const fraction = String(rest).padStart(9, '0').replace(/0+$/, '');
  const whole = String((nanoUsd - rest) / NANO_USD);
  return fraction === '' ? whole : `${whole}.${fraction}`;
}
