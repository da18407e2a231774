/** Spend by day and tenant, added up out of the audit log, and how far it was read: what the console keeps in the state directory. */
import type { Cursor } from '../../observability/export-cursor.ts';

/** Days that are kept. */
const MAX_DAYS = 92;
/** Of one day and chain; those that come later share the row named so. */
const MAX_TENANTS = 500;
const OTHERS = '(others)';
const NOBODY = '(unknown)';

const DAY = /^\d{4}-\d\d-\d\dT/;

/** Of an audit record, what is summed. */
export type AnyLine = Readonly<Partial<Record<'time' | 'tenant' | 'usage' | 'cost_nano_usd', unknown>>>;

/** Of answers that used something. */
interface Sums {
  answers: number;
  nanoUsd: bigint;
  /** Of targets without a price: their money is in no sum. */
  unpriced: number;
}

export interface DaySpend extends Readonly<Sums> {
  /** UTC, `2026-11-25`. */
  readonly day: string;
  /** Most spent first. */
  readonly tenants: readonly (Readonly<Sums> & { readonly tenant: string })[];
}

/** One process's chain. */
export class ChainSums {
  cursor: Cursor | undefined;
  readonly #days = new Map<string, Map<string, Sums>>();

  /** The chain was begun anew: what was read was another one. */
  clear(): void {
    this.#days.clear();
  }

  /** What tells no day, or used nothing, is passed over: another program may have written it. */
  add({ time, tenant, usage, cost_nano_usd: cost }: AnyLine): void {
    if (typeof time !== 'string' || !DAY.test(time) || usage === null || usage === undefined) return;
    const sums = this.#sumsOf(time.slice(0, 10), typeof tenant === 'string' ? tenant : NOBODY);
    sums.answers += 1;
    if (typeof cost === 'number' && Number.isSafeInteger(cost)) sums.nanoUsd += BigInt(cost);
    else sums.unpriced += 1;
  }

  #sumsOf(day: string, tenant: string): Sums {
    let tenants = this.#days.get(day);
    if (tenants === undefined) {
      tenants = new Map();
      this.#days.set(day, tenants);
      if (this.#days.size > MAX_DAYS) this.#days.delete([...this.#days.keys()].sort()[0] ?? day);
    }
    const name = tenants.has(tenant) || tenants.size < MAX_TENANTS ? tenant : OTHERS;
    let sums = tenants.get(name);
    if (sums === undefined) {
      sums = { answers: 0, nanoUsd: 0n, unpriced: 0 };
      tenants.set(name, sums);
    }
    return sums;
  }

  *[Symbol.iterator](): Generator<{ readonly day: string; readonly tenant: string } & Readonly<Sums>> {
    for (const [day, tenants] of this.#days) for (const [tenant, sums] of tenants) yield { day, tenant, ...sums };
  }

  toJSON(): unknown {
    return {
      cursor: this.cursor ?? null,
      rows: [...this].map(({ day, tenant, answers, nanoUsd, unpriced }) => [
        day,
        tenant,
        answers,
        String(nanoUsd),
        unpriced,
      ]),
    };
  }

  /** @throws Error for what `toJSON` never made */
  static from(value: unknown): ChainSums {
    const { cursor, rows } = value as { readonly cursor: Cursor | null; readonly rows: readonly unknown[] };
    const chain = new ChainSums();
    chain.cursor = cursor ?? undefined;
    for (const row of rows) {
      const [day, tenant, answers, nanoUsd, unpriced] = row as [string, string, number, string, number];
      Object.assign(chain.#sumsOf(day, tenant), { answers, nanoUsd: BigInt(nanoUsd), unpriced });
    }
    return chain;
  }
}

/** @returns the latest days that anything was spent on, the latest first */
export function dailySpend(chains: Iterable<ChainSums>, count: number): DaySpend[] {
  const rows = [...chains].flatMap((chain) => [...chain]);
  const days = [...Map.groupBy(rows, ({ day }) => day)].sort(([a], [b]) => (a < b ? 1 : -1)).slice(0, count);
  return days.map(([day, ofDay]) => {
    const tenants = [...Map.groupBy(ofDay, ({ tenant }) => tenant)].map(([tenant, all]) => ({ tenant, ...total(all) }));
    tenants.sort((a, b) => (a.nanoUsd === b.nanoUsd ? b.answers - a.answers : a.nanoUsd < b.nanoUsd ? 1 : -1));
    return { day, ...total(ofDay), tenants };
  });
}

function total(all: readonly Readonly<Sums>[]): Sums {
  const sums = { answers: 0, nanoUsd: 0n, unpriced: 0 };
  for (const { answers, nanoUsd, unpriced } of all) {
    sums.answers += answers;
    sums.nanoUsd += nanoUsd;
    sums.unpriced += unpriced;
  }
  return sums;
}
