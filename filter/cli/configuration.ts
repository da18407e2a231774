/** The platform team's policy against the network team's clusters. */
import { loadPolicy, PolicyError } from '../policy/load.ts';
import type { Policy } from '../policy/policy.ts';
import { suggest } from '../policy/suggest.ts';
import { clusterProblems, readClusterFiles } from './clusters.ts';

export interface Checked {
  /** One line each, with file and line. */
  readonly problems: readonly string[];
  /** What was checked, in words. */
  readonly summary: string;
}

export function checkConfiguration(policyPath: string, clustersDirectory: string): Checked {
  const { clusters, problems: fileProblems } = readClusterFiles(clustersDirectory);
  const problems = [...fileProblems, ...clusters.flatMap(clusterProblems)];
  const places = new Map<string, string>();
  for (const { name, place } of clusters) {
    const first = places.get(name);
    if (first === undefined) places.set(name, place);
    else problems.push(`${place}: cluster ${JSON.stringify(name)} is defined at ${first} already`);
  }
  let policy: Policy | undefined;
  try {
    policy = loadPolicy(policyPath);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    problems.push(...error.message.split('\n'));
  }
  for (const target of policy?.targets.values() ?? []) {
    if (places.has(target.cluster)) continue;
    problems.push(
      `${policyPath}: targets.${target.id}.cluster: no cluster ${JSON.stringify(target.cluster)} in ${clustersDirectory}; ${suggest(target.cluster, places.keys())}`,
    );
  }
  const summary = `${places.size} clusters, ${policy?.targets.size ?? 0} targets, ${policy?.aliases.size ?? 0} aliases`;
  return { problems, summary };
}
