/** Token issuers and certificates of a policy document, with every name resolved. */
import { resolve } from 'node:path';
import { parseDuration } from '../quantities.ts';
import { type CallerContext, callerOf, compileScope } from './compile-caller.ts';
import type { CertificateRule, ClaimSource, IdentityPolicy, JwtAlgorithm, JwtIssuer } from './compiled/identity.ts';
import type { TenantId } from './compiled/names.ts';
import type { CertificateDocument, ClaimDocument, IdentityDocument, JwtIssuerDocument, Place } from './document.ts';
import { suggest } from './suggest.ts';

const DEFAULT_FAILURES_PER_MINUTE = 20;
const DEFAULT_ALGORITHMS: readonly JwtAlgorithm[] = ['RS256', 'ES256'];
const DEFAULT_LEEWAY_MS = 30_000;
const DEFAULT_MAX_LIFETIME_MS = 24 * 3_600_000;

export interface IdentityContext extends CallerContext {
  readonly baseDirectory: string;
}

export function compileIdentity(document: IdentityDocument = {}, context: IdentityContext): IdentityPolicy {
  const jwt = (document.jwt ?? []).map((issuer, index) => compileIssuer(issuer, context, ['identity', 'jwt', index]));
  const issuers = new Set<string>();
  jwt.forEach(({ issuer }, index) => {
    if (issuers.has(issuer))
      context.problems.push({
        at: ['identity', 'jwt', index, 'issuer'],
        message: 'is there already: one entry for each issuer',
      });
    issuers.add(issuer);
  });
  const certificates = (document.mtls ?? []).flatMap(
    (rule, index) => compileCertificate(rule, context, ['identity', 'mtls', index]) ?? [],
  );
  const certificate = document.certificate ?? 'optional';
  if (certificate === 'same_tenant' && certificates.length === 0)
    context.problems.push({
      at: ['identity', 'certificate'],
      message: 'no certificate can fit: name some under identity.mtls',
    });
  return Object.freeze({
    failuresPerMinute: document.failures_per_minute ?? DEFAULT_FAILURES_PER_MINUTE,
    certificate,
    jwt: Object.freeze(jwt),
    certificates: Object.freeze(certificates),
  });
}

function compileIssuer(issuer: JwtIssuerDocument, context: IdentityContext, at: Place): JwtIssuer {
  const { problems, tenantRules, baseDirectory } = context;
  const tenant = compileClaim(issuer.tenant, [...at, 'tenant'], context);
  const tenantsNamed = tenant.from === 'value' ? [tenant.value] : [...(tenant.map?.values() ?? [])];
  for (const name of tenantsNamed) {
    if (tenantRules.has(name as TenantId)) continue;
    problems.push({
      at: [...at, 'tenant'],
      message: `no tenant ${JSON.stringify(name)}; ${suggest(name, tenantRules.keys())}`,
    });
  }
  const { url, file } = issuer.jwks;
  const compiled: JwtIssuer = {
    scope: compileScope(issuer, context, at),
    issuer: issuer.issuer,
    audiences: Object.freeze([...issuer.audiences]),
    algorithms: Object.freeze([...(issuer.algorithms ?? DEFAULT_ALGORITHMS)]),
    jwks: url === undefined ? { from: 'file', path: resolve(baseDirectory, file ?? '') } : { from: 'url', url },
    tenant,
    feature: compileClaim(issuer.feature ?? { value: 'default' }, [...at, 'feature'], context),
    agent: compileClaim(issuer.agent ?? { value: 'default' }, [...at, 'agent'], context),
    onBehalfOf:
      issuer.on_behalf_of_claim === undefined
        ? undefined
        : compileClaim({ claim: issuer.on_behalf_of_claim }, [...at, 'on_behalf_of_claim'], context),
    leewayMs: parseDuration(issuer.leeway) ?? DEFAULT_LEEWAY_MS,
    maxLifetimeMs: parseDuration(issuer.max_lifetime) ?? DEFAULT_MAX_LIFETIME_MS,
  };
  return Object.freeze(compiled);
}

function compileClaim({ value, claim, map }: ClaimDocument, at: Place, { problems }: CallerContext): ClaimSource {
  if ((value === undefined) === (claim === undefined)) problems.push({ at, message: 'needs one of value and claim' });
  if (value !== undefined && map !== undefined)
    problems.push({ at: [...at, 'map'], message: 'has a meaning with a claim alone' });
  if (claim === undefined) return Object.freeze({ from: 'value', value: value ?? 'default' });
  return Object.freeze({
    from: 'claim',
    path: Object.freeze(claim.split('.')),
    map: map === undefined ? undefined : new Map(Object.entries(map)),
  });
}

function compileCertificate(rule: CertificateDocument, context: CallerContext, at: Place): CertificateRule | undefined {
  const { problems, tenantRules } = context;
  const { spiffe_id, subject, tenant } = rule;
  if (!tenantRules.has(tenant as TenantId))
    problems.push({
      at: [...at, 'tenant'],
      message: `no tenant ${JSON.stringify(tenant)}; ${suggest(tenant, tenantRules.keys())}`,
    });
  if ((spiffe_id === undefined) === (subject === undefined)) {
    problems.push({ at, message: 'needs one of spiffe_id and subject' });
    return undefined;
  }
  const scope = compileScope(rule, context, at);
  const compiled: CertificateRule = {
    fits:
      spiffe_id === undefined ? { by: 'subject', subject: subject ?? '' } : { by: 'uri', pattern: spiffePattern(spiffe_id) },
    caller: callerOf(scope, { tenant: tenant as TenantId, feature: rule.feature, agent: rule.agent }, tenantRules),
    networks: scope.networks,
  };
  return Object.freeze(compiled);
}

/** A `*` is one whole part of the path, never several: `/ns/*` does not open what lies below a namespace. */
function spiffePattern(id: string): RegExp {
  const parts = id.split('/').map((part) => (part === '*' ? '[A-Za-z0-9._-]+' : part.replaceAll(/[.]/g, '\\.')));
  return new RegExp(`^${parts.join('/')}$`);
}
