/** Admission: a request's place in the quotas of its caller, reserved before a target is chosen, and settled when it has ended. */
import { Fault } from '../fault.ts';
import { estimateNanoUsd } from '../prices/cost.ts';
import { type QuotaPlan, quotaPlanFor } from '../quota/quota-plan.ts';
import type { Decision, Demand, Refused } from '../quota/quota-store.ts';
import { rateLimitHeaders } from '../quota/rate-limit-headers.ts';
import type { Plan } from '../routing/plan.ts';
import { answerKind } from './choose.ts';
import type { Exchange } from './exchange.ts';
import { estimateFor, estimateOf, type Spent } from './token-use.ts';

/** @returns a promise only where another machine must be asked @throws Fault `quota_exceeded`, `budget_spent`; a promise rejects with the same */
export function admit(exchange: Exchange, plan: Plan): void | Promise<void> {
  const { caller, alias, gateway, policy } = exchange;
  if (caller === undefined || alias === undefined) throw new Error('an admission without a caller');
  const quotas = quotaPlanFor(policy, caller, alias);
  if (quotas.buckets.length === 0) return undefined;
  const decision = gateway.quotas.admit(demandOf(exchange, plan, quotas));
  if (decision instanceof Promise) return decision.then((made) => decided(exchange, quotas, made));
  return decided(exchange, quotas, decision);
}

function demandOf(exchange: Exchange, { chain, canary }: Plan, plan: QuotaPlan): Demand {
  const isFree = exchange.callerSchema?.operation === 'count_tokens';
  const { inputTokens, outputTokens } = isFree ? FREE : estimateOf(exchange);
  // Whoever of the chain answers: no more than this is spent.
  const costs = [...chain, ...(canary === undefined ? [] : [canary.target])].map((target) =>
    target.price === undefined || isFree ? 0 : estimateNanoUsd(target.price, estimateFor(exchange, target)),
  );
  return {
    ...{ plan, requestId: exchange.id, tokens: inputTokens + outputTokens, nanoUsd: Math.max(0, ...costs) },
    holdForMs: holdMs(exchange, chain.length + (canary === undefined ? 0 : 1)),
  };
}

const FREE = { inputTokens: 0, outputTokens: 0 } as const;

/** As long as a wait for a turn, all attempts and a silence in the answer can last. A stream that goes on renews it (`keepHold`). */
function holdMs(exchange: Exchange, attempts: number): number {
  const { alias, deadlineAt, policy, plan } = exchange;
  if (alias === undefined) return 0;
  const each = alias.attemptDeadlineMs[answerKind(exchange)];
  const wait = policy.waitMs[plan?.key.workloadClass ?? 'interactive'];
  const untilBegun = deadlineAt === undefined ? wait + each * attempts : Math.max(deadlineAt - performance.now(), 0);
  return Math.ceil(untilBegun) + alias.streamIdleMs + HOLD_GRACE_MS;
}

const HOLD_GRACE_MS = 10_000;

function decided(exchange: Exchange, plan: QuotaPlan, decision: Decision): void {
  exchange.rateLimit = rateLimitHeaders(plan, decision);
  if (decision.outcome === 'refused') throw refusalOf(decision);
  // The caller may have left while it was decided.
  if (exchange.settled) {
    exchange.gateway.quotas.settle(decision.reservation, { tokens: 0, nanoUsd: 0 });
    throw new Fault('gateway_unavailable', 'The caller has left.');
  }
  exchange.reservation = decision.reservation;
  exchange.warnings = decision.warnings;
  exchange.targets = decision.targets;
  if (decision.targets === 'cheaper' && exchange.plan?.key.degradation === 'refused') {
    const spent = decision.warnings.find(({ state }) => state === 'spent');
    throw new Fault('budget_spent', 'A budget is spent, and this request takes no answer of a cheaper model.', {
      ...(spent === undefined ? {} : { rule: spent.budget }),
    });
  }
}

function refusalOf({ bucket, retryAfterMs }: Refused): Fault {
  const retryAfterSeconds = Math.ceil(retryAfterMs / 1000);
  const name = JSON.stringify(bucket.name);
  const details = { retryAfterSeconds, rule: bucket.name };
  switch (bucket.kind) {
    case 'budget': {
      const message = `The budget ${name} of this ${bucket.period} is spent.`;
      return new Fault('budget_spent', message, details);
    }
    case 'concurrency': {
      const message = `The quota ${name} lets ${bucket.limit} requests be in flight at once. Retry after ${retryAfterSeconds} s.`;
      return new Fault('quota_exceeded', message, details);
    }
    default: {
      const message = `The quota ${name} has too few ${bucket.kind} left. Retry after ${retryAfterSeconds} s.`;
      return new Fault('quota_exceeded', message, details);
    }
  }
}

/** An answer goes on: its reservation must not expire under it. Cheap enough for every piece of a stream. */
export function keepHold(exchange: Exchange): void {
  const { reservation, alias, gateway } = exchange;
  if (reservation === undefined || alias === undefined) return;
  const now = performance.now();
  const holdForMs = alias.streamIdleMs + HOLD_GRACE_MS;
  if (now - exchange.renewedAt < holdForMs / 4) return;
  exchange.renewedAt = now;
  gateway.quotas.renew(reservation, holdForMs);
}

/** Puts what was really used in the place of what was reserved; once, at the end of the exchange. */
export function settleQuota(exchange: Exchange, spent: Spent | undefined): void {
  const { reservation, gateway } = exchange;
  if (reservation === undefined) return;
  const nanoUsd = spent?.nanoUsd ?? uncountedNanoUsd(exchange);
  gateway.quotas.settle(reservation, { tokens: spent?.tokens ?? 0, nanoUsd });
}

/** What has a price and was used, and nobody counted: a budget is charged what it was expected to cost. */
function uncountedNanoUsd(exchange: Exchange): number {
  const last = exchange.attempts.at(-1);
  const price = last?.target.price;
  if (last === undefined || price === undefined || exchange.callerSchema?.operation === 'count_tokens') return 0;
  if (last.outcome !== 'ok' && last.outcome !== 'abandoned') return 0;
  return estimateNanoUsd(price, estimateFor(exchange, last.target));
}
