/** Gateway keys that cannot serve, and such that nobody asks for. */
import type { Alias } from '../policy/compiled/alias.ts';
import type { TenantId } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import { suggest } from '../policy/suggest.ts';
import { isOpen } from '../routing/plan.ts';

/** @param clusters names of those that there are */
export function keyProblems({ targets, credentials }: Policy, policyPath: string, clusters: readonly string[]): string[] {
  const problems: string[] = [];
  for (const { id, credentials: names } of targets.values()) {
    const states = names.map((name) => `${name} is ${credentials.get(name)?.state}`);
    if (names.length === 0 || names.some((name) => credentials.get(name)?.state === 'active')) continue;
    problems.push(
      `${policyPath}: targets.${id}.credential: no key of it is active (${states.join(', ')}); make one active, or take the target out`,
    );
  }
  for (const { name, clusters: bound } of credentials.values()) {
    for (const cluster of bound) {
      // What a target says of its own cluster is told at the target.
      if (clusters.includes(cluster) || [...targets.values()].some((target) => target.cluster === cluster)) continue;
      problems.push(
        `${policyPath}: credentials.${name}.clusters: no cluster ${JSON.stringify(cluster)}; ${suggest(cluster, clusters)}`,
      );
    }
  }
  return problems;
}

export function keyWarnings(policy: Policy, policyPath: string): string[] {
  const { targets, credentials, aliases, tenantRules } = policy;
  const named = new Set([...targets.values()].flatMap(({ credentials: names }) => names));
  const unnamed = [...credentials.values()].filter(({ name, state }) => !named.has(name) && state !== 'disabled');
  return [
    ...[...targets.values()].flatMap((target) => {
      const shut = [...tenantRules.keys()].filter((tenant) => !isOpen(target, tenant, policy));
      if (shut.length === 0) return [];
      return [
        `${policyPath}: targets.${target.id}.credential: no key of it is for ${namesOf(shut)}: requests of theirs leave the target out; add them to the tenants of one, or a key for all`,
      ];
    }),
    ...[...aliases.values()].flatMap((alias) => {
      const shut = [...tenantRules.keys()].filter((tenant) => isShut(alias, tenant, policy));
      if (shut.length === 0) return [];
      return [
        `${policyPath}: aliases.${alias.name}.chain: none of its targets has a key for ${namesOf(shut)}: requests of theirs are refused (403)`,
      ];
    }),
    ...unnamed.map(({ name }) => `${policyPath}: credentials.${name}: no target names it, so it is read and never sent`),
  ];
}

function isShut({ chain, canary }: Alias, tenant: TenantId, policy: Policy): boolean {
  return [...chain, ...(canary === undefined ? [] : [canary.target])].every((target) => !isOpen(target, tenant, policy));
}

/** A policy may have thousands of tenants. */
function namesOf(tenants: readonly TenantId[]): string {
  const [first = '', ...others] = tenants.map((tenant) => JSON.stringify(tenant));
  if (others.length > 4) return `the tenant ${first} and ${others.length} others`;
  return `the tenant${others.length === 0 ? '' : 's'} ${[first, ...others].join(', ')}`;
}
