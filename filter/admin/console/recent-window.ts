/**
 * The last quarter of an hour as audit records tell it, in slots of ten seconds, and what was spent since the start. Every record is noted once, with work that
 * grows with its attempts alone; every map is bounded, what does not fit is counted under one name.
 */
import type { AuditAttempt, AuditRecord } from '../../observability/audit-record.ts';
import { DurationCounts } from './durations.ts';
import type { Beat, Failure, Move, Spend, TargetTraffic, Traffic } from './snapshot.ts';

const SLOT_MS = 10_000;
const SLOTS = 90;
/** Of one slot. Names come from the policy, but tenants and aliases may be many. */
const MAX_TARGETS = 200;
const MAX_MOVES = 300;
/** Of all slots together: what is sent to another process, and what a page has room for. */
const MAX_TOLD_MOVES = 1_000;
/** Features may come out of tokens. */
const MAX_SPENDERS = 1_000;
export const OTHERS = '(others)';

export interface RecentWindowOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** The target that policy has first for an alias, and why it would not be asked first now; undefined: nothing speaks against it. */
  readonly passedOver: (alias: string) => { readonly target: string; readonly reason: string } | undefined;
  readonly isAlias: (name: string) => boolean;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

interface TargetSlot extends Pick<TargetTraffic, 'target' | 'cluster' | 'model'> {
  readonly outcomes: Map<string, number>;
  readonly answer: DurationCounts;
  readonly firstByte: DurationCounts;
  lastFailure: Failure | undefined;
}

interface Slot {
  readonly number: number;
  readonly outcomes: Map<string, number>;
  readonly targets: Map<string, TargetSlot>;
  readonly moves: Map<string, Writable<Move>>;
}

export class RecentWindow {
  readonly #options: RecentWindowOptions;
  readonly #since: number;
  readonly #slots: (Slot | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #spend = new Map<string, Writable<Spend>>();

  constructor(options: RecentWindowOptions) {
    this.#options = options;
    this.#since = options.now();
  }

  observe(record: AuditRecord): void {
    const at = this.#options.now();
    const slot = this.#slotAt(at);
    count(slot.outcomes, record.outcome);
    for (const attempt of record.attempts) noteAttempt(slot, attempt, record, at);
    this.#noteMoves(slot, record, at);
    this.#noteSpend(record);
  }

  /** @param forMs up to a quarter of an hour */
  snapshot(forMs: number): Traffic {
    const now = this.#options.now();
    const newest = Math.floor(now / SLOT_MS);
    // A clock that was set back leaves slots that are not yet.
    const all = this.#slots.filter(
      (slot) => slot !== undefined && slot.number > newest - SLOTS && slot.number <= newest,
    ) as Slot[];
    all.sort((a, b) => a.number - b.number);
    const oldest = newest - Math.ceil(forMs / SLOT_MS) + 1;
    const wanted = all.filter(({ number }) => number >= oldest);
    const outcomes = new Map<string, number>();
    for (const slot of wanted) for (const [outcome, of] of slot.outcomes) count(outcomes, outcome, of);
    return {
      from: Math.min(Math.max(oldest * SLOT_MS, this.#since), now),
      outcomes: Object.fromEntries(outcomes),
      targets: targetsOf(wanted),
      moves: movesOf(wanted),
      beats: all.map(beatOf),
      spend: [...this.#spend.values()],
      since: this.#since,
    };
  }

  #slotAt(at: number): Slot {
    const number = Math.floor(at / SLOT_MS);
    const place = number % SLOTS;
    let slot = this.#slots[place];
    if (slot?.number !== number) {
      slot = { number, outcomes: new Map(), targets: new Map(), moves: new Map() };
      this.#slots[place] = slot;
    }
    return slot;
  }

  #noteMoves(slot: Slot, record: AuditRecord, at: number): void {
    const { attempts, excluded, outcome } = record;
    const alias = record.alias !== null && this.#options.isAlias(record.alias) ? record.alias : undefined;
    if (alias === undefined) return;
    const tenant = record.tenant ?? '(unknown)';
    const move = (from: string, to: string | undefined, reason: string): void => {
      const key = `${tenant}\n${alias}\n${from}\n${to ?? ''}\n${reason}`;
      const known = slot.moves.get(key);
      if (known !== undefined) {
        known.count += 1;
        known.lastAt = at;
      } else if (slot.moves.size < MAX_MOVES) slot.moves.set(key, { tenant, alias, from, to, reason, count: 1, lastAt: at });
      else {
        const rest = slot.moves.get(OTHERS);
        if (rest !== undefined) {
          rest.count += 1;
          rest.lastAt = at;
        } else
          slot.moves.set(OTHERS, { ...{ tenant: OTHERS, alias: OTHERS, from: OTHERS, to, reason }, count: 1, lastAt: at });
      }
    };
    const first = attempts.find(({ number }) => number > 0);
    if (first !== undefined) {
      // The usual first target that nobody even asked, because it is sick or its cluster cannot be reached.
      const unreachable = excluded.find(({ rule }) => rule === 'circuit_open' || rule === 'no_healthy_host');
      if (unreachable !== undefined) move(unreachable.target, first.target, unreachable.rule);
      else if (record.canary_slice !== 'canary') {
        const passed = this.#options.passedOver(alias);
        if (passed !== undefined && isUnasked(passed.target, record)) move(passed.target, first.target, passed.reason);
      }
    }
    for (const [index, attempt] of attempts.entries()) {
      if (attempt.outcome === 'ok' || attempt.outcome === 'abandoned' || attempt.outcome === 'pending') continue;
      // Those that could not be asked stand before all attempts: whoever was asked first took their place.
      const next = attempt.number === 0 ? first : attempts[index + 1];
      if (next !== undefined && next.target !== attempt.target) move(attempt.target, next.target, attempt.outcome);
      else if (next === undefined && outcome === 'failed') move(attempt.target, undefined, attempt.outcome);
    }
  }

