/** By whom or what money is told. */
import type { AuditAttempt, AuditLine } from '../../observability/audit-record.ts';
import { KEYS } from '../audit-sums.ts';
import { UsageError } from '../selection.ts';
import type { RecordSums, SumsPlan } from './log-sums.ts';
import { type Counts, Tally } from './tally.ts';

const DIMENSIONS = {
  ...KEYS,
  provider: ({ attempts }: AuditLine) => providerOf(attempts.at(-1)),
  day: ({ time }: AuditLine) => time.slice(0, 10),
} as const;

export type Dimension = keyof typeof DIMENSIONS;
const NAMES = Object.keys(DIMENSIONS) as readonly Dimension[];
export const DIMENSION_NAMES = NAMES.join('|');

/** Whose hosts they are: the platform of its price or schema, else the name that the network team gave them. */
function providerOf(attempt: AuditAttempt | undefined): string | undefined {
  if (attempt === undefined) return undefined;
  return attempt.price?.platform ?? /^(azure|bedrock|vertex)-/.exec(attempt.provider_schema)?.[1] ?? attempt.cluster;
}

/** `tenant`, or two with a comma between. @throws UsageError */
export function dimensionsOf(by: string | undefined): readonly Dimension[] {
  const dimensions = (by ?? '').split(',').map((name) => NAMES.find((known) => known === name));
  const known = dimensions.filter((name) => name !== undefined);
  if (known.length !== dimensions.length || known.length > 2 || new Set(known).size !== known.length)
    throw new UsageError(`--by: expected one of ${DIMENSION_NAMES}, or two with a comma between`);
  return known;
}

export interface Group {
  /** A value for each dimension. */
  readonly keys: readonly string[];
  readonly tally: Tally;
}

/** A group of some of the records, as plain values. */
export interface GroupPart {
  readonly keys: readonly string[];
  readonly counts: Counts;
}

const NONE = '(none)';
const OTHERS = '(others)';
/** Callers invent aliases and agents; what goes beyond this is one group. */
const MOST_GROUPS = 100_000;

/** For `summed`. */
export function groupsBy(dimensions: readonly Dimension[]): SumsPlan<readonly Dimension[], readonly GroupPart[], Groups> {
  return { begin: groupsOf, data: dimensions, thread: new URL('./report-thread.ts', import.meta.url) };
}

export function groupsOf(dimensions: readonly Dimension[]): Groups {
  return new Groups(dimensions);
}

/** Tallies of records by one or two dimensions. */
export class Groups implements RecordSums<readonly GroupPart[]> {
  readonly #dimensions: readonly ((record: AuditLine) => string | null | undefined)[];
  readonly #groups = new Map<string, Group>();

  constructor(dimensions: readonly Dimension[]) {
    this.#dimensions = dimensions.map((name) => DIMENSIONS[name]);
  }

  /** @returns the tally that the record belongs to, which does not have it yet */
  groupOf(record: AuditLine): Group {
    return this.groupWith(this.#dimensions.map((value) => value(record) ?? NONE));
  }

  /** @param keys a value for each dimension */
  groupWith(keys: readonly string[]): Group {
    const name = keys.length === 1 ? (keys[0] ?? NONE) : keys.join('\u0000');
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    return this.#groups.size < MOST_GROUPS ? this.#begun(name, keys) : this.#others();
  }

  add(record: AuditLine): void {
    this.groupOf(record).tally.add(record);
  }

  /** In the order in which they began. */
  part(): readonly GroupPart[] {
    return [...this.#groups.values()].map(({ keys, tally }) => ({ keys, counts: tally.counts() }));
  }

  merge(parts: readonly GroupPart[]): void {
    for (const { keys, counts } of parts) this.groupWith(keys).tally.merge(counts);
  }

  total(): Tally {
    const total = new Tally();
    for (const { tally } of this.#groups.values()) total.merge(tally);
    return total;
  }

  /** @returns the dearest first; of equal ones those with more requests. Days: in order. At most `top`, and one group of all others */
  ranked(top: number, order: 'cost' | 'key'): readonly Group[] {
    const groups = [...this.#groups.values()].sort(order === 'key' ? byKeys : byCost);
    if (groups.length <= top) return groups;
    const others = new Tally();
    for (const { tally } of groups.slice(top)) others.merge(tally);
    const name = `(${groups.length - top} others)`;
    return [...groups.slice(0, top), { keys: this.#dimensions.map((_, place) => (place === 0 ? name : '')), tally: others }];
  }

  #begun(name: string, keys: readonly string[]): Group {
    const group = { keys, tally: new Tally() };
    this.#groups.set(name, group);
    return group;
  }

  #others(): Group {
    const name = OTHERS.repeat(this.#dimensions.length);
    return (
      this.#groups.get(name) ??
      this.#begun(
        name,
        this.#dimensions.map(() => OTHERS),
      )
    );
  }
}

function byCost({ tally: a }: Group, { tally: b }: Group): number {
  if (a.nanoUsd !== b.nanoUsd) return a.nanoUsd < b.nanoUsd ? 1 : -1;
  return b.requests - a.requests;
}

function byKeys(a: Group, b: Group): number {
  return a.keys.join('\u0000') < b.keys.join('\u0000') ? -1 : 1;
}
