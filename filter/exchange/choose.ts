/** Which targets of a plan are asked, and in which order: what policy allows meets what is known at this moment. */
import { isTooSlow } from '../fallback/deadline.ts';
import { orderedByHealth } from '../fallback/health.ts';
import type { AnswerKind } from '../fallback/latency.ts';
import { Fault } from '../fault.ts';
import type { Target } from '../policy/compiled/target.ts';
import { estimateNanoUsd } from '../prices/cost.ts';
import type { CanarySlice } from '../routing/canary.ts';
import type { Exclusion, ExclusionRule, Plan } from '../routing/plan.ts';
import type { RouteKey } from '../routing/route-key.ts';
import type { Exchange } from './exchange.ts';
import { estimateFor, estimateOf } from './token-use.ts';

/** @returns the very same list for the same choice, so that what is made of it can be kept @throws Fault when nothing is left */
export function choose(exchange: Exchange, plan: Plan): readonly Target[] {
  const { alias } = plan;
  const { health } = exchange.gateway;
  exchange.slice = sliceOf(exchange, plan);
  exchange.excluded = plan.excluded;
  const chain = changesByRequest(exchange, plan) ? chosenNow(exchange, plan) : plan.chain;
  if (chain.length === 0) throw nothingLeft(exchange, plan);
  if (alias.order === 'fixed' || health.allWell) return chain;
  const ordered = orderedByHealth(chain, health, exchange.id);
  const [leader] = ordered;
  if (leader !== undefined && health.stateOf(leader.id) === 'probing') exchange.probe = leader;
  if (exchange.probe !== undefined) exchange.detours = ['probe'];
  else if (leader !== chain[0]) exchange.detours = ['health'];
  return ordered;
}

/** Is there anything that makes this request's chain another than the plan's? */
function changesByRequest({ gateway, slice, requestBytes, targets }: Exchange, { alias, key, leastWindow }: Plan): boolean {
  return (
    !gateway.clusters.allWell ||
    key.latencyBudgetMs !== undefined ||
    key.costCeilingNanoUsd !== undefined ||
    requestBytes > leastWindow ||
    alias.order === 'latency' ||
    targets === 'cheaper' ||
    slice === 'canary'
  );
}

/** The estimate errs on the high side by up to so much: a target is left out only when the prompt is surely too long for it. */
const ESTIMATE_MARGIN = 1.5;

/** What of a target this request is too long or too dear for. */
function sizeRule(
  exchange: Exchange,
  { costCeilingNanoUsd: ceiling }: RouteKey,
): (target: Target) => ExclusionRule | undefined {
  return (target) => {
    const { contextWindow, price } = target;
    if (contextWindow !== undefined && exchange.requestBytes > contextWindow) {
      if (estimateOf(exchange).inputTokens / ESTIMATE_MARGIN > contextWindow) return 'context_window';
    }
    if (ceiling === undefined) return undefined;
    if (price === undefined) return 'unpriced';
    const cost = estimateNanoUsd(price, estimateFor(exchange, target));
    return cost > ceiling ? 'cost_ceiling' : undefined;
  };
}

/** @returns undefined where no canary runs */
function sliceOf({ gateway, caller, onBehalfOf }: Exchange, { canary }: Plan): CanarySlice | undefined {
  if (canary === undefined || caller === undefined || gateway.canaries.stopOf(canary) !== undefined) return undefined;
  return gateway.canaries.sliceOf(canary, { tenant: caller.tenant, callerKey: caller.keyName, user: onBehalfOf });
}

function chosenNow(exchange: Exchange, plan: Plan): readonly Target[] {
  const excluded: Exclusion[] = [];
  const without = (steps: Plan['steps'], ruleOf: (target: Target) => ExclusionRule | undefined): Plan['steps'] =>
    steps.map((step) =>
      step.filter((target) => {
        const rule = ruleOf(target);
        if (rule !== undefined) excluded.push({ target, rule });
        return rule === undefined;
      }),
    );
  const { clusters } = exchange.gateway;
  const { canary } = plan;
  const planned = canary !== undefined && exchange.slice === 'canary' ? [[canary.target], ...plan.steps] : plan.steps;
  let steps = without(planned, ({ cluster }) => clusters.problemOf(cluster));
  if (plan.key.costCeilingNanoUsd !== undefined || exchange.requestBytes > plan.leastWindow)
    steps = without(steps, sizeRule(exchange, plan.key));
  // Better late than never: when all are slow they are asked all the same, and so measured again.
  const tooLate = (target: Target): boolean => isLate(exchange, target);
  if (plan.key.latencyBudgetMs !== undefined && steps.some((step) => step.some((target) => !tooLate(target))))
    steps = without(steps, (target) => (tooLate(target) ? 'latency_budget' : undefined));
  if (plan.alias.order === 'latency') steps = steps.map((step) => byLatency(exchange, step));
  if (exchange.targets === 'cheaper') steps = [byPrice(steps.flat())];
  if (excluded.length > 0) exchange.excluded = [...plan.excluded, ...excluded];
  return interned(plan, steps.flat());
}

