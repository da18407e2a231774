/**
 * The compiled policy: complete, frozen, with every name resolved. The request path reads it and never checks for
 * something missing; a request keeps the policy that it started with.
 */
import type { Alias } from './alias.ts';
import type { BodyRecording } from './body-recording.ts';
import type { CallerKey } from './caller.ts';
import type { GatewayKey } from './credential.ts';
import type { IdentityPolicy } from './identity.ts';
import type { AliasName, CallerKeyHash, CredentialName, RegionName, TargetId, TenantId, ZoneName } from './names.ts';
import type { Budget, Quota } from './quota.ts';
import type { RouteRules, WorkloadClass } from './route-rules.ts';
import type { Target, Zone } from './target.ts';

export interface Policy {
  /** First 12 hex digits of the SHA-256 of the policy file: audit says which policy decided. */
  readonly version: string;
  /** Caller keys that stand in the policy itself. */
  readonly callerKeys: ReadonlyMap<CallerKeyHash, CallerKey>;
  /** Absolute path of the file of issued caller keys; undefined: there is none. */
  readonly callerKeysFile: string | undefined;
  readonly identity: IdentityPolicy;
  /** Every tenant, with what it demands of its requests' routes. */
  readonly tenantRules: ReadonlyMap<TenantId, RouteRules>;
  /** Every tenant's share against others', when a provider's limit is not enough for all. */
  readonly tenantWeights: ReadonlyMap<TenantId, number>;
  /** Tenants whose bodies are recorded; nobody else's are. */
  readonly recordedBodies: ReadonlyMap<TenantId, BodyRecording>;
  /** Of the price book: audit says which prices a cost is made of. */
  readonly priceBookVersion: string;
  readonly aliases: ReadonlyMap<AliasName, Alias>;
  readonly targets: ReadonlyMap<TargetId, Target>;
  readonly credentials: ReadonlyMap<CredentialName, GatewayKey>;
  readonly zones: ReadonlyMap<ZoneName, Zone>;
  /** Where a gateway runs -> regions from near to far; its own is nearer than all. */
  readonly nearness: ReadonlyMap<RegionName, readonly RegionName[]>;
  /** How long a request may wait for its turn at a provider's limit. */
  readonly waitMs: Readonly<Record<WorkloadClass, number>>;
  readonly quotas: readonly Quota[];
  readonly budgets: readonly Budget[];
}
