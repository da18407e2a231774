/** A value that has to be got anew from time to time, ahead of need: requests use what is held and never wait. */
import { Fault } from '../fault.ts';
import type { Surroundings } from './credential.ts';
import { CredentialProblem, reasonOf } from './problem.ts';

export interface Obtained<T> {
  readonly value: T;
  /** Milliseconds since the epoch. Absent: it does not expire. */
  readonly expiresAt?: number;
}

export interface RenewedOptions<T> extends Surroundings {
  obtain(): Promise<Obtained<T>>;
  /** What is held from the start; it does not expire. */
  readonly initial?: T;
  /** What does not expire is got anew this often: the file that it comes from may have changed. */
  readonly recheckMs: number;
  /** Longest wait between tries that fail; default a minute. */
  readonly maxBackoffMs?: number;
}

const OBTAIN_TIMEOUT_MS = 30_000;
const EARLY_MS = 5 * 60_000;
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;
/** A value younger than this is not renewed because a provider refused it: the next one would be no better. */
const SUSPECT_AFTER_MS = 30_000;
/** The longest that a timer can be set for. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class Renewed<T> {
  /** Settles with the first try, whatever came of it. */
  readonly firstTry: Promise<void>;
  readonly #options: RenewedOptions<T>;
  #held: { readonly value: T; readonly expiresAt: number } | undefined;
  #dueAt = 0;
  #triedAt = 0;
  #failures = 0;
  #complaint = '';
  #inFlight: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RenewedOptions<T>) {
    this.#options = options;
    if (options.initial === undefined) {
      this.firstTry = this.#renew();
    } else {
      this.#held = { value: options.initial, expiresAt: Number.POSITIVE_INFINITY };
      this.firstTry = Promise.resolve();
      this.#schedule(options.recheckMs);
    }
  }

  /** @throws Fault `credential_unavailable` when there is none, or none that is still valid */
  get(): T {
    const now = Date.now();
    // The timer comes late when the machine slept.
    if (now >= this.#dueAt && !this.#closed) void this.#renew();
    if (this.#held !== undefined && now < this.#held.expiresAt) return this.#held.value;
    throw new Fault('credential_unavailable', 'The gateway has no valid credential for this target at the moment.');
  }

  /** What `get` would give now; undefined while it would throw. Asks for nothing. */
  get held(): T | undefined {
    return this.#held !== undefined && Date.now() < this.#held.expiresAt ? this.#held.value : undefined;
  }

  /** The value was refused by whom it was for. Renews it early, but not again and again. */
  suspect(): void {
    if (Date.now() - this.#triedAt >= SUSPECT_AFTER_MS && !this.#closed) void this.#renew();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #renew(): Promise<void> {
    this.#inFlight ??= this.#tryOnce().finally(() => {
      this.#inFlight = undefined;
    });
    return this.#inFlight;
  }

  async #tryOnce(): Promise<void> {
    clearTimeout(this.#timer);
    this.#triedAt = Date.now();
    let wait: number;
    try {
      const obtained = await within(OBTAIN_TIMEOUT_MS, this.#options.obtain());
      wait = this.#accept(obtained);
    } catch (error) {
      wait = this.#fail(error);
    }
    if (!this.#closed) this.#schedule(wait);
  }

  #accept({ value, expiresAt }: Obtained<T>): number {
    const now = Date.now();
    if (expiresAt !== undefined && !(expiresAt > now)) throw new CredentialProblem('what was given has expired already');
    this.#held = { value, expiresAt: expiresAt ?? Number.POSITIVE_INFINITY };
    if (this.#failures > 0) this.#options.log.info({ credential: this.#options.name }, 'credential is available again');
    this.#failures = 0;
    this.#complaint = '';
    return expiresAt === undefined ? this.#options.recheckMs : renewAfter(expiresAt - now);
  }

  /** Says so once for each reason, not at each try. */
  #fail(error: unknown): number {
    const { name: credential, log } = this.#options;
    const valid = this.#held !== undefined && Date.now() < this.#held.expiresAt;
    const message = valid ? 'credential cannot be renewed; the one held is still valid' : 'credential is not available';
    const reason = reasonOf(error);
    if (this.#complaint !== message + reason) log.warn({ credential, reason }, message);
    this.#complaint = message + reason;
    const { maxBackoffMs = MAX_BACKOFF_MS } = this.#options;
    const wait = Math.min(FIRST_BACKOFF_MS * 2 ** this.#failures, maxBackoffMs);
    this.#failures += 1;
    return wait / 2 + jitter(wait / 2);
  }

  #schedule(wait: number): void {
    const delay = Math.min(wait, MAX_TIMER_MS);
    this.#dueAt = Date.now() + delay;
    this.#timer = setTimeout(() => void this.#renew(), delay);
    this.#timer.unref();
  }
}

/**
 * At 80 % of the life that is left, or five minutes before its end, whichever is first; but not in its first half, since
 * metadata servers give the same token again until shortly before its end. Earlier by up to a tenth, so that replicas which
 * started together do not ask together.
 */
function renewAfter(lifeMs: number): number {
  const wait = Math.max(0.5 * lifeMs, Math.min(0.8 * lifeMs, lifeMs - EARLY_MS));
  return Math.max(wait - jitter(wait / 10), FIRST_BACKOFF_MS / 2);
}

function jitter(upTo: number): number {
  return Math.random() * upTo;
}

/** Libraries do not bound all of what they do. */
function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new CredentialProblem(`no answer in ${milliseconds / 1000} s`)), milliseconds);
  timer.unref();
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
