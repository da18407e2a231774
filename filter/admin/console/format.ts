/** Numbers, money and times as the pages say them. Times are UTC, as in the audit log. */
import { type Html, html } from './html.ts';

const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const CENTS = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const DIMES = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 4 });
const SMALL = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 9 });
const NANO = 1e9;

export function whole(value: number): string {
  return WHOLE.format(value);
}

/** Small amounts keep the digits that make them more than nothing. */
export function usd(nanoUsd: number): string {
  const dollars = nanoUsd / NANO;
  const size = Math.abs(dollars);
  return `$${(size >= 1 || size === 0 ? CENTS : size >= 0.01 ? DIMES : SMALL).format(dollars)}`;
}

/** @param share 0 to 1; a few of very many are not told as none, nor nearly all as all */
export function percent(share: number): string {
  const value = share * 100;
  if (value > 0 && value < 0.1) return '<0.1 %';
  if (value > 99.9 && value < 100) return '>99.9 %';
  return `${value >= 10 || value === 0 ? value.toFixed(value % 1 === 0 ? 0 : 1) : value.toFixed(1)} %`;
}

/** Never `1 min 60 s`: it is rounded before it is divided. */
export function duration(ms: number | undefined): string {
  if (ms === undefined) return '–';
  if (ms === 0) return '0 ms';
  if (ms < 0.05) return '<0.1 ms';
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.round(ms / 3_600_000);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** When a sick target is asked again. */
export function again(until: number, now: number): string {
  return until <= now ? 'the next request tries it' : `asked again in ${duration(until - now)}`;
}

/** When a key that is turned down is tested or used again. */
export function keyAgain(condition: 'refused' | 'cooling', until: number, now: number): string {
  if (until <= now) return condition === 'refused' ? 'the next request tests it' : 'used again now';
  return `${condition === 'refused' ? 'tested' : 'used'} again in ${duration(until - now)}`;
}

export function bytes(count: number): string {
  if (count < 1_024) return `${count} B`;
  if (count < 1_048_576) return `${(count / 1_024).toFixed(1)} KiB`;
  if (count < 1_073_741_824) return `${(count / 1_048_576).toFixed(1)} MiB`;
  return `${(count / 1_073_741_824).toFixed(1)} GiB`;
}

/** `18:42:07`, of today; else with its day. */
export function clock(at: number, now: number): Html {
  const iso = new Date(at).toISOString();
  const day = iso.slice(0, 10);
  const told = day === new Date(now).toISOString().slice(0, 10) ? iso.slice(11, 19) : `${day} ${iso.slice(11, 19)}`;
  return html`<time datetime="${iso}">${told}</time>`;
}

/** Underscores are for programs. */
export function words(name: string): string {
  return name.replaceAll('_', ' ');
}
