/** This process's part of a limit per minute: it refills evenly, and holds a minute's worth of itself at most. */
const MINUTE_MS = 60_000;
/** Demand is what was asked for in about so long, or lately, if that is more. */
const FLOW_MS = 4_000;
const LATELY_MS = 500;

export class LimitLevel {
  readonly #now: () => number;
  /** Of the target, per minute, for all processes. */
  limit: number;
  #share: number;
  #left: number;
  #at: number;
  /** What was asked for, had or not: fading, and since it was told last. */
  #flow = 0;
  #recent = 0;
  #toldAt: number;
  #handedBack = 0;
  #heard: number | null = null;

  constructor(now: () => number, limit: number, share: number) {
    this.#now = now;
    this.limit = limit;
    this.#share = share;
    this.#left = share;
    this.#at = now();
    this.#toldAt = this.#at;
  }

  /** Per minute, for this process. */
  get share(): number {
    return this.#share;
  }

  /** Below 0: more was used than there was. */
  get left(): number {
    this.#refill();
    return this.#left;
  }

  /** Milliseconds until so much is there. What is larger than a minute's worth passes when the whole minute is there; it never could otherwise. */
  waitFor(amount: number): number {
    this.#refill();
    const missing = Math.min(amount, this.#share) - this.#left;
    return missing > 0 ? (missing * MINUTE_MS) / this.#share : 0;
  }

  take(amount: number): void {
    this.#left -= amount;
    this.#recent += amount;
  }

  /** Asked for, and not had. */
  deny(amount: number): void {
    this.#recent += amount;
  }

  giveBack(amount: number): void {
    this.#left = Math.min(this.#left + amount, this.#share);
  }

  /** The provider says that so much is left for all; `believed` also when it is more than was thought. */
  hear(remaining: number, believed: boolean): void {
    this.#refill();
    this.#heard = remaining;
    const part = (remaining * this.#share) / this.limit;
    this.#left = believed ? part : Math.min(this.#left, part);
  }

  /** Another limit: what was taken stays taken. */
  exchange(limit: number): void {
    this.#refill();
    const taken = this.#share - this.#left;
    this.#share *= limit / this.limit;
    this.#left = this.#share - taken;
    this.limit = limit;
  }

  /** Another limit, of which the provider has said what is left. */
  relearn(limit: number): void {
    this.#refill();
    this.#share *= limit / this.limit;
    this.limit = limit;
  }

  /** Another share. A larger one brings nothing but `brought` with it; of a smaller one what filled the rest is handed back. */
  resize(share: number, brought = 0): void {
    this.#refill();
    if (share < this.#share && this.#left > 0) {
      const lost = (this.#left * (this.#share - share)) / this.#share;
      this.#left -= lost;
      this.#handedBack += lost;
    }
    this.#share = share;
    this.#left = Math.min(this.#left + brought, share);
  }

  /** @returns what was handed back, and what the provider said was left for all, since the last call */
  collect(): { readonly handedBack: number; readonly remaining: number | null } {
    const collected = { handedBack: this.#handedBack, remaining: this.#heard };
    this.#handedBack = 0;
    this.#heard = null;
    return collected;
  }

  /** Per minute, what this process could use, with so much that waits. What was asked for is then told. */
  tellNeed(waiting: number): number {
    const elapsed = this.#now() - this.#toldAt;
    this.#toldAt += elapsed;
    this.#flow = this.#flow * Math.exp(-elapsed / FLOW_MS) + this.#recent;
    const perMs = Math.max(this.#flow / FLOW_MS, this.#recent / Math.max(elapsed, LATELY_MS));
    this.#recent = 0;
    return perMs * MINUTE_MS + waiting + Math.max(-this.left, 0);
  }

  #refill(): void {
    const now = this.#now();
    this.#left = Math.min(this.#left + ((now - this.#at) * this.#share) / MINUTE_MS, this.#share);
    this.#at = now;
  }
}
