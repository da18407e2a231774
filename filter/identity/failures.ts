/** Failed identifications by source: a party that fails too often is refused early for a while. */
import { LRUCache } from 'lru-cache';

const WINDOW_MS = 60_000;
const BLOCK_MS = 60_000;
/** Parties that are remembered; the one that failed longest ago is forgotten first. */
const MAX_PARTIES = 10_000;

interface Count {
  windowEndsAt: number;
  failures: number;
  blockedUntil: number;
}

export class FailureLimits {
  readonly #now: () => number;
  readonly #parties = new LRUCache<string, Count>({ max: MAX_PARTIES });

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  note(party: string, limit: number): void {
    const now = this.#now();
    let count = this.#parties.get(party);
    if (count === undefined || now >= count.windowEndsAt) {
      count = { windowEndsAt: now + WINDOW_MS, failures: 0, blockedUntil: count?.blockedUntil ?? 0 };
      this.#parties.set(party, count);
    }
    count.failures += 1;
    if (count.failures < limit) return;
    // The next block needs as many failures again.
    count.failures = 0;
    count.windowEndsAt = now + BLOCK_MS;
    count.blockedUntil = now + BLOCK_MS;
  }

  /** @returns milliseconds until the party is listened to again; 0: it is */
  blockedForMs(party: string): number {
    const count = this.#parties.peek(party);
    return count === undefined ? 0 : Math.max(0, count.blockedUntil - this.#now());
  }

  /** Parties that are refused now. */
  blocked(): number {
    const now = this.#now();
    let blocked = 0;
    for (const { blockedUntil } of this.#parties.values()) if (blockedUntil > now) blocked += 1;
    return blocked;
  }
}
