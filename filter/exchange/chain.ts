/** The chain of one request: which of the alias's targets can be asked at all, the first of them, and those that follow. */
import { orderedByHealth } from '../fallback/health.ts';
import { Fault } from '../fault.ts';
import type { Alias, ClusterName, Target } from '../policy/policy.ts';
import { checkTarget, isTargetsOwn, type PreparedAttempt, prepareAttempt, skipAttempt } from './attempts.ts';
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
export function startChain(exchange: Exchange, alias: Alias): Forward {
  const chain = alias.order === 'fixed' ? alias.chain : orderedByHealth(alias.chain, exchange.gateway.health);
  let refusal: Fault | undefined;
  for (const [index, target] of chain.entries()) {
    try {
      const first = prepareAttempt(exchange, target, 1);
      return { chain: restOfChain(exchange, chain, index, target), first };
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
  const target = chain[Math.min(number, chain.length) - 1];
  if (target === undefined || target.cluster !== cluster) {
    throw new Error(
      `attempt ${number} was routed to cluster ${JSON.stringify(cluster)}, which the chain does not name there`,
    );
  }
  try {
    return prepareAttempt(exchange, target, number);
  } catch (error) {
    if (!isTargetsOwn(error)) throw error;
    skipAttempt(exchange, target, error);
    throw chainExhausted(exchange, undefined);
  }
}

/** The terminal step of every chain. Says nothing of why: the failed attempts are in a header, our account is nobody's matter. */
export function chainExhausted(exchange: Exchange, hintSeconds: number | undefined): Fault {
  const retryAfterSeconds = Math.min(Math.max(hintSeconds ?? exchange.alias?.retryAfterSeconds ?? 1, 1), 300);
  const tried = exchange.attempts.filter((attempt) => attempt.number > 0).length;
  const alias = exchange.alias?.name ?? 'unknown';
  return new Fault(
    'chain_exhausted',
    `No target of ${JSON.stringify(alias)} could answer (${tried} tried). Retry after ${retryAfterSeconds} s.`,
    { retryAfterSeconds },
  );
}
