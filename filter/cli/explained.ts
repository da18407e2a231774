/** A plan, with what a running filter knows of its targets, in the order in which they would be asked. */
import type { Target } from '../policy/compiled/target.ts';
import type { CanarySlice } from '../routing/canary.ts';
import { type Explanation, explanationOf } from '../routing/explain.ts';
import type { Exclusion, Plan } from '../routing/plan.ts';
import type { LiveState } from './live-state.ts';

/** @param live undefined: all targets are taken to be well */
export function explained(plan: Plan, slice: CanarySlice | undefined, live: LiveState | undefined): Explanation[] {
  const runs = plan.canary !== undefined && live?.stoppedCanaries.has(plan.alias.name) !== true;
  const canary = runs && slice === 'canary' ? plan.canary : undefined;
  const chain = [...(canary === undefined ? [] : [canary.target]), ...plan.chain];
  const problemOf = ({ cluster }: Target): Exclusion['rule'] | undefined => live?.clusterProblems.get(cluster);
  const unreachable = chain.flatMap((target) => {
    const rule = problemOf(target);
    return rule === undefined ? [] : [{ target, rule }];
  });
  const reachable = chain.filter((target) => problemOf(target) === undefined);
  const stateOf = ({ id }: Target): string => live?.health.get(id) ?? 'well';
  const isSick = (target: Target): boolean => stateOf(target) !== 'well' && plan.alias.order !== 'fixed';
  const ordered = [...reachable.filter((target) => !isSick(target)), ...reachable.filter(isSick)];
  return explanationOf(ordered, [...unreachable, ...plan.excluded], stateOf, canary?.target);
}
