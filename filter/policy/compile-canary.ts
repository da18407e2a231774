/** The canary of an alias, with its target and its bounds. */
import { hash } from 'node:crypto';
import { type AliasContext, MAX_ATTEMPTS } from './compile-route.ts';
import type { Canary } from './compiled/alias.ts';
import type { AliasName, TargetId } from './compiled/names.ts';
import type { AliasDocument } from './document.ts';
import { suggest } from './suggest.ts';

const DEFAULT_BOUNDS = { errorRate: 0.05, latencyRatio: 2, costRatio: 1.5, minRequests: 20 } as const;

/** @returns undefined for none, and for one that the policy has stopped */
export function compileCanary(
  name: string,
  { canary, chain }: AliasDocument,
  { targets, declared, problems }: AliasContext,
): Canary | undefined {
  if (canary === undefined) return undefined;
  const at = ['aliases', name, 'canary', 'target'];
  const target = targets.get(canary.target as TargetId);
  if (target === undefined) {
    if (!declared.has(canary.target))
      problems.push({
        at,
        message: `no target ${JSON.stringify(canary.target)}; ${suggest(canary.target, targets.keys())}`,
      });
    return undefined;
  }
  if (chain.flat().includes(canary.target)) {
    const message = `${canary.target} is a target of the alias's chain already, and would be compared with itself`;
    problems.push({ at, message });
    return undefined;
  }
  if (chain.flat().length + 1 > MAX_ATTEMPTS)
    problems.push({ at, message: `with its canary the alias has more than the ${MAX_ATTEMPTS} targets that can be asked` });
  if (canary.state === 'stopped') return undefined;
  const { error_rate_above, latency_ratio_above, cost_ratio_above, min_requests } = canary.stop_when ?? {};
  return Object.freeze({
    id: `${name}-${hash('sha256', JSON.stringify([target.model, canary]), 'hex').slice(0, 12)}`,
    alias: name as AliasName,
    target,
    share: canary.percent / 100,
    stickyBy: canary.sticky_by ?? 'tenant',
    bounds: Object.freeze({
      errorRate: error_rate_above ?? DEFAULT_BOUNDS.errorRate,
      latencyRatio: latency_ratio_above ?? DEFAULT_BOUNDS.latencyRatio,
      costRatio: cost_ratio_above ?? DEFAULT_BOUNDS.costRatio,
      minRequests: min_requests ?? DEFAULT_BOUNDS.minRequests,
    }),
  });
}