export function isLate(exchange: Exchange, target: Target): boolean {
  const { deadlineAt, gateway } = exchange;
  if (deadlineAt === undefined) return false;
  return isTooSlow(gateway.latency.of(target.id, answerKind(exchange))?.p50Ms, deadlineAt - performance.now());
}

export function answerKind({ head }: Exchange): AnswerKind {
  return head?.stream === true ? 'stream' : 'plain';
}

/** Whoever has spent a budget is given the cheapest first; what nobody knows the price of is not cheap. */
function byPrice(targets: readonly Target[]): readonly Target[] {
  const typical = { inputTokens: TYPICAL_TOKENS, outputTokens: TYPICAL_TOKENS, images: 1 };
  const cost = ({ price }: Target): number => (price === undefined ? MOST : estimateNanoUsd(price, typical));
  return targets.toSorted((a, b) => cost(a) - cost(b));
}

const TYPICAL_TOKENS = 1_000;
const MOST = Number.MAX_SAFE_INTEGER;

/** Those that are not measured come first: else they never are. */
function byLatency(exchange: Exchange, step: readonly Target[]): readonly Target[] {
  if (step.length < 2) return step;
  const kind = answerKind(exchange);
  const of = ({ id }: Target): number => exchange.gateway.latency.of(id, kind)?.p50Ms ?? 0;
  return step.toSorted((a, b) => of(a) - of(b));
}

/** Of a plan's chain few others are made, and each serves many requests, of other plans with the same chain too. */
const MAX_CHAINS = 64;
const chains = new WeakMap<readonly Target[], Map<string, readonly Target[]>>();

function interned(plan: Plan, chain: readonly Target[]): readonly Target[] {
  if (chain.length === plan.chain.length && chain.every((target, index) => target === plan.chain[index])) return plan.chain;
  const known = chains.get(plan.chain) ?? new Map<string, readonly Target[]>();
  chains.set(plan.chain, known);
  const key = chain.map(({ id }) => id).join(' ');
  const kept = known.get(key);
  if (kept !== undefined) return kept;
  if (known.size < MAX_CHAINS) known.set(key, chain);
  return chain;
}

const PASSING: ReadonlySet<ExclusionRule> = new Set(['circuit_open', 'no_healthy_host', 'latency_budget']);

/** What passes with time is told before what does not; a zone before all else. */
function nothingLeft({ excluded }: Exchange, { alias, key }: Plan): Fault {
  const name = JSON.stringify(alias.name);
  const rules = new Set(excluded.map(({ rule }) => rule));
  if ([...rules].some((rule) => PASSING.has(rule))) {
    const message = `No target of ${name} can be reached now. Retry after ${alias.retryAfterSeconds} s.`;
    return new Fault('chain_exhausted', message, { retryAfterSeconds: alias.retryAfterSeconds });
  }
  if (rules.size === 1 && rules.has('privacy_zone')) {
    return new Fault('zone_unavailable', `No target of ${name} lies in the privacy zone ${key.zones.join(' and ')}.`, {
      rule: key.zones.join(' '),
    });
  }
  if (rules.size === 1 && rules.has('context_window'))
    return new Fault('context_too_long', `The prompt is longer than any target of ${name} takes.`);
  if (rules.size === 1 && rules.has('credential_scope')) {
    const targets = excluded.map(({ target }) => target.id).join(', ');
    const message = `No gateway key of ${name} may serve this tenant (targets: ${targets}). Ask the platform team to open one to it (credentials.<name>.tenants in the policy).`;
    return new Fault('no_eligible_target', message);
  }
  const why = [...rules].map((rule) => rule.replaceAll('_', ' ')).join(', ');
  return new Fault('no_eligible_target', `No target of ${name} may answer this request; left out by: ${why}.`, {
    rule: [...rules].join(' '),
  });
}
