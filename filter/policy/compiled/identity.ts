/** How tokens and certificates say who is calling. */
import type { Caller, Networks } from './caller.ts';
import type { AliasName } from './names.ts';
import type { RouteRules } from './route-rules.ts';

export interface IdentityPolicy {
  /** Failed identifications of one address in a minute, after which it is refused for a minute. */
  readonly failuresPerMinute: number;
  /** `same_tenant`: a key or token is good only together with a client certificate of its tenant. */
  readonly certificate: 'optional' | 'same_tenant';
  readonly jwt: readonly JwtIssuer[];
  /** The first that fits says who it is. */
  readonly certificates: readonly CertificateRule[];
}

/** What callers of a rule get, whoever they are. */
export interface CallerScope {
  readonly name: string;
  readonly aliases: 'all' | ReadonlySet<AliasName>;
  readonly networks: Networks;
  readonly rules: RouteRules;
  readonly onBehalfOf: 'trusted' | 'refused';
  readonly explain: 'allowed' | 'refused';
}

export interface JwtIssuer {
  readonly scope: CallerScope;
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly algorithms: readonly JwtAlgorithm[];
  readonly jwks: { readonly from: 'url'; readonly url: string } | { readonly from: 'file'; readonly path: string };
  readonly tenant: ClaimSource;
  readonly feature: ClaimSource;
  readonly agent: ClaimSource;
  /** The claim that names for whom the caller acts. */
  readonly onBehalfOf: ClaimSource | undefined;
  /** Clocks may differ by this. */
  readonly leewayMs: number;
  /** From its issue to its end a token may have so long. */
  readonly maxLifetimeMs: number;
}

/** Asymmetric ones alone: a key that verifies must not be one that signs. */
export const JWT_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

/** Where a token says something. `map`: what its words mean here; a word that is not in it is refused. */
export type ClaimSource =
  | { readonly from: 'value'; readonly value: string }
  | { readonly from: 'claim'; readonly path: readonly string[]; readonly map: ReadonlyMap<string, string> | undefined };

/** A client certificate that Envoy has verified, and for whom it stands. */
export interface CertificateRule {
  /** Of its URI SAN (a SPIFFE id), or of its subject. */
  readonly fits: { readonly by: 'uri'; readonly pattern: RegExp } | { readonly by: 'subject'; readonly subject: string };
  readonly caller: Caller;
  readonly networks: Networks;
}
