/**
 * The health of targets, as this process sees it from what becomes of its attempts. A target that is down or throttled goes to the end of every chain until
 * its time comes; then single requests probe it, and when they succeed its share of first attempts grows back step by step: nobody's outage becomes
 * everybody's first attempt, and nobody's recovery a herd.
 *
 * Sick targets stay in the chain, last: when all are sick, somebody is asked.
 */
import type { TargetId } from '../policy/compiled/names.ts';
import { isSameTarget } from '../policy/compiled/same-target.ts';
import type { Target } from '../policy/compiled/target.ts';
import { type Attempt, type AttemptFailure, failsItsTarget } from './attempt.ts';

export interface HealthOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The target of this name in the policy in force: of others nothing is kept. */
  readonly inForce: (id: TargetId) => Target | undefined;
  /** A target has turned down or throttled here. */
  readonly onSick?: (target: SickTarget) => void;
}

/** What one process tells the others: leave this target alone for so long. */
export interface SickTarget {
  readonly id: TargetId;
  readonly state: 'down' | 'throttled';
  readonly forMs: number;
}

/** Attempts are judged by the latest so many of them, none older than this: a busy hour of successes does not hide the outage that follows it. */
const WINDOW = 20;
const WINDOW_MS = 10_000;
/** Fewer attempts than this prove nothing. */
const LEAST_ATTEMPTS = 5;
/** So much of them failing is an outage. */
const DOWN_RATIO = 0.5;
/** First pause of a target that is down, doubled by each probe that fails. */
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;
/** What time does not heal: a key, a bill, a model that is gone. */
const LASTING_PAUSE_MS = 60_000;
/** A throttled target whose provider gave no hint. */
const THROTTLE_PAUSE_MS = 2_000;
const MAX_THROTTLE_MS = 120_000;
/** Shares of first attempts on the way back, each after so many successes at the one before. */
const SHARES = [0.05, 0.25, 0.5] as const;
const SUCCESSES_PER_STEP = 5;
/** A probe that nobody hears of again, because its caller left, holds its place no longer than this. */
const PROBE_LIMIT_MS = 30_000;

const LASTING: ReadonlySet<AttemptFailure> = new Set(['credential_refused', 'billing', 'model_not_found']);
export type HealthState = 'well' | 'down' | 'throttled' | 'probing' | 'recovering';

interface Probe {
  readonly by: string;
  readonly since: number;
}

interface View {
  state: HealthState;
  /** Attempts of the window: when, and whether they failed. */
  outcomes: { at: number; failed: boolean }[];
  /** down, throttled: until when it is left alone. */
  until: number;
  pauseMs: number;
  /** probing: the request whose probe is out, and since when. */
  probe: Probe | undefined;
  /** recovering: step of SHARES, and successes at it. */
  step: number;
  successes: number;
  /** recovering: chains made since; they share out the first attempts, without a die. */
  asked: number;
}

