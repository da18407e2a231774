/** What a verified token's claims mean here. */
import type { Caller } from '../policy/compiled/caller.ts';
import type { ClaimSource, JwtIssuer } from '../policy/compiled/identity.ts';
import type { TenantId } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import { TokenProblem } from './token-problem.ts';

const FEATURE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const VISIBLE = /^[\x21-\x7e]{1,256}$/;

export type Claims = Readonly<Record<string, unknown>>;

/** @throws TokenProblem when a claim that the policy asks for is missing, or says nothing that can be used */
export function callerOfClaims(policy: Policy, issuer: JwtIssuer, claims: Claims): Caller {
  const { scope } = issuer;
  const tenant = said(issuer.tenant, claims) as TenantId | undefined;
  const tenantRules = tenant === undefined ? undefined : policy.tenantRules.get(tenant);
  if (tenant === undefined || tenantRules === undefined) throw new TokenProblem('tenant');
  const actsFor = issuer.onBehalfOf === undefined ? undefined : usable(said(issuer.onBehalfOf, claims), VISIBLE);
  return Object.freeze({
    tenant,
    keyName: scope.name,
    feature: usable(said(issuer.feature, claims), FEATURE),
    agent: usable(said(issuer.agent, claims), VISIBLE),
    ...(actsFor === undefined ? {} : { actsFor }),
    onBehalfOf: scope.onBehalfOf,
    aliases: scope.aliases,
    rules: Object.freeze([tenantRules, scope.rules]),
    explain: scope.explain,
  });
}

function usable(value: string | undefined, shape: RegExp): string {
  if (value === undefined || !shape.test(value)) throw new TokenProblem('claims');
  return value;
}

function said(source: ClaimSource, claims: Claims): string | undefined {
  if (source.from === 'value') return source.value;
  const found = claimAt(source.path, claims);
  const words = (Array.isArray(found) ? found : [found]).filter((word): word is string => typeof word === 'string');
  const { map } = source;
  const meant = map === undefined ? words : words.flatMap((word) => map.get(word) ?? []);
  // Of several groups exactly one may mean something: which one a token lists first decides nothing.
  return new Set(meant).size === 1 ? meant[0] : undefined;
}

/** Names with dots are common (`https://corp.example/team`): the whole name first, then the path. */
function claimAt(path: readonly string[], claims: Claims): unknown {
  const whole = path.join('.');
  if (Object.hasOwn(claims, whole)) return claims[whole];
  let at: unknown = claims;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Claims)[part];
  }
  return at;
}
