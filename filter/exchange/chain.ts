/** The chain of one request: which of the alias's targets can be asked at all, the first of them, and those that follow. */
import { type AttemptFailure, CLOCK_TOLERANCE_MS } from '../fallback/attempt.ts';
import { firstAttemptMs } from '../fallback/deadline.ts';
import { Fault } from '../fault.ts';
import type { ClusterName, Target } from '../policy/policy.ts';
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
export function startChain(exchange: Exchange, plan: Plan): Forward {
  const { alias } = plan;
  const chain = choose(exchange, plan);
  let refusal: Fault | undefined;
  for (const [index, target] of chain.entries()) {
    try {
      const first = prepareAttempt(exchange, target, 1);
      const clusters = restOfChain(exchange, chain, index, target);
      exchange.attemptDeadlineMs = attemptDeadlineMs(exchange, plan);
      return { chain: clusters, first };
    } catch (error) {
      if (!isTargetsOwn(error)) throw error;
      skipAttempt(exchange, target, error);
      // What passes with time is told before what does not.
      if (refusal === undefined || error.code === 'credential_unavailable') refusal = error;
    }
  }
  if (refusal === undefined) throw new Error('a chain without targets');
  if (refusal.code !== 'credential_unavailable') throw refusal;
  throw new Fault(refusal.code, refusal.message, { retryAfterSeconds: alias.retryAfterSeconds });
}

function restOfChain(exchange: Exchange, chain: readonly Target[], start: number, first: Target): readonly ClusterName[] {
  const verdicts = new Map<Target, boolean>([[first, true]]);
  const rest = chain.filter((target, index) => index > start && isAskable(exchange, target, verdicts));
  exchange.chain = [first, ...rest];
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
 * cluster that is not the chain's gets nothing, and so no credential either.
 * @throws Fault when the target cannot be asked after all, such as for a credential that has run out
 */
export function continueChain(
  exchange: Exchange,
  cluster: string,
  number: number,
): PreparedAttempt | Promise<PreparedAttempt> {
  const { chain } = exchange;
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
    return prepareAttempt(exchange, target, number);
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
 * Attempt `number` has failed with an answer, and Envoy waits for us before it moves on: the rest of the chain, by what is known now. A retry on the
 * same target is left out when it would be told the same again, and so is what has no host, an open breaker or no time left; what is sick goes last.
 * @returns clusters in the order of attempts, those made too; undefined: as they were
 */
export function replan(exchange: Exchange, number: number): readonly ClusterName[] | undefined {
  const { chain, gateway, alias } = exchange;
  const tail = chain.slice(number);
  if (tail.length === 0 || alias?.order === 'fixed') return undefined;
  const failed = exchange.attempts.findLast((attempt) => attempt.number === number);
  const isPointless = (target: Target): boolean =>
    (target === failed?.target && SAYS_AGAIN.has(failed.outcome as AttemptFailure)) ||
    gateway.clusters.problemOf(target.cluster) !== undefined ||
    isLate(exchange, target);
  const rest = tail.filter((target) => !isPointless(target));
  const next = gateway.health.allWell
    ? rest
    : [...rest.filter(({ id }) => !gateway.health.isAvoided(id)), ...rest.filter(({ id }) => gateway.health.isAvoided(id))];
  if (next.length === tail.length && next.every((target, index) => target === tail[index])) return undefined;
  exchange.chain = [...chain.slice(0, number), ...next];
  const clusters = exchange.chain.map(({ cluster }) => cluster);
  return next.length < tail.length ? [...clusters, NO_CHAIN] : clusters;
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
