/** A route in words: each target of the alias, its place, or the rule that kept it out. */
import type { Target } from '../policy/compiled/target.ts';
import { formatUsd } from '../quantities.ts';
import type { Exclusion } from './plan.ts';
import type { RouteKey } from './route-key.ts';

export interface Explanation {
  readonly target: Target;
  /** 1 is asked first; undefined: not at all. */
  readonly place: number | undefined;
  /** The rule that let it in or kept it out. */
  readonly rule: string;
}

/** @param stateOf a target's health in a word; `well` needs no mention */
export function explanationOf(
  chain: readonly Target[],
  excluded: readonly Exclusion[],
  stateOf: (target: Target) => string,
  canary: Target | undefined,
): Explanation[] {
  const eligible = (target: Target): string => (target === canary ? 'canary' : 'eligible');
  return [
    ...chain.map((target, index) => {
      const state = stateOf(target);
      return { target, place: index + 1, rule: state === 'well' ? eligible(target) : state };
    }),
    ...excluded.map(({ target, rule }) => ({ target, place: undefined, rule })),
  ];
}

/** For a header: an RFC 9651 list. */
export function explanationHeader(explanations: readonly Explanation[]): string {
  return explanations
    .map(({ target, place, rule }) =>
      place === undefined ? `${target.id};excluded=${rule}` : `${target.id};place=${place};rule=${rule}`,
    )
    .join(', ');
}

/** For a header: an RFC 9651 dictionary; what is not demanded is not in it. */
export function routeKeyHeader(key: RouteKey): string {
  return [
    `workload_class=${key.workloadClass}`,
    ...(key.zones.length === 0 ? [] : [`privacy_zones=(${key.zones.join(' ')})`]),
    ...(key.latencyBudgetMs === undefined ? [] : [`latency_budget_ms=${key.latencyBudgetMs}`]),
    ...(key.costCeilingNanoUsd === undefined ? [] : [`cost_ceiling_usd=${formatUsd(key.costCeilingNanoUsd)}`]),
    `degradation=${key.degradation}`,
  ].join(', ');
}