  #noteSpend({ tenant, feature, usage, cost_nano_usd }: AuditRecord): void {
    if (usage === null || tenant === null) return;
    const key = `${tenant}\n${feature ?? ''}`;
    let sum = this.#spend.get(key);
    if (sum === undefined) {
      const isFull = this.#spend.size >= MAX_SPENDERS;
      const of = isFull ? { tenant: OTHERS, feature: OTHERS } : { tenant, feature: feature ?? '(none)' };
      sum = isFull ? this.#spend.get(OTHERS) : undefined;
      sum ??= { ...of, requests: 0, inputTokens: 0, outputTokens: 0, nanoUsd: 0, unpriced: 0 };
      this.#spend.set(isFull ? OTHERS : key, sum);
    }
    sum.requests += 1;
    sum.inputTokens += usage.input_tokens;
    sum.outputTokens += usage.output_tokens;
    if (cost_nano_usd === null) sum.unpriced += 1;
    else sum.nanoUsd += cost_nano_usd;
  }
}

function count(counts: Map<string, number>, name: string, by = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}

function isUnasked(target: string, { attempts, excluded }: AuditRecord): boolean {
  return !attempts.some((attempt) => attempt.target === target) && !excluded.some((one) => one.target === target);
}

function noteAttempt(slot: Slot, attempt: AuditAttempt, { request_id, outcome: ending }: AuditRecord, at: number): void {
  if (attempt.number === 0) return;
  const isFull = slot.targets.size >= MAX_TARGETS && !slot.targets.has(attempt.target);
  const name = isFull ? OTHERS : attempt.target;
  let target = slot.targets.get(name);
  if (target === undefined) {
    const of = { target: name, cluster: isFull ? OTHERS : attempt.cluster, model: isFull ? OTHERS : attempt.model };
    target = {
      ...of,
      outcomes: new Map(),
      answer: new DurationCounts(),
      firstByte: new DurationCounts(),
      lastFailure: undefined,
    };
    slot.targets.set(name, target);
  }
  // Headers were good and the answer broke: nothing that the caller could use.
  const outcome = attempt.outcome === 'ok' && ending === 'cut' ? 'broke_off' : attempt.outcome;
  count(target.outcomes, outcome);
  if (outcome === 'ok') {
    if (attempt.duration_ms !== null) target.answer.note(attempt.duration_ms);
    if (attempt.first_byte_ms !== null) target.firstByte.note(attempt.first_byte_ms);
  } else if (isFailure(outcome)) target.lastFailure = { at, outcome, status: attempt.status, requestId: request_id };
}

/** Speaks this outcome against its target? The others are the request's own trouble, or its caller's. */
export function isFailure(outcome: string): boolean {
  return !NO_FAILURES.has(outcome);
}

const NO_FAILURES: ReadonlySet<string> = new Set([
  ...['ok', 'abandoned', 'pending', 'request_refused', 'not_translatable', 'credential_unavailable', 'conflict'],
]);

function targetsOf(slots: readonly Slot[]): TargetTraffic[] {
  const sums = new Map<string, TargetSlot>();
  for (const slot of slots) {
    for (const [name, { target, cluster, model, outcomes, answer, firstByte, lastFailure }] of slot.targets) {
      let sum = sums.get(name);
      if (sum === undefined) {
        sum = {
          target,
          cluster,
          model,
          outcomes: new Map(),
          answer: new DurationCounts(),
          firstByte: new DurationCounts(),
          lastFailure,
        };
        sums.set(name, sum);
      }
      for (const [outcome, by] of outcomes) count(sum.outcomes, outcome, by);
      sum.answer.add(answer);
      sum.firstByte.add(firstByte);
      sum.lastFailure = lastFailure ?? sum.lastFailure;
    }
  }
  return [...sums.values()].map(({ outcomes, answer, firstByte, ...of }) => ({
    ...of,
    outcomes: Object.fromEntries(outcomes),
    answer: answer.toJSON(),
    firstByte: firstByte.toJSON(),
  }));
}

function movesOf(slots: readonly Slot[]): Move[] {
  const sums = new Map<string, Writable<Move>>();
  for (const { moves } of slots) {
    for (const [key, move] of moves) {
      const known = sums.get(key);
      if (known === undefined) sums.set(key, { ...move });
      else {
        known.count += move.count;
        known.lastAt = move.lastAt;
      }
    }
  }
  const moves = [...sums.values()].sort((a, b) => b.count - a.count);
  const rest = moves.splice(MAX_TOLD_MOVES);
  if (rest.length === 0) return moves;
  const others = { tenant: OTHERS, alias: OTHERS, from: OTHERS, to: OTHERS, reason: OTHERS };
  const [counts, times] = [rest.map((move) => move.count), rest.map(({ lastAt }) => lastAt)];
  return [...moves, { ...others, count: counts.reduce((sum, by) => sum + by, 0), lastAt: Math.max(...times) }];
}

function beatOf({ number, targets }: Slot): Beat {
  const counts = [...targets].map(([name, { outcomes }]) => {
    let failed = 0;
    let ok = 0;
    for (const [outcome, by] of outcomes) {
      if (outcome === 'ok') ok += by;
      else if (isFailure(outcome)) failed += by;
    }
    return [name, [ok, failed]] as const;
  });
  return { at: number * SLOT_MS, targets: Object.fromEntries(counts) };
}
