/**
 * What providers said of the gateway's keys, as this process has heard it. A key that is refused is set aside at once, told to the operator, and tested
 * again by single requests, ever less often; one that is throttled rests until its provider says.
 *
 * A 401 or an unpaid bill holds for a key wherever it is sent. A 403 and a 429 hold for one target: permissions and limits are given by model.
 */
import type { CredentialName, TargetId } from '../policy/compiled/names.ts';
import type { UsedKey } from './credential.ts';
import { type AlarmLog, KeyAlarms } from './key-alarms.ts';

export interface KeyHealthOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: AlarmLog;
  /** Are the key and the target in the policy in force? Of others nothing is kept. */
  readonly isInForce: (name: CredentialName, target: TargetId | undefined) => boolean;
  /** Something has become of a key here that other processes should know. */
  readonly onChange?: (change: KeyChange) => void;
  /** Calls back after so long, unless the process has ended by then. */
  readonly after?: (ms: number, run: () => void) => void;
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

const MAX_PAUSE_MS = 10 * 60_000;
/** A key that is refused again within this time of coming back rests for twice as long as before: one good answer is no recovery. */
const PROBATION_MS = 10 * 60_000;
/** A throttled key whose provider gave no hint. */
const COOL_MS = 2_000;
const MAX_COOL_MS = 10 * 60_000;
/** A test that nobody hears of again, because its caller left, holds its place no longer than this. */
const TEST_LIMIT_MS = 30_000;

export interface KeyStanding {
  readonly state: 'refused' | 'cooling';
  /** Until it is tested, or used, again; 0: the next request does so. */
  readonly pauseMs: number;
  /** Empty: at every target. */
  readonly targets: readonly string[];
}

interface View {
  readonly state: 'refused' | 'cooling';
  /** Of the key that this was said of; another key under the same name starts anew. */
  readonly fingerprint: string | undefined;
  /** When it was last said. */
  saidAt: number;
  until: number;
  pauseMs: number;
  /** The request that tests it, known by the key that it was given, and since when. */
  test: { readonly by: UsedKey; readonly since: number } | undefined;
}

/** A key that came back, and what its pause had grown to. */
interface Past {
  readonly fingerprint: string | undefined;
  readonly acceptedAt: number;
  readonly pauseMs: number;
}

type Place = CredentialName | `${CredentialName} ${TargetId}`;

export class KeyHealth {
  readonly #options: KeyHealthOptions;
  /** Of keys that are not well; names have no spaces. */
  readonly #views = new Map<Place, View>();
  readonly #past = new Map<Place, Past>();
  readonly #alarms: KeyAlarms;
  readonly #refusals = new Map<CredentialName, number>();

