/** Who calls, and the keys that say so. */
import type { BlockList } from 'node:net';
import type { AliasName, CallerKeyId, TenantId } from './names.ts';
import type { RouteRules } from './route-rules.ts';

/** Who is calling: whom a caller key, a token or a certificate stands for. */
export interface Caller {
  readonly tenant: TenantId;
  /** Name of the key, or of the policy's entry that a token or a certificate fits: safe to log, unlike the key. */
  readonly keyName: string;
  /** Of a caller key; keys that took each other's place share their name, not this. */
  readonly keyId?: CallerKeyId;
  /** For whom it calls, as a verified token says. */
  readonly actsFor?: string;
  readonly feature: string;
  readonly agent: string;
  /** May this caller say on whose behalf it calls (`x-gateway-on-behalf-of`)? */
  readonly onBehalfOf: 'trusted' | 'refused';
  readonly aliases: 'all' | ReadonlySet<AliasName>;
  /** Its own and its tenant's. */
  readonly rules: readonly RouteRules[];
  /** May it see how a request's route came about (`x-gateway-explain`)? */
  readonly explain: 'allowed' | 'refused';
}

/** A caller key without the key. Times are wall clock, milliseconds since the epoch. */
export interface CallerKey {
  readonly id: CallerKeyId;
  /** `issued`: by the command line, too long to be guessed. `policy`: whatever somebody has written there. */
  readonly origin: 'issued' | 'policy';
  /** Of its first feature. */
  readonly caller: Caller;
  /** Features that it may name (`x-gateway-feature`), and the caller that it then stands for. */
  readonly features: ReadonlyMap<string, Caller>;
  /** Addresses that it may be used from. */
  readonly networks: Networks;
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
}

export type Networks = 'all' | BlockList;
