/** What is asked of the audit search, and what it answers: plain data, for it goes to another thread. */
import type { AuditLine } from '../../observability/audit-record.ts';

export const FIELDS = ['tenant', 'feature', 'agent', 'alias', 'target', 'outcome', 'request'] as const;
export type Field = (typeof FIELDS)[number];

export interface AuditQuery {
  readonly fields: Readonly<Partial<Record<Field, string>>>;
  /** Milliseconds since the epoch. */
  readonly sinceMs: number | undefined;
  /** Where the page before ended. */
  readonly cursor: Cursor | undefined;
  readonly limit: number;
}

/** By chain: the segment, by its first record, and how much of it is not read yet. Chains that are not in it are read to their beginning. */
export type Cursor = Readonly<Record<string, { readonly firstSeq: number; readonly bytes: number }>>;

export interface AuditPage {
  /** Newest first. */
  readonly records: readonly AuditLine[];
  /** Undefined: there is no more. */
  readonly next: Cursor | undefined;
  /** Why it stopped. `limit`: the page is full. `bounded`: it has read for long enough; `next` goes on. */
  readonly ended: 'all' | 'limit' | 'bounded';
  readonly readBytes: number;
  readonly tookMs: number;
  /** Lines that are no records. */
  readonly unreadable: number;
  /** How far back it looked. */
  readonly backTo: string | undefined;
}

const CHAIN = /^[A-Za-z0-9_-]{1,64}$/;

/** @returns such as `filter-1~1200~4711.filter-2~1~0` */
export function cursorText(cursor: Cursor): string {
  return Object.entries(cursor)
    .map(([chain, { firstSeq, bytes }]) => `${chain}~${firstSeq}~${bytes}`)
    .join('.');
}

/** @returns undefined for what is no cursor */
export function cursorOf(text: string): Cursor | undefined {
  const parts = text.split('.').map((part) => part.split('~'));
  const entries = parts.map(([chain = '', firstSeq = '', bytes = '', ...rest]) => {
    const isGood = CHAIN.test(chain) && /^\d{1,15}$/.test(firstSeq) && /^\d{1,15}$/.test(bytes) && rest.length === 0;
    return isGood ? ([chain, { firstSeq: Number(firstSeq), bytes: Number(bytes) }] as const) : undefined;
  });
  if (entries.length > 256 || entries.some((entry) => entry === undefined)) return undefined;
  return Object.fromEntries(entries.filter((entry) => entry !== undefined));
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `15m`, `24h`, `7d`, or a time. @returns undefined for what is neither */
export function sinceOf(text: string, now: number): number | undefined {
  const [, amount, unit] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  if (amount !== undefined && unit !== undefined) return now - Number(amount) * (UNIT_MS[unit] ?? 0);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}
