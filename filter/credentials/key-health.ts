/**
 * What providers said of the gateway's keys, as this process has heard it. A key that is refused is set aside at once, told to the operator, and tested
 * again by single requests, ever less often; one that is throttled rests until its provider says.
 *
 * A 401 or an unpaid bill holds for a key wherever it is sent. A 403 and a 429 hold for one target: permissions and limits are given by model.
 */
import type { CredentialName, TargetId } from '../policy/policy.ts';
import type { UsedKey } from './credential.ts';

export interface KeyHealthOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: KeyAlarm;
  /** Something has become of a key here that other processes should know. */
  readonly onChange?: (change: KeyChange) => void;
}

/** The part of pino that is used. */
export interface KeyAlarm {
  error(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

/** How a provider turned a key down. `target`: this key for this target alone. */
export type KeyTrouble =
  | { readonly kind: 'refused'; readonly where: 'everywhere' | 'target'; readonly status: number | undefined }
  | { readonly kind: 'unpaid'; readonly status: number | undefined }
  | { readonly kind: 'throttled'; readonly forMs: number | undefined };

/** What one process tells the others of a key. */
export interface KeyChange {
  readonly key: UsedKey;
  /** Undefined: everywhere. */
  readonly target: TargetId | undefined;
  readonly state: 'refused' | 'cooling' | 'accepted';
  /** How long it is to be left alone. */
  readonly forMs: number;
}

/** due: to be tested by the one request that claims it. */
export type KeyReadiness = 'ready' | 'due' | 'resting';

/** First pause of a key that was refused, doubled by each test that fails. */
const FIRST_PAUSE_MS = 30_000;
const MAX_PAUSE_MS = 10 * 60_000;
/** A throttled key whose provider gave no hint. */
const COOL_MS = 2_000;
const MAX_COOL_MS = 10 * 60_000;
/** A test that nobody hears of again, because its caller left, holds its place no longer than this. */
const TEST_LIMIT_MS = 30_000;

interface View {
  readonly state: 'refused' | 'cooling';
  /** Of the key that this was said of; another key under the same name starts anew. */
  readonly fingerprint: string | undefined;
  until: number;
  pauseMs: number;
  /** When the test that is out began. */
  testSince: number | undefined;
}

type Place = CredentialName | `${CredentialName} ${TargetId}`;

export class KeyHealth {
  readonly #options: KeyHealthOptions;
  /** Of keys that are not well; names have no spaces. */
  readonly #views = new Map<Place, View>();
  readonly #refusals = new Map<CredentialName, number>();

  constructor(options: KeyHealthOptions) {
    this.#options = options;
  }

  get allWell(): boolean {
    return this.#views.size === 0;
  }

  readiness(key: UsedKey, target: TargetId): KeyReadiness {
    if (this.allWell) return 'ready';
    const everywhere = this.#readinessAt(key.name, key);
    const here = this.#readinessAt(placeOf(key.name, target), key);
    if (everywhere === 'resting' || here === 'resting') return 'resting';
    return everywhere === 'due' || here === 'due' ? 'due' : 'ready';
  }

  /** Milliseconds until it may be used again. */
  waitMs(key: UsedKey, target: TargetId): number {
    const untils = [this.#views.get(key.name), this.#views.get(placeOf(key.name, target))].map((view) => view?.until ?? 0);
    return Math.max(0, ...untils.map((until) => until - this.#options.now()));
  }

  /** Whoever claims a key that is due must send a request with it. */
  claim({ name }: UsedKey, target: TargetId): void {
    for (const view of [this.#views.get(name), this.#views.get(placeOf(name, target))])
      if (view?.state === 'refused') view.testSince = this.#options.now();
  }

  accepted(key: UsedKey, target: TargetId): void {
    if (this.allWell) return;
    for (const [place, at] of [
      [key.name, undefined],
      [placeOf(key.name, target), target],
    ] as const) {
      const view = this.#views.get(place);
      if (view === undefined || view.fingerprint !== key.fingerprint) continue;
      // One good answer of many does not end the pause that a provider asked for.
      if (view.state === 'cooling') continue;
      this.#views.delete(place);
      this.#options.log.info({ ...told(key), ...(at && { target: at }) }, 'the provider takes the gateway key again');
      this.#options.onChange?.({ key, target: at, state: 'accepted', forMs: 0 });
    }
  }

  /** The test told nothing: the target failed, or the caller left. */
  untold({ name }: UsedKey, target: TargetId): void {
    if (this.allWell) return;
    for (const view of [this.#views.get(name), this.#views.get(placeOf(name, target))])
      if (view !== undefined) view.testSince = undefined;
  }

  turnedDown(key: UsedKey, target: TargetId, trouble: KeyTrouble): void {
    if (trouble.kind === 'throttled') {
      this.#cool(key, target, Math.min(trouble.forMs ?? COOL_MS, MAX_COOL_MS));
      return;
    }
    this.#refusals.set(key.name, (this.#refusals.get(key.name) ?? 0) + 1);
    const at = trouble.kind === 'refused' && trouble.where === 'target' ? target : undefined;
    const place = at === undefined ? key.name : placeOf(key.name, at);
    const now = this.#options.now();
    const known = this.#viewAt(place, key);
    if (known?.state === 'refused') {
      // Others that were under way when it was set aside tell nothing new.
      if (now < known.until && known.testSince === undefined) return;
      known.pauseMs = Math.min(known.pauseMs * 2, MAX_PAUSE_MS);
      known.until = now + known.pauseMs;
      known.testSince = undefined;
      this.#options.onChange?.({ key, target: at, state: 'refused', forMs: known.pauseMs });
      return;
    }
    const pauseMs = trouble.kind === 'unpaid' ? MAX_PAUSE_MS : FIRST_PAUSE_MS;
    this.#views.set(place, this.#view('refused', key, pauseMs));
    const fields = { ...told(key), target, status: trouble.status, retestInMs: pauseMs };
    this.#options.log.error(fields, ALARMS[trouble.kind]);
    this.#options.onChange?.({ key, target: at, state: 'refused', forMs: pauseMs });
  }

  /** Another process has seen this, and told the operator. */
  hear({ key, target, state, forMs }: KeyChange): void {
    const place = target === undefined ? key.name : placeOf(key.name, target);
    if (state === 'accepted') {
      if (this.#views.get(place)?.fingerprint === key.fingerprint) this.#views.delete(place);
      return;
    }
    const known = this.#viewAt(place, key);
    if (known?.state !== 'refused' || state === 'refused') this.#views.set(place, this.#view(state, key, forMs));
  }

  /** Of this name there is another key now, or none. */
  forget(name: CredentialName): void {
    for (const place of this.#views.keys()) if (place === name || place.startsWith(`${name} `)) this.#views.delete(place);
  }

  /** The worst that is known of a key, at any target. */
  stateOf({ name, fingerprint }: UsedKey): 'refused' | 'cooling' | undefined {
    let worst: 'cooling' | undefined;
    const now = this.#options.now();
    for (const [place, view] of this.#views) {
      if ((place !== name && !place.startsWith(`${name} `)) || view.fingerprint !== fingerprint) continue;
      if (view.state === 'refused') return 'refused';
      if (now < view.until) worst = 'cooling';
    }
    return worst;
  }

  /** How often providers refused a key; by name, since the start. */
  refusals(): Iterable<readonly [CredentialName, number]> {
    return this.#refusals;
  }

  #cool(key: UsedKey, target: TargetId, forMs: number): void {
    const place = placeOf(key.name, target);
    const known = this.#viewAt(place, key);
    if (known?.state === 'refused') {
      // A test that is throttled: the key may be good, and the next test tells.
      known.until = Math.max(known.until, this.#options.now() + forMs);
      known.testSince = undefined;
      return;
    }
    const view = this.#view('cooling', key, forMs);
    if (known === undefined || known.until < view.until) this.#views.set(place, view);
    this.untold(key, target);
    this.#options.onChange?.({ key, target, state: 'cooling', forMs });
  }

  #readinessAt(place: Place, key: UsedKey): KeyReadiness {
    const view = this.#viewAt(place, key);
    if (view === undefined) return 'ready';
    const now = this.#options.now();
    if (now < view.until) return 'resting';
    if (view.state === 'cooling') {
      this.#views.delete(place);
      return 'ready';
    }
    return view.testSince !== undefined && now - view.testSince < TEST_LIMIT_MS ? 'resting' : 'due';
  }

  /** @returns undefined, too, for what was said of the key before this one */
  #viewAt(place: Place, { fingerprint }: UsedKey): View | undefined {
    const view = this.#views.get(place);
    if (view === undefined || view.fingerprint === fingerprint) return view;
    this.#views.delete(place);
    return undefined;
  }

  #view(state: View['state'], { fingerprint }: UsedKey, pauseMs: number): View {
    return { state, fingerprint, until: this.#options.now() + pauseMs, pauseMs, testSince: undefined };
  }
}

const ALARMS = {
  refused: 'a provider refuses a gateway key: it is set aside, and tested again from time to time; replace it',
  unpaid:
    'a provider wants money for a gateway key: it is set aside, and tested again from time to time; see to its account',
} as const;

function placeOf(name: CredentialName, target: TargetId): Place {
  return `${name} ${target}`;
}

function told({ name, fingerprint }: UsedKey): object {
  return { credential: name, ...(fingerprint === undefined ? {} : { fingerprint }) };
}
