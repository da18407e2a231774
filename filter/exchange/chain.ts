/** The chain of one request: which of the alias's targets can be asked at all, the first of them, and those that follow. */
import { type Attempt, type AttemptFailure, CLOCK_TOLERANCE_MS, isKeyFailure } from '../fallback/attempt.ts';
import { keyFailureMovesOn } from '../fallback/conditions.ts';
import { firstAttemptMs } from '../fallback/deadline.ts';
import { Fault } from '../fault.ts';
import type { FallbackCondition } from '../policy/compiled/alias.ts';
import type { ClusterName } from '../policy/compiled/names.ts';
import type { Target } from '../policy/compiled/target.ts';
import type { Plan } from '../routing/plan.ts';
import {
  beginUnseen,
  checkTarget,
  concludeSilent,
  isTargetsOwn,
  type PreparedAttempt,
  prepareAttempt,
  skipAttempt,
} from './attempts.ts';
import { answerKind, choose, isLate } from './choose.ts';
import type { Exchange } from './exchange.ts';
import { isForNextKey, MAX_ATTEMPTS, spareAttempts } from './keys.ts';
import { withRoom } from './provider-limits.ts';

export interface Forward {
  /** Clusters in the order of attempts. */
  readonly chain: readonly ClusterName[];
  readonly first: PreparedAttempt | Promise<PreparedAttempt>;
}

/**
 * The chain begins at the first target that can be asked, and leaves out every one that cannot: Envoy moves on only from what a
 * provider answers, so a target that turns out in the middle to be of no use would end the chain.
 * @throws Fault the first target's own, when none can be asked
 */
export function startChain(exchange: Exchange, plan: Plan): Forward | Promise<Forward> {
  const chain = withRoom(exchange, choose(exchange, plan));
  return chain instanceof Promise
    ? chain.then((made) => beginChain(exchange, plan, made))
    : beginChain(exchange, plan, chain);
}

function beginChain(exchange: Exchange, plan: Plan, chain: readonly Target[]): Forward {
  const { alias } = plan;
  // Waited for a turn, or for its token, until it was too late.
  if (exchange.deadlineAt !== undefined && performance.now() >= exchange.deadlineAt)
    throw chainExhausted(exchange, undefined);
  let refusal: Fault | undefined;
  const resting: Target[] = [];
  for (const [index, target] of chain.entries()) {
    try {
      const first = prepareAttempt(exchange, target, 1, 'usable');
      if (target !== chain[0]) exchange.detours = [...exchange.detours, 'skipped'];
      const clusters = restOfChain(exchange, chain, index, target);
      exchange.attemptDeadlineMs = attemptDeadlineMs(exchange, plan);
      exchange.spareAttempts = spareAttempts(exchange);
      return { chain: clusters, first };
    } catch (error) {
      if (!isTargetsOwn(error)) throw error;
      skipAttempt(exchange, target, error);
      if (error.code === 'credential_unavailable') resting.push(target);
      // What passes with time is told before what does not.
      if (refusal === undefined || error.code === 'credential_unavailable') refusal = error;
    }
  }
  const last = lastHope(exchange, plan, resting);
  if (last !== undefined) return last;
  if (refusal === undefined) throw new Error('a chain without targets');
  if (refusal.code !== 'credential_unavailable') throw refusal;
  throw new Fault(refusal.code, refusal.message, { retryAfterSeconds: alias.retryAfterSeconds });
}

/** No key of any target can be used now: the one whose time is nearest is tried all the same. */
function lastHope(exchange: Exchange, plan: Plan, resting: readonly Target[]): Forward | undefined {
  const waitMs = (target: Target): number | undefined =>
    target.credentials.length < 2 ? undefined : exchange.ruleset.credentials.waitMs(target, exchange.caller?.tenant);
  const [nearest] = resting
    .filter((target) => waitMs(target) !== undefined)
    .toSorted((a, b) => (waitMs(a) ?? 0) - (waitMs(b) ?? 0));
  if (nearest === undefined) return undefined;
  const first = prepareAttempt(exchange, nearest, 1, 'last');
  // It is asked after all.
  const others = exchange.skipped.filter(({ target }) => target !== nearest);
  exchange.skipped.splice(0, exchange.skipped.length, ...others);
  exchange.chain = [nearest];
  exchange.attemptDeadlineMs = attemptDeadlineMs(exchange, plan);
  exchange.spareAttempts = spareAttempts(exchange);
  return { chain: [nearest.cluster], first };
}

