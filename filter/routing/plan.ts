/** From a route key to the targets that may answer, in the policy's order: all that does not change from one request to the next. */
import type { Alias, Canary } from '../policy/compiled/alias.ts';
import type { Caller } from '../policy/compiled/caller.ts';
import type { RegionName, TenantId } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import type { RouteRules } from '../policy/compiled/route-rules.ts';
import type { Target } from '../policy/compiled/target.ts';
import { estimateNanoUsd } from '../prices/cost.ts';
import { narrowed, type RoutedOperation, type RouteKey, routeKeyOf } from './route-key.ts';

/** Why a target of the chain may not be asked. Published, in explanations and in the audit record. */
export type ExclusionRule =
  | 'privacy_zone'
  | 'workload_class'
  | 'degradation'
  /** No gateway key of the target may serve the tenant. */
  | 'credential_scope'
  | 'cost_ceiling'
  /** There is a ceiling, and nobody knows what the target costs. */
  | 'unpriced'
  | 'context_window'
  | 'latency_budget'
  | 'circuit_open'
  | 'no_healthy_host';

/** Why the first target was not the first that the order names. Published, in the audit record. */
export type Detour =
  | 'canary'
  /** A budget is spent, and the cheapest is asked first. */
  | 'cheaper'
  /** The alias's first target might not be asked; `excluded` says by which rule. */
  | 'excluded'
  /** The first target was down or throttled. */
  | 'health'
  /** One that was down had the request for a probe. */
  | 'probe'
  /** The first target's limit had no room. */
  | 'room'
  /** The first target could not be told the request, or had no key; it stands in `attempts` with the number 0. */
  | 'skipped';

export interface Exclusion {
  readonly target: Target;
  readonly rule: ExclusionRule;
}

export interface Plan {
  readonly alias: Alias;
  readonly key: RouteKey;
  /** Equals share a step. */
  readonly steps: readonly (readonly Target[])[];
  /** The steps in one list. */
  readonly chain: readonly Target[];
  readonly excluded: readonly Exclusion[];
  /** The alias's canary, where its target may answer. */
  readonly canary: Canary | undefined;
  /** The least of the known context windows, in tokens: no prompt of fewer bytes is too long for any target. */
  readonly leastWindow: number;
}

export interface PlanInput {
  readonly policy: Policy;
  readonly caller: Caller;
  readonly alias: Alias;
  readonly operation: RoutedOperation;
  /** Of the request's headers. */
  readonly demands: RouteRules | undefined;
  /** Where this gateway runs. */
  readonly region: RegionName | undefined;
}

/** Callers and aliases live as long as their policy, and so do the plans that are the same for every request of theirs. */
const plans = new WeakMap<Caller, WeakMap<Alias, Partial<Record<RoutedOperation, Plan>>>>();

export function planFor(input: PlanInput): Plan {
  const { caller, alias, operation, demands } = input;
  const plain = plans.get(caller)?.get(alias)?.[operation] ?? keep(input);
  if (demands === undefined) return plain;
  const key = narrowed(plain.key, demands);
  return planOf(input, key);
}

/** The plan of requests that demand nothing. */
function keep(input: PlanInput): Plan {
  const { caller, alias, operation } = input;
  const made = planOf(input, routeKeyOf(caller, alias, operation));
  const ofCaller = plans.get(caller) ?? new WeakMap<Alias, Partial<Record<RoutedOperation, Plan>>>();
  plans.set(caller, ofCaller.set(alias, { ...ofCaller.get(alias), [operation]: made }));
  return made;
}

function planOf(input: PlanInput, key: RouteKey): Plan {
  const { steps, chain, excluded, canary, leastWindow } = eligibleFor(input, key);
  return { alias: input.alias, key, steps, chain, excluded, canary, leastWindow };
}

/** What a plan has that budgets and ceilings do not change: of those there are as many as callers think of. */
type Eligible = Omit<Plan, 'alias' | 'key'>;

/** By what is demanded, for each alias and tenant; a caller may name as many sets of zones as it likes. */
const MAX_KEPT = 64;
const eligible = new WeakMap<Alias, Map<TenantId, Map<string, Eligible>>>();

