/** What processes have told each other of their need for limits, and who holds what: the arithmetic of the exchange (share.lua does the same in Redis). */
import type { TargetId } from '../policy/compiled/names.ts';
import { type Granted, SHARE_LIFE_MS, type ShareAnswer, type ShareQuestion, type Told } from './limit-exchange.ts';
import type { ShareKind } from './limit-shares.ts';

const MINUTE_MS = 60_000;

interface Said {
  readonly need: number;
  readonly hold: number;
  readonly share: number;
}

interface Entry {
  at: number;
  readonly kinds: ReadonlyMap<ShareKind, Said>;
}

/** Of a limit per minute: what is there of the part that nobody holds. */
interface Pool {
  readonly left: number;
  readonly at: number;
}

interface Shared {
  askedAt: number;
  readonly entries: Map<string, Entry>;
  readonly pools: Map<ShareKind, Pool>;
}

export class LimitLedger {
  readonly #targets = new Map<TargetId, Shared>();

  /** @param now milliseconds of the ledger's clock */
  answer({ process, processes, begin, targets }: ShareQuestion, now: number): ShareAnswer {
    const answers = targets.map(({ target, told }) => {
      const shared = this.#targets.get(target) ?? { askedAt: now, entries: new Map(), pools: new Map() };
      shared.askedAt = now;
      this.#targets.set(target, shared);
      // The clock was ahead, and is set right: from now on they age.
      for (const entry of shared.entries.values()) entry.at = Math.min(entry.at, now);
      const granted = told.map((one) => grant(shared, { process, processes, begin, now }, one));
      for (const [name, { at }] of shared.entries) if (at + SHARE_LIFE_MS <= now) shared.entries.delete(name);
      const kinds = new Map(
        granted.map(({ kind, share }, index) => {
          const { need = 0, used = 0 } = told[index] ?? {};
          return [kind, { need, hold: Math.max(share, used), share }];
        }),
      );
      shared.entries.set(process, { at: now, kinds });
      return granted;
    });
    // By then every pool is full again, and nobody holds anything.
    for (const [target, { askedAt }] of this.#targets) if (askedAt + 2 * MINUTE_MS < now) this.#targets.delete(target);
    return { at: now, targets: answers };
  }

  /** Whose round would help now: of who needs a place where one is free, and of who has some where `process` needs one. */
  concerned({ process, prompted, targets }: ShareQuestion): Set<string> {
    const names = new Set<string>();
    for (const { target, told } of targets) {
      const places = told.find(({ kind }) => kind === 'concurrency');
      const entries = this.#targets.get(target)?.entries;
      const own = entries?.get(process)?.kinds.get('concurrency');
      if (places === undefined || entries === undefined || own === undefined) continue;
      const others = [...entries].flatMap(([name, { kinds }]) => {
        const said = kinds.get('concurrency');
        return said === undefined || name === process ? [] : [{ name, ...said }];
      });
      const isFree = sumOf([own, ...others]) < places.limit;
      const isShort = prompted !== true && own.need > own.share;
      for (const { name, need, hold, share } of others)
        if (isFree ? need > share : isShort && hold > places.floor) names.add(name);
    }
    return names;
  }
}

interface Asking extends Pick<ShareQuestion, 'process' | 'processes' | 'begin'> {
  readonly now: number;
}

function grant(
  { entries, pools }: Shared,
  { process, processes, begin, now }: Asking,
  { kind, limit, floor, claim, used, handedBack, remaining }: Told,
): Granted {
  const known = [...entries].flatMap(([name, { at, kinds }]) => {
    const one = kinds.get(kind);
    return one === undefined ? [] : [{ process: name, isAlive: at + SHARE_LIFE_MS > now, ...one }];
  });
  const others = known.filter((one) => one.process !== process && one.isAlive);
  const before = known.find((one) => one.process === process)?.hold ?? floor;
  const open = limit - sumOf(others) - floor * Math.max(processes - 1 - others.length, 0);
  const share = Math.max(Math.min(claim, open), floor);
  let brought = 0;
  let spare = Math.max(open - Math.max(share, used), 0);
  if (kind !== 'concurrency') {
    const pool = pools.get(kind);
    let left = begin === 'full' ? Math.max(open - before, 0) : 0;
    if (pool !== undefined) {
      // Since the last round nobody had what the processes that were known then did not hold.
      const free = Math.max(limit - sumOf(known) - floor * Math.max(processes - known.length, 0), 0);
      left = Math.min(pool.left + (Math.max(now - pool.at, 0) * free) / MINUTE_MS, free);
    }
    left += handedBack;
    if (remaining !== null) left = Math.min(left, (remaining * Math.max(open - Math.min(before, share), 0)) / limit);
    if (share > before) brought = (left * (share - before)) / (Math.max(open, share) - before);
    spare = Math.max(Math.min(left - brought, open - share), 0);
    pools.set(kind, { left: spare, at: now });
  }
  return { kind, share, brought, spare, others: others.map(({ process: name, need }) => ({ process: name, need })) };
}

function sumOf(entries: readonly { readonly hold: number }[]): number {
  return entries.reduce((sum, { hold }) => sum + hold, 0);
}
