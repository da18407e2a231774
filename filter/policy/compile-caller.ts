/** Caller keys of a policy, and what keys, token issuers and certificates are given alike. */
import { BlockList, isIP } from 'node:net';
import { compileRules, type RouteNames } from './compile-route.ts';
import type { Caller, CallerKey, Networks } from './compiled/caller.ts';
import type { CallerScope } from './compiled/identity.ts';
import type { AliasName, CallerKeyHash, CallerKeyId, TenantId } from './compiled/names.ts';
import type { RouteRules } from './compiled/route-rules.ts';
import type { CallerKeyDocument, Place, PolicyDocument, Problem, ScopeDocument } from './document.ts';
import { suggest } from './suggest.ts';

export interface CallerContext {
  readonly aliases: ReadonlySet<string>;
  readonly tenantRules: ReadonlyMap<TenantId, RouteRules>;
  readonly names: RouteNames;
  readonly problems: Problem[];
}

export function compilePolicyKeys(document: PolicyDocument, context: CallerContext): Map<CallerKeyHash, CallerKey> {
  const keys = new Map<CallerKeyHash, CallerKey>();
  for (const [tenant, { caller_keys = [] }] of Object.entries(document.tenants)) {
    for (const [index, key] of caller_keys.entries()) {
      const at = ['tenants', tenant, 'caller_keys', index];
      const hash = key.sha256 as CallerKeyHash;
      const taken = keys.get(hash)?.caller;
      if (taken !== undefined)
        context.problems.push({ at: [...at, 'sha256'], message: `the same key as ${taken.tenant}/${taken.keyName}` });
      keys.set(hash, compilePolicyKey(tenant as TenantId, key, context, at));
    }
  }
  return keys;
}

function compilePolicyKey(tenant: TenantId, key: CallerKeyDocument, context: CallerContext, at: Place): CallerKey {
  const scope = compileScope(key, context, at);
  const id = `${tenant}/${key.name}` as CallerKeyId;
  const caller = callerOf(scope, { tenant, feature: key.feature, agent: key.agent, id }, context.tenantRules);
  return Object.freeze({
    ...{ id, origin: 'policy', caller, networks: scope.networks, revokedAt: undefined },
    features: new Map([[caller.feature, caller]]),
    expiresAt: compileTime(key.expires_at, [...at, 'expires_at'], context.problems),
  });
}

export function compileScope(document: ScopeDocument, context: CallerContext, at: Place): CallerScope {
  const { aliases, names, problems } = context;
  const listed = document.aliases ?? 'all';
  if (listed !== 'all') {
    listed.forEach((name, index) => {
      if (aliases.has(name)) return;
      const message = `no alias ${JSON.stringify(name)}; ${suggest(name, aliases)}`;
      problems.push({ at: [...at, 'aliases', index], message });
    });
  }
  return Object.freeze({
    name: document.name,
    aliases: listed === 'all' ? 'all' : new Set(listed as readonly AliasName[]),
    networks: compileNetworks(document.networks, [...at, 'networks'], problems),
    rules: compileRules(document.route, names, [...at, 'route'], problems),
    onBehalfOf: document.on_behalf_of ?? 'refused',
    explain: document.explain ?? 'refused',
  });
}

interface Who {
  readonly tenant: TenantId;
  readonly feature: string | undefined;
  readonly agent: string | undefined;
  readonly id?: CallerKeyId;
}

export function callerOf(scope: CallerScope, who: Who, tenantRules: ReadonlyMap<TenantId, RouteRules>): Caller {
  const ofTenant = tenantRules.get(who.tenant);
  return Object.freeze({
    tenant: who.tenant,
    keyName: scope.name,
    ...(who.id === undefined ? {} : { keyId: who.id }),
    feature: who.feature ?? 'default',
    agent: who.agent ?? 'default',
    onBehalfOf: scope.onBehalfOf,
    aliases: scope.aliases,
    rules: Object.freeze(ofTenant === undefined ? [scope.rules] : [ofTenant, scope.rules]),
    explain: scope.explain,
  });
}

/** Addresses and CIDRs. A problem is told once for each that is none. */
export function compileNetworks(networks: readonly string[] | undefined, at: Place, problems: Problem[]): Networks {
  if (networks === undefined) return 'all';
  const list = new BlockList();
  networks.forEach((network, index) => {
    const [address = '', bits, ...rest] = network.split('/');
    const version = isIP(address);
    const length = bits === undefined ? (version === 6 ? 128 : 32) : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (version !== 0 && rest.length === 0 && length <= (version === 6 ? 128 : 32))
      list.addSubnet(address, length, version === 6 ? 'ipv6' : 'ipv4');
    else
      problems.push({ at: [...at, index], message: 'expected an address or a CIDR, such as 10.0.0.0/8 or 2001:db8::/32' });
  });
  return list;
}

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/** @returns milliseconds since the epoch */
export function compileTime(text: string | undefined, at: Place, problems: Problem[]): number | undefined {
  if (text === undefined) return undefined;
  const time = RFC_3339.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  problems.push({ at, message: 'expected a time such as 2027-01-31T00:00:00Z' });
  return undefined;
}