export class TargetHealth {
  readonly #options: HealthOptions;
  readonly #views = new Map<TargetId, View>();
  /** Views that are not well: while there are none, chains stay as the policy has them. */
  #unwell = 0;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  get allWell(): boolean {
    return this.#unwell === 0;
  }

  stateOf(id: TargetId): HealthState {
    return this.#views.get(id)?.state ?? 'well';
  }

  /** For metrics: every target that has been asked. */
  states(): (readonly [TargetId, HealthState])[] {
    return [...this.#views].map(([id, { state }]) => [id, state] as const);
  }

  /**
   * May `target` be asked first? A target that is due for a probe gives its place to the one who asks: whoever gets `true` must ask it.
   * @param requestId whose attempt it would be
   */
  mayLead(target: Target, requestId: string): boolean {
    const view = this.#views.get(target.id);
    if (view === undefined || view.state === 'well') return true;
    const now = this.#options.now();
    switch (view.state) {
      case 'down':
      case 'throttled':
        if (now < view.until) return false;
        view.state = 'probing';
        view.probe = { by: requestId, since: now };
        return true;
      case 'probing':
        if (view.probe !== undefined && now - view.probe.since < PROBE_LIMIT_MS) return false;
        view.probe = { by: requestId, since: now };
        return true;
      case 'recovering':
        view.asked += 1;
        return isTurn(view.asked, SHARES[view.step] ?? 1);
    }
  }

  /** Should `id` be asked after all others now? Asks nothing of it, unlike `mayLead`. */
  isAvoided(id: TargetId): boolean {
    const view = this.#views.get(id);
    return view !== undefined && (view.state === 'down' || view.state === 'throttled') && this.#options.now() < view.until;
  }

  /** Milliseconds until a target that is down or throttled is asked again; undefined for one that is neither. */
  pauseOf(id: TargetId): number | undefined {
    const view = this.#views.get(id);
    if (view === undefined || (view.state !== 'down' && view.state !== 'throttled')) return undefined;
    return Math.max(view.until - this.#options.now(), 0);
  }

  /** Another process has seen this. */
  hear({ id, state, forMs }: SickTarget): void {
    if (this.#options.inForce(id) === undefined) return;
    const view = this.#viewOf(id);
    this.#turn(view, state);
    view.until = Math.max(view.until, this.#options.now() + forMs);
  }

  /** Targets that are no more, or are something else now. */
  forget(ids: ReadonlySet<TargetId>): void {
    for (const id of ids) {
      const view = this.#views.get(id);
      if (view !== undefined) this.#turn(view, 'well');
      this.#views.delete(id);
    }
  }

  /** What became of an attempt of request `requestId`. @param retryAfterSeconds the provider's own word on how long to wait */
  note(
    { target, outcome }: Pick<Attempt, 'target' | 'outcome'>,
    requestId: string,
    retryAfterSeconds: number | undefined,
  ): void {
    if (outcome === 'pending' || !isSameTarget(target, this.#options.inForce(target.id))) return;
    const view = this.#viewOf(target.id);
    if (outcome === 'abandoned') {
      giveUpProbe(view, requestId);
      return;
    }
    if (outcome === 'ok') this.#succeeded(view);
    else if (failsItsTarget(outcome)) this.#failed(target.id, view, outcome, retryAfterSeconds);
    else giveUpProbe(view, requestId);
  }

  #succeeded(view: View): void {
    this.#remember(view, false);
    if (view.state === 'probing' || view.state === 'down' || view.state === 'throttled') {
      // Asked last, because all others failed too, it counts as well as a probe.
      this.#turn(view, 'recovering');
      view.step = 0;
      view.successes = 0;
      view.asked = 0;
    }
    if (view.state !== 'recovering') return;
    view.successes += 1;
    if (view.successes < SUCCESSES_PER_STEP) return;
    view.successes = 0;
    view.step += 1;
    if (view.step < SHARES.length) return;
    this.#turn(view, 'well');
    view.pauseMs = FIRST_PAUSE_MS;
    view.outcomes = [];
  }

  #failed(id: TargetId, view: View, failure: AttemptFailure, retryAfterSeconds: number | undefined): void {
    this.#remember(view, true);
    const now = this.#options.now();
    if (failure === 'rate_limited') {
      const wait = retryAfterSeconds === undefined ? THROTTLE_PAUSE_MS : retryAfterSeconds * 1000;
      this.#turn(view, 'throttled');
      view.until = Math.max(view.until, now + Math.min(wait, MAX_THROTTLE_MS));
      this.#options.onSick?.({ id, state: 'throttled', forMs: view.until - now });
      return;
    }
    const wasProbe = view.state === 'probing' || view.state === 'recovering';
    if (!wasProbe && view.state !== 'well') return;
    if (!wasProbe && !LASTING.has(failure) && !this.#isOutage(view)) return;
    if (wasProbe) view.pauseMs = Math.min(view.pauseMs * 2, MAX_PAUSE_MS);
    this.#turn(view, 'down');
    view.until = now + (LASTING.has(failure) ? LASTING_PAUSE_MS : view.pauseMs);
    this.#options.onSick?.({ id, state: 'down', forMs: view.until - now });
  }

  #isOutage({ outcomes }: View): boolean {
    if (outcomes.length < LEAST_ATTEMPTS) return false;
    return outcomes.filter(({ failed }) => failed).length >= outcomes.length * DOWN_RATIO;
  }

  #remember(view: View, failed: boolean): void {
    const at = this.#options.now();
    view.outcomes.push({ at, failed });
    while (view.outcomes.length > WINDOW || (view.outcomes[0]?.at ?? at) < at - WINDOW_MS) view.outcomes.shift();
  }

  #turn(view: View, state: HealthState): void {
    if (view.state === 'well' && state !== 'well') this.#unwell += 1;
    if (view.state !== 'well' && state === 'well') this.#unwell -= 1;
    view.state = state;
    view.probe = undefined;
  }

  #viewOf(id: TargetId): View {
    let view = this.#views.get(id);
    if (view === undefined) {
      view = {
        ...{ state: 'well', outcomes: [], until: 0, pauseMs: FIRST_PAUSE_MS },
        ...{ probe: undefined, step: 0, successes: 0, asked: 0 },
      };
      this.#views.set(id, view);
    }
    return view;
  }
}

/** Nothing was learnt: the next one may probe. A probe that another request has out is not touched. */
function giveUpProbe(view: View, requestId: string): void {
  if (view.probe?.by === requestId) view.probe = undefined;
}

/** Is the `count`th one of a `share` of all that is spread evenly? */
function isTurn(count: number, share: number): boolean {
  return Math.floor(count * share) > Math.floor((count - 1) * share);
}

/** A policy has few orders of its chains, and each serves many requests. */
const MAX_ORDERS = 64;
const orders = new WeakMap<readonly Target[], Map<string, readonly Target[]>>();

/**
 * The chain with the targets that may not lead now behind those that may, both in the policy's order. One and the same list for the same order.
 * A retry on the same target (named twice in a row) goes with it.
 */
export function orderedByHealth(chain: readonly Target[], health: TargetHealth, requestId: string): readonly Target[] {
  if (health.allWell) return chain;
  const led = new Map<TargetId, boolean>();
  let leads = false;
  const fit = chain.map((target) => {
    let may = led.get(target.id);
    if (may === undefined) {
      // Behind a target that leads nobody needs to be probed: a probe is for the first attempt alone.
      may = leads ? health.stateOf(target.id) === 'well' : health.mayLead(target, requestId);
      led.set(target.id, may);
      leads ||= may;
    }
    return may;
  });
  if (fit.every(Boolean)) return chain;
  const key = fit.map((may) => (may ? '1' : '0')).join('');
  const known = orders.get(chain) ?? new Map<string, readonly Target[]>();
  orders.set(chain, known);
  let order = known.get(key);
  if (order === undefined) {
    order = [...chain.filter((_, index) => fit[index]), ...chain.filter((_, index) => !fit[index])];
    if (known.size < MAX_ORDERS) known.set(key, order);
  }
  return order;
}