function restOfChain(exchange: Exchange, chain: readonly Target[], start: number, first: Target): readonly ClusterName[] {
  const verdicts = new Map<Target, boolean>([[first, true]]);
  const rest = chain.filter((target, index) => index > start && isAskable(exchange, target, verdicts));
  // A chain may have more targets with its zones' last resorts than Envoy's bootstrap allows attempts.
  exchange.chain = [first, ...rest].slice(0, MAX_ATTEMPTS);
  const whole = clustersFrom(chain, start);
  return whole.length === exchange.chain.length ? whole : exchange.chain.map(({ cluster }) => cluster);
}

/** One and the same list for every request that takes the same way: its bytes are made once (extproc/messages.ts). */
const clusterLists = new WeakMap<readonly Target[], readonly (readonly ClusterName[])[]>();

function clustersFrom(chain: readonly Target[], start: number): readonly ClusterName[] {
  let lists = clusterLists.get(chain);
  if (lists === undefined) {
    lists = chain.map((_, from) => chain.slice(from).map(({ cluster }) => cluster));
    clusterLists.set(chain, lists);
  }
  return lists[start] ?? [];
}

function isAskable(exchange: Exchange, target: Target, verdicts: Map<Target, boolean>): boolean {
  const known = verdicts.get(target);
  if (known !== undefined) return known;
  let askable = true;
  try {
    checkTarget(exchange, target);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    // What is wrong with the body itself is the caller's to mend: told if the first target takes it and then fails.
    if (isTargetsOwn(error)) {
      skipAttempt(exchange, target, error);
      askable = false;
    }
  }
  verdicts.set(target, askable);
  return askable;
}

/**
 * Envoy is about to send attempt `number` to `cluster`. The target is the one that the chain names for this attempt; a
 * cluster that is not the chain's gets nothing, and so no credential either. Past the chain's end, where attempts were allowed for other keys, Envoy names
 * some cluster of the chain again: it gets nothing as well, and the caller the chain's last word.
 * @throws Fault when the target cannot be asked after all, such as for a credential that has run out
 */
export function continueChain(
  exchange: Exchange,
  cluster: string,
  number: number,
): PreparedAttempt | Promise<PreparedAttempt> {
  const { chain, attempts } = exchange;
  if (number > chain.length) {
    concludeSilent(exchange);
    throw chainExhausted(exchange, attempts.at(-1)?.retryAfterSeconds);
  }
  const target = chain[number - 1];
  if (target === undefined || target.cluster !== cluster) {
    throw new Error(
      `attempt ${number} was routed to cluster ${JSON.stringify(cluster)}, which the chain does not name there`,
    );
  }
  beginUnseen(exchange, number - 1);
  concludeSilent(exchange);
  if (isOver(exchange) || isLate(exchange, target)) throw chainExhausted(exchange, undefined);
  try {
    return prepareAttempt(exchange, target, number, 'last');
  } catch (error) {
    if (!isTargetsOwn(error)) throw error;
    skipAttempt(exchange, target, error);
    throw chainExhausted(exchange, undefined);
  }
}

/** Time that each attempt has until response headers; Envoy takes one for all of them. */
function attemptDeadlineMs(exchange: Exchange, { alias }: Plan): number {
  const kind = answerKind(exchange);
  const limit = alias.attemptDeadlineMs[kind];
  const { deadlineAt, chain, gateway } = exchange;
  if (deadlineAt === undefined) return limit;
  const later = chain.slice(1).map(({ id }) => gateway.latency.of(id, kind)?.p95Ms);
  return Math.min(limit, firstAttemptMs(deadlineAt - performance.now(), later));
}

/** A cluster without hosts, in Envoy's bootstrap: the end of a chain that has become shorter than Envoy was told. */
const NO_CHAIN = 'no_chain' as ClusterName;

/** What the same target would say again. */
const SAYS_AGAIN: ReadonlySet<AttemptFailure> = new Set([
  'rate_limited',
  'credential_refused',
  'billing',
  'model_not_found',
  'request_refused',
]);

