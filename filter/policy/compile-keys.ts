/** Gateway keys of a policy document: which targets name them, whose requests they serve, and the clusters that they may be sent to. */
import { parseDuration } from '../quantities.ts';
import { type CredentialSource, type GatewayKey, signedHost } from './compiled/credential.ts';
import type { ClusterName, CredentialName, TenantId } from './compiled/names.ts';
import type { Place, PolicyDocument, Problem, TargetDocument } from './document.ts';
import { suggest } from './suggest.ts';

const RETEST_MS = 30_000;
const LEAST_RETEST_MS = 1_000;
const MOST_RETEST_MS = 600_000;

export type CredentialSources = ReadonlyMap<CredentialName, CredentialSource>;

/** The keys that a target names. One that is not there is told and left out. */
export function namedKeys(
  { credential }: TargetDocument,
  sources: CredentialSources,
  at: Place,
  problems: Problem[],
): readonly CredentialName[] {
  const named = typeof credential === 'string' ? [credential] : (credential ?? []);
  const known = named.filter((name, index): name is CredentialName => {
    if (sources.has(name as CredentialName)) return true;
    const place = typeof credential === 'string' ? at : [...at, index];
    problems.push({ at: place, message: `no credential ${JSON.stringify(name)}; ${suggest(name, sources.keys())}` });
    return false;
  });
  return Object.freeze(known);
}

/**
 * The host that a target's requests are signed for. Any key of the pool may sign the next attempt, so all have to sign for the same one.
 * @returns undefined where nothing is signed
 */
export function hostOfSignatures(
  names: readonly CredentialName[],
  sources: CredentialSources,
  at: Place,
  problems: Problem[],
): string | undefined {
  const hosts = names.flatMap((name) => {
    const source = sources.get(name);
    return source?.kind === 'aws' ? [signedHost(source)] : [];
  });
  if (new Set(hosts).size > 1)
    problems.push({
      at,
      message: `its keys sign for different hosts (${[...new Set(hosts)].join(', ')}); one pool, one host`,
    });
  return hosts[0];
}

export function compileKeys(
  document: PolicyDocument,
  sources: CredentialSources,
  problems: Problem[],
): Map<CredentialName, GatewayKey> {
  const keys = new Map<CredentialName, GatewayKey>();
  for (const [name, source] of sources) {
    const { state = 'active', tenants, retest_after } = document.credentials?.[name] ?? {};
    const retestMs = parseDuration(retest_after) ?? RETEST_MS;
    if (retestMs < LEAST_RETEST_MS || retestMs > MOST_RETEST_MS)
      problems.push({ at: ['credentials', name, 'retest_after'], message: 'expected 1s at least, 10m at most' });
    tenants?.forEach((tenant, index) => {
      if (document.tenants[tenant] !== undefined) return;
      const message = `no tenant ${JSON.stringify(tenant)}; ${suggest(tenant, Object.keys(document.tenants))}`;
      problems.push({ at: ['credentials', name, 'tenants', index], message });
    });
    const key: GatewayKey = {
      name,
      source,
      state,
      tenants: tenants === undefined ? 'all' : new Set(tenants as readonly TenantId[]),
      clusters: boundClusters(document, name, problems),
      retestMs,
    };
    keys.set(name, Object.freeze(key));
  }
  return keys;
}

/** A key of one provider's account has no business at another's. Nobody notices a wrong name by its failing: the other provider has the key by then. */
function boundClusters(document: PolicyDocument, name: CredentialName, problems: Problem[]): ReadonlySet<ClusterName> {
  const users = Object.entries(document.targets).filter(([, { credential }]) =>
    typeof credential === 'string' ? credential === name : credential?.includes(name),
  );
  const used = new Set(users.map(([, { cluster }]) => cluster as ClusterName));
  const listed = document.credentials?.[name]?.clusters as readonly ClusterName[] | undefined;
  if (listed === undefined) {
    if (used.size > 1) {
      const where = users.map(([id, { cluster }]) => `${id} on ${cluster}`).join(', ');
      const message = `is missing; targets of several clusters name this credential (${where}): list all clusters that may have it, or use one for each`;
      problems.push({ at: ['credentials', name, 'clusters'], message });
    }
    return used;
  }
  const bound = new Set(listed);
  for (const [id, { cluster }] of users) {
    if (bound.has(cluster as ClusterName)) continue;
    const message = `the credential ${JSON.stringify(name)} may be sent to ${listed.join(', ')} alone, and this target is on ${cluster}`;
    problems.push({ at: ['targets', id, 'credential'], message });
  }
  return bound;
}