  constructor(options: KeyHealthOptions) {
    this.#options = options;
    this.#alarms = new KeyAlarms(options.log, options.after);
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

  /** Whoever claims a key that is due must send a request with it, and hand in this very object with what became of it. */
  claim(key: UsedKey, target: TargetId): void {
    const since = this.#options.now();
    for (const view of this.#viewsOf(key, target)) if (view.state === 'refused') view.test = { by: key, since };
  }

  /** @param sentAt when the request was sent: an answer to one from before the refusal says nothing against it */
  accepted(key: UsedKey, target: TargetId, sentAt: number): void {
    if (this.allWell) return;
    for (const [place, at] of [
      [key.name, undefined],
      [placeOf(key.name, target), target],
    ] as const) {
      const view = this.#views.get(place);
      if (view === undefined || view.fingerprint !== key.fingerprint || sentAt < view.saidAt) continue;
      // One good answer of many does not end the pause that a provider asked for.
      if (view.state === 'cooling') continue;
      this.#comeBack(place, view);
      const fields = { ...told(key), ...(at && { target: at }) };
      this.#alarms.tell(place, { level: 'info', fields, message: 'the provider takes the gateway key again' });
      this.#options.onChange?.({ key, target: at, state: 'accepted', forMs: 0 });
    }
  }

  /** The test told nothing: the target failed, or the caller left. */
  untold(key: UsedKey, target: TargetId): void {
    if (this.allWell) return;
    for (const view of this.#viewsOf(key, target)) if (view.test?.by === key) view.test = undefined;
  }

  /** @param retestMs first pause of a key that was refused, doubled by each test that fails */
  turnedDown(key: UsedKey, target: TargetId, trouble: KeyTrouble, retestMs: number): void {
    if (!this.#options.isInForce(key.name, target)) return;
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
      if (now < known.until && known.test?.by !== key) return;
      known.pauseMs = Math.min(known.pauseMs * 2, MAX_PAUSE_MS);
      known.saidAt = now;
      known.until = now + known.pauseMs;
      known.test = undefined;
      this.#options.onChange?.({ key, target: at, state: 'refused', forMs: known.pauseMs });
      return;
    }
    const pauseMs = trouble.kind === 'unpaid' ? MAX_PAUSE_MS : this.#firstPauseMs(place, key, retestMs);
    this.#views.set(place, this.#view('refused', key, pauseMs));
    const fields = { ...told(key), target, status: trouble.status, retestInMs: pauseMs };
    this.#alarms.tell(place, { level: 'error', fields, message: ALARMS[trouble.kind] });
    this.#options.onChange?.({ key, target: at, state: 'refused', forMs: pauseMs });
  }

  /** Another process has seen this, and told the operator. */
  hear({ key, target, state, forMs }: KeyChange): void {
    if (!this.#options.isInForce(key.name, target)) return;
    const place = target === undefined ? key.name : placeOf(key.name, target);
    if (state === 'accepted') {
      const view = this.#views.get(place);
      if (view !== undefined && view.fingerprint === key.fingerprint) this.#comeBack(place, view);
      return;
    }
    const known = this.#viewAt(place, key);
    if (known?.state !== 'refused' || state === 'refused') this.#views.set(place, this.#view(state, key, forMs));
  }

  /** Of this name there is another key now, or none. */
  forget(name: CredentialName): void {
    for (const places of [this.#views, this.#past])
      for (const place of places.keys()) if (place === name || place.startsWith(`${name} `)) places.delete(place);
  }

  /** Targets that are no more, or are something else now. */
  forgetTargets(ids: ReadonlySet<TargetId>): void {
    for (const places of [this.#views, this.#past])
      for (const place of places.keys()) if (ids.has(place.split(' ')[1] as TargetId)) places.delete(place);
  }

  /** The worst that is known of a key, at any target. */
  stateOf(key: UsedKey): KeyStanding['state'] | undefined {
    return this.standingOf(key)?.state;
  }

  /** The same, with where it holds and when that may change. */
  standingOf({ name, fingerprint }: UsedKey): KeyStanding | undefined {
    if (this.allWell) return undefined;
    const now = this.#options.now();
    const views = [...this.#views].filter(
      ([place, view]) =>
        (place === name || place.startsWith(`${name} `)) &&
        view.fingerprint === fingerprint &&
        (view.state === 'refused' || now < view.until),
    );
    const state = views.some(([, view]) => view.state === 'refused') ? 'refused' : 'cooling';
    const worst = views.filter(([, view]) => view.state === state);
    if (worst.length === 0) return undefined;
    const isEverywhere = worst.some(([place]) => place === name);
    return {
      state,
      pauseMs: Math.max(0, Math.min(...worst.map(([, { until }]) => until - now))),
      targets: isEverywhere ? [] : worst.map(([place]) => place.slice(name.length + 1)),
    };
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
      if (known.test?.by === key) known.test = undefined;
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
    return view.test !== undefined && now - view.test.since < TEST_LIMIT_MS ? 'resting' : 'due';
  }

  #viewsOf({ name }: UsedKey, target: TargetId): View[] {
    return [name, placeOf(name, target)].flatMap((place) => this.#views.get(place) ?? []);
  }

  #comeBack(place: Place, view: View): void {
    this.#views.delete(place);
    const { fingerprint, pauseMs } = view;
    if (view.state === 'refused') this.#past.set(place, { fingerprint, pauseMs, acceptedAt: this.#options.now() });
  }

  #firstPauseMs(place: Place, { fingerprint }: UsedKey, retestMs: number): number {
    const past = this.#past.get(place);
    this.#past.delete(place);
    if (past === undefined || past.fingerprint !== fingerprint) return retestMs;
    return this.#options.now() - past.acceptedAt < PROBATION_MS ? Math.min(past.pauseMs * 2, MAX_PAUSE_MS) : retestMs;
  }

  /** @returns undefined, too, for what was said of the key before this one */
  #viewAt(place: Place, { fingerprint }: UsedKey): View | undefined {
    const view = this.#views.get(place);
    if (view === undefined || view.fingerprint === fingerprint) return view;
    this.#views.delete(place);
    return undefined;
  }

  #view(state: View['state'], { fingerprint }: UsedKey, pauseMs: number): View {
    const saidAt = this.#options.now();
    return { state, fingerprint, saidAt, until: saidAt + pauseMs, pauseMs, test: undefined };
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
