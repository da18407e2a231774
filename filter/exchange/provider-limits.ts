/** Where the attempts of a request meet the limits that providers set for us. */

import type { Attempt } from '../fallback/attempt.ts';
import { Fault } from '../fault.ts';
import { estimateTokens } from '../observability/estimate.ts';
import type { Target } from '../policy/compiled/target.ts';
import type { TokenEstimate } from '../prices/cost.ts';
import type { LimitDemand, Pass } from '../quota/fair-queue.ts';
import { totalInput, totalOutput } from '../transform/unified.ts';
import type { Exchange } from './exchange.ts';
import type { HeaderView } from './http.ts';
import { estimateFor, type Spent } from './token-use.ts';

/**
 * The chain with a target first that has room for this request. Waits for a turn at the first target, as long as the request's class may; the others are asked for
 * room as it is. @returns the very same list where nothing is limited; a promise only where there is a wait
 * @throws Fault `no_capacity`
 */
export function withRoom(exchange: Exchange, chain: readonly Target[]): readonly Target[] | Promise<readonly Target[]> {
  const { gateway } = exchange;
  const [first] = chain;
  if (first === undefined || !gateway.limits.isLimited(first)) return chain;
  const entered = gateway.limits.enter(first, demandOf(exchange, first), waitMs(exchange), (leave) => {
    exchange.leaveQueue = leave;
  });
  if (!(entered instanceof Promise))
    return entered === undefined ? nextWithRoom(exchange, chain) : passed(exchange, first, entered, chain);
  const began = performance.now();
  return entered.then((pass) => {
    exchange.queuedMs = performance.now() - began;
    if (exchange.settled) {
      pass?.giveBack();
      throw new Fault('gateway_unavailable', 'The caller has left.');
    }
    return pass === undefined ? nextWithRoom(exchange, chain) : passed(exchange, first, pass, chain);
  });
}

const NOTHING = { inputTokens: 0, outputTokens: 0 } as const;
/** Of what is left of a latency budget, so much may go into waiting. */
const WAIT_SHARE = 0.5;

function waitMs({ policy, plan, deadlineAt }: Exchange): number {
  const allowed = policy.waitMs[plan?.key.workloadClass ?? 'interactive'];
  return deadlineAt === undefined ? allowed : Math.min(allowed, Math.max((deadlineAt - performance.now()) * WAIT_SHARE, 0));
}

function demandOf(exchange: Exchange, target: Target): LimitDemand {
  const { caller, plan, policy } = exchange;
  if (caller === undefined || plan === undefined) throw new Error('a target is asked for without a plan');
  const { inputTokens, outputTokens } = limitEstimate(exchange, target);
  return {
    ...{ tenant: caller.tenant, weight: policy.tenantWeights.get(caller.tenant) ?? 1 },
    ...{ workloadClass: plan.key.workloadClass, inputTokens, outputTokens },
  };
}

/** A limit that is only learned, and mostly wide, is not worth a look at the whole prompt. */
function limitEstimate(exchange: Exchange, target: Target): TokenEstimate {
  if (exchange.callerSchema?.operation === 'count_tokens') return { inputTokens: 0, outputTokens: 0 };
  if (target.limits !== undefined || exchange.estimate !== undefined) return estimateFor(exchange, target);
  return { inputTokens: estimateTokens(exchange.requestBytes), outputTokens: exchange.alias?.expectedOutputTokens ?? 0 };
}

function passed(exchange: Exchange, target: Target, pass: Pass, chain: readonly Target[]): readonly Target[] {
  exchange.passes.push({ target, pass });
  return chain;
}

/** What has no room goes last: it would be refused, and a refusal counts there as well. */
function nextWithRoom(exchange: Exchange, chain: readonly Target[]): readonly Target[] {
  const { limits, health } = exchange.gateway;
  const full = new Set<Target>(chain.slice(0, 1));
  // One that is sick has room, and would only send the request back to where there is none.
  const isSick = ({ id }: Target): boolean => exchange.alias?.order !== 'fixed' && health.isAvoided(id);
  for (const [at, target] of chain.entries()) {
    if (full.has(target)) continue;
    const pass = isSick(target) ? undefined : limits.enter(target, demandOf(exchange, target), 0);
    if (pass === undefined || pass instanceof Promise) {
      full.add(target);
      continue;
    }
    exchange.passes.push({ target, pass });
    exchange.detours = [...exchange.detours, 'room'];
    const others = chain.filter((one, index) => index !== at && !full.has(one));
    return [target, ...others, ...chain.filter((one) => full.has(one))];
  }
  const retryAfterSeconds = exchange.alias?.retryAfterSeconds ?? 1;
  throw new Fault('no_capacity', `No target has room for this request now. Retry after ${retryAfterSeconds} s.`, {
    retryAfterSeconds,
  });
}

/** An attempt begins: with the pass that was given for its target, or, after another has failed, anyway. */
export function takePass(exchange: Exchange, attempt: Attempt): void {
  const { target } = attempt;
  const at = exchange.passes.findIndex((held) => held.target === target);
  const [held] = at < 0 ? [] : exchange.passes.splice(at, 1);
  const { limits } = exchange.gateway;
  if (held !== undefined) exchange.taken.push({ attempt, pass: held.pass });
  else if (limits.isLimited(target))
    exchange.taken.push({ attempt, pass: limits.enterAnyway(target, demandOf(exchange, target)) });
}

/** A failed attempt took a request, and no tokens; its place is free while the chain goes on elsewhere. */
export function endPass({ taken }: Exchange, attempt: Attempt): void {
  const at = taken.findIndex((held) => held.attempt === attempt);
  for (const { pass } of at < 0 ? [] : taken.splice(at, 1)) pass.settle(NOTHING);
}

/** The exchange has ended: what its attempts really took. */
export function settlePasses(exchange: Exchange, spent: Spent | undefined): void {
  const answering = exchange.attempts.at(-1);
  exchange.leaveQueue?.();
  for (const { pass } of exchange.passes.splice(0)) pass.giveBack();
  for (const { attempt, pass } of exchange.taken.splice(0)) {
    const used =
      attempt === answering && spent !== undefined
        ? { inputTokens: totalInput(spent.usage), outputTokens: totalOutput(spent.usage) }
        : NOTHING;
    pass.settle(used);
  }
}

/** A provider has answered an attempt: it may have said what is left. */
export function learnLimits({ gateway }: Exchange, { target, credential }: Attempt, headers: HeaderView): void {
  gateway.limits.learn(target, credential?.name ?? '', headers.names(), (name) => headers.get(name));
}
