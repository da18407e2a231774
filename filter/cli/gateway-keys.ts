/** Gateway keys that cannot serve, and such that nobody asks for. */
import type { Policy } from '../policy/policy.ts';
import { suggest } from '../policy/suggest.ts';

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

export function keyWarnings({ targets, credentials }: Policy, policyPath: string): string[] {
  const named = new Set([...targets.values()].flatMap(({ credentials: names }) => names));
  const closed = [...targets.values()].filter(
    ({ credentials: names }) => names.length > 0 && names.every((name) => credentials.get(name)?.tenants !== 'all'),
  );
  const unnamed = [...credentials.values()].filter(({ name, state }) => !named.has(name) && state !== 'disabled');
  return [
    ...closed.map(
      ({ id }) =>
        `${policyPath}: targets.${id}.credential: every key of it is for some tenants alone; others cannot use the target`,
    ),
    ...unnamed.map(({ name }) => `${policyPath}: credentials.${name}: no target names it, so it is read and never sent`),
  ];
}