function eligibleFor(input: PlanInput, key: RouteKey): Eligible {
  const { caller, alias } = input;
  const tenants = eligible.get(alias) ?? new Map<TenantId, Map<string, Eligible>>();
  eligible.set(alias, tenants);
  const known = tenants.get(caller.tenant) ?? new Map<string, Eligible>();
  tenants.set(caller.tenant, known);
  const name = `${key.workloadClass} ${key.degradation} ${key.zones.join(' ')}`;
  const kept = known.get(name);
  if (kept !== undefined) return kept;
  const found = findEligible(input, key);
  if (known.size < MAX_KEPT) known.set(name, found);
  return found;
}

function findEligible({ policy, caller, alias, region }: PlanInput, key: RouteKey): Eligible {
  const excluded: Exclusion[] = [];
  const isEligible = (target: Target): boolean => {
    const rule = ruleAgainst(target, key, alias) ?? (isOpen(target, caller.tenant, policy) ? undefined : 'credential_scope');
    if (rule !== undefined) excluded.push({ target, rule });
    return rule === undefined;
  };
  const lastResort = key.zones.flatMap((zone) => policy.zones.get(zone)?.lastResort ?? []);
  const isNew = (target: Target, index: number): boolean =>
    !alias.chain.includes(target) && lastResort.indexOf(target) === index;
  const steps = [...alias.steps, ...lastResort.filter(isNew).map((target) => [target])]
    .map((step) => sorted(step.filter(isEligible), alias, policy, region))
    .filter((step) => step.length > 0);
  const canary = alias.canary !== undefined && isEligible(alias.canary.target) ? alias.canary : undefined;
  const chain = steps.flat();
  const windows = [...chain, ...(canary === undefined ? [] : [canary.target])].map(
    ({ contextWindow = Infinity }) => contextWindow,
  );
  return { steps, chain, excluded, canary, leastWindow: Math.min(...windows, Infinity) };
}

function ruleAgainst(target: Target, key: RouteKey, alias: Alias): ExclusionRule | undefined {
  if (!liesIn(target, key)) return 'privacy_zone';
  if (target.workloadClasses !== 'all' && !target.workloadClasses.has(key.workloadClass)) return 'workload_class';
  return key.degradation === 'refused' && alias.degraded.has(target.id) ? 'degradation' : undefined;
}

/** Has the target a gateway key that may serve this tenant? Where all are disabled it is no matter of whose they are. */
export function isOpen({ credentials }: Target, tenant: TenantId, policy: Pick<Policy, 'credentials'>): boolean {
  const keys = credentials.flatMap((name) => policy.credentials.get(name) ?? []).filter(({ state }) => state !== 'disabled');
  return keys.length === 0 || keys.some(({ tenants }) => tenants === 'all' || tenants.has(tenant));
}

/** The one test of privacy zones. */
export function liesIn({ zones }: Target, key: RouteKey): boolean {
  return key.zones.every((zone) => zones.has(zone));
}

/** Measured latency is no part of a plan: it changes from one request to the next. */
function sorted(
  step: readonly Target[],
  { order, expectedOutputTokens }: Alias,
  policy: Policy,
  region: RegionName | undefined,
): readonly Target[] {
  if (step.length < 2) return step;
  if (order === 'nearest' && region !== undefined) {
    const near = [region, ...(policy.nearness.get(region) ?? [])];
    const distance = ({ region: at }: Target): number =>
      at !== undefined && near.includes(at) ? near.indexOf(at) : near.length;
    return step.toSorted((a, b) => distance(a) - distance(b));
  }
  if (order === 'price') {
    const typical = { inputTokens: TYPICAL_INPUT_TOKENS, outputTokens: expectedOutputTokens };
    const cost = ({ price }: Target): number =>
      price === undefined ? Number.MAX_SAFE_INTEGER : estimateNanoUsd(price, typical);
    return step.toSorted((a, b) => cost(a) - cost(b));
  }
  return step;
}

/** Prices are compared by one request for all, so that an order does not change with every prompt. */
const TYPICAL_INPUT_TOKENS = 2_000;