/**
 * Attempt `number` has failed with an answer, and Envoy waits for us before it moves on: the rest of the chain, by what is known now. When only its key was
 * turned down, the same target comes next, with another key. Else a retry on the same target is left out when it would be told the same again, and so is
 * what has no host, an open breaker, no usable key or no time left; what is sick goes last.
 * @returns clusters in the order of attempts, those made too; undefined: as they were
 */
export function replan(exchange: Exchange, number: number): readonly ClusterName[] | undefined {
  const { chain } = exchange;
  const planned = chain.slice(number);
  const failed = exchange.attempts.findLast((attempt) => attempt.number === number);
  const next = failed === undefined ? ordered(exchange, planned, undefined) : afterFailure(exchange, planned, failed);
  if (next.length === planned.length && next.every((target, index) => target === planned[index])) return undefined;
  exchange.chain = [...chain.slice(0, number), ...next];
  if (next.length > planned.length) exchange.spareAttempts -= next.length - planned.length;
  const clusters = exchange.chain.map(({ cluster }) => cluster);
  return next.length < planned.length ? [...clusters, NO_CHAIN] : clusters;
}

function afterFailure(exchange: Exchange, planned: readonly Target[], failed: Attempt): readonly Target[] {
  const { alias, spareAttempts } = exchange;
  const again = failed.target;
  const [next] = planned;
  if (isForNextKey(exchange, failed) && !isLate(exchange, again)) {
    if (next === again) return [again, ...ordered(exchange, planned.slice(1), undefined)];
    if (spareAttempts > 0) return [again, ...ordered(exchange, planned, undefined)];
  }
  // Where there were keys to spare Envoy moves on from what turns one down; whether to another target is the policy's to say.
  if (isKeyFailure(failed.outcome) && !keyFailureMovesOn(failed.outcome, alias?.fallBackOn ?? NONE)) return [];
  return ordered(exchange, planned, failed);
}

const NONE: ReadonlySet<FallbackCondition> = new Set();

/** @param failed the attempt that these come after, if what the same target would say again is to be left out */
function ordered(exchange: Exchange, rest: readonly Target[], failed: Attempt | undefined): readonly Target[] {
  const { gateway, alias, ruleset, caller } = exchange;
  if (rest.length === 0 || alias?.order === 'fixed') return rest;
  const isPointless = (target: Target): boolean =>
    (target === failed?.target && SAYS_AGAIN.has(failed.outcome as AttemptFailure)) ||
    gateway.clusters.problemOf(target.cluster) !== undefined ||
    (target.credentials.length > 1 && ruleset.credentials.servable(target, caller?.tenant) === 0) ||
    isLate(exchange, target);
  const left = rest.filter((target) => !isPointless(target));
  if (gateway.health.allWell) return left;
  const isAvoided = ({ id }: Target): boolean => gateway.health.isAvoided(id);
  return [...left.filter((target) => !isAvoided(target)), ...left.filter(isAvoided)];
}

/** Is the latency budget used up? */
export function isOver({ deadlineAt }: Exchange): boolean {
  return deadlineAt !== undefined && performance.now() >= deadlineAt - CLOCK_TOLERANCE_MS;
}

/** The terminal step of every chain. Says nothing of why: the failed attempts are in a header, our account is nobody's matter. */
export function chainExhausted(exchange: Exchange, hintSeconds: number | undefined): Fault {
  const retryAfterSeconds = Math.min(Math.max(hintSeconds ?? exchange.alias?.retryAfterSeconds ?? 1, 1), 300);
  const tried = exchange.attempts.filter((attempt) => attempt.number > 0).length;
  const alias = exchange.alias?.name ?? 'unknown';
  const budget = exchange.plan?.key.latencyBudgetMs;
  if (isOver(exchange)) {
    const message = `The latency budget of ${budget} ms is used up (${tried} tried). Retry after ${retryAfterSeconds} s.`;
    return new Fault('deadline_exceeded', message, { retryAfterSeconds });
  }
  return new Fault(
    'chain_exhausted',
    `No target of ${JSON.stringify(alias)} could answer (${tried} tried). Retry after ${retryAfterSeconds} s.`,
    { retryAfterSeconds },
  );
}
