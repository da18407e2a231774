/** The platform team's policy against the network team's clusters. */
import { type Deprecation, deprecations } from '../lifecycle/deprecations.ts';
import { compileKeys, readKeyFile } from '../policy/caller-keys.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import { loadPolicy, PolicyError } from '../policy/load.ts';
import { suggest } from '../policy/suggest.ts';
import { type ClusterFile, clusterProblems, readClusterFiles } from './clusters.ts';
import { keyProblems, keyWarnings } from './gateway-keys.ts';

export interface Checked {
  /** One line each, with file and line. */
  readonly problems: readonly string[];
  /** What works and is perhaps not meant; one line each. */
  readonly warnings: readonly string[];
  /** What was checked, in words. */
  readonly summary: string;
}

/** An address of the cluster, or the name that its endpoint is called by; a cluster that is not there is told elsewhere. */
function reaches(clusters: readonly ClusterFile[], name: string, host: string): boolean {
  const cluster = clusters.find((one) => one.name === name);
  if (cluster === undefined) return true;
  const text = JSON.stringify(cluster.config['load_assignment'] ?? {});
  return [...text.matchAll(/"(?:address|hostname)":"([^"]+)"/g)].some(([, found]) => found === host.split(':')[0]);
}

/** Hosts of providers that have regions name them: bedrock-runtime.eu-central-1.amazonaws.com, europe-west4-aiplatform.googleapis.com. */
const REGION_IN_HOST =
  /(?:^|[.-])((?:us|eu|ap|ca|sa|me|af|il|mx)(?:-gov)?-[a-z]+-\d|(?:us|europe|asia|australia|me|africa|northamerica|southamerica)-[a-z]+\d)(?=[.-])/;

/** Where a cluster's hosts are: what their locality says, else their names. */
function regionsOf(clusters: readonly ClusterFile[], name: string): Set<string> {
  const cluster = clusters.find((one) => one.name === name);
  const text = JSON.stringify(cluster?.config['load_assignment'] ?? {});
  const told = [...text.matchAll(/"region":"([^"]+)"/g)].flatMap(([, region]) => region ?? []);
  if (told.length > 0) return new Set(told);
  const hosts = [...text.matchAll(/"address":"([^"]+)"/g)].flatMap(([, host]) => host ?? []);
  return new Set(hosts.flatMap((host) => REGION_IN_HOST.exec(host)?.[1] ?? []));
}

/** From so many days before its end on a model is told. */
const TOLD_DAYS = 90;

function endingModels(policy: Policy, policyPath: string, now: number): string[] {
  const when = ({ on, daysLeft }: Deprecation): string =>
    daysLeft < 0 ? `has ended on ${on}` : daysLeft === 0 ? 'ends today' : `ends on ${on}, in ${daysLeft} days`;
  return deprecations(policy, now)
    .filter(({ daysLeft }) => daysLeft <= TOLD_DAYS)
    .map(
      (one) =>
        `${policyPath}: targets.${one.target}: the model ${JSON.stringify(one.model)} ${when(one)} (${one.source}); deprecated_on says it where that is wrong`,
    );
}

/** @param now milliseconds since the epoch: models end on days */
export function checkConfiguration(policyPath: string, clustersDirectory: string, now = Date.now()): Checked {
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
    if (policy.callerKeysFile !== undefined)
      problems.push(...compileKeys(readKeyFile(policy.callerKeysFile), policy).unresolved);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    problems.push(...error.message.split('\n'));
  }
  for (const target of policy?.targets.values() ?? []) {
    if (target.host !== undefined && !reaches(clusters, target.cluster, target.host)) {
      problems.push(
        `${policyPath}: targets.${target.id}: its requests are signed for ${target.host}, but the cluster ${JSON.stringify(target.cluster)} (${places.get(target.cluster) ?? 'nowhere'}) sends to another host, which refuses them`,
      );
    }
    for (const region of regionsOf(clusters, target.cluster)) {
      if (target.region === undefined ? target.zones.size === 0 : target.region === region) continue;
      const zones = target.zones.size === 0 ? '' : `, and it lies in the privacy zone ${[...target.zones].join(', ')}`;
      problems.push(
        `${policyPath}: targets.${target.id}.region: the cluster ${JSON.stringify(target.cluster)} (${places.get(target.cluster) ?? 'nowhere'}) is in ${region}, the target says ${target.region ?? 'nothing'}${zones}`,
      );
    }
    if (places.has(target.cluster)) continue;
    problems.push(
      `${policyPath}: targets.${target.id}.cluster: no cluster ${JSON.stringify(target.cluster)} in ${clustersDirectory}; ${suggest(target.cluster, places.keys())}`,
    );
  }
  if (policy !== undefined) problems.push(...keyProblems(policy, policyPath, [...places.keys()]));
  const summary = `${places.size} clusters, ${policy?.targets.size ?? 0} targets, ${policy?.aliases.size ?? 0} aliases`;
  const warnings =
    policy === undefined ? [] : [...keyWarnings(policy, policyPath), ...endingModels(policy, policyPath, now)];
  return { problems, warnings, summary };
}
