/** What the policy names, each kind of its own: a target's id is no alias. */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

export type TenantId = Branded<string, 'TenantId'>;
export type AliasName = Branded<string, 'AliasName'>;
export type TargetId = Branded<string, 'TargetId'>;
/** Name of a cluster that Envoy knows. */
export type ClusterName = Branded<string, 'ClusterName'>;
/** A part of the world, as providers name theirs: `eu-central-1`. */
export type RegionName = Branded<string, 'RegionName'>;
/** A privacy zone: what may not leave it goes only to targets in it. */
export type ZoneName = Branded<string, 'ZoneName'>;
export type CredentialName = Branded<string, 'CredentialName'>;
/** SHA-256 of a caller key, lower-case hex. */
export type CallerKeyHash = Branded<string, 'CallerKeyHash'>;
/** Which caller key it is, in logs and audit: `k_…` of an issued one, `tenant/name` of one of the policy. */
export type CallerKeyId = Branded<string, 'CallerKeyId'>;
