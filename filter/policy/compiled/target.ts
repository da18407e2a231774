/** What can be asked: one model version on one cluster, its provider's limits, the zones that it lies in. */
import type { Price } from '../../prices/price.ts';
import type { Platform } from '../../prices/rates.ts';
import type { EncodeTarget, ProviderSchema } from '../../transform/schema.ts';
import type { ClusterName, CredentialName, RegionName, TargetId, ZoneName } from './names.ts';
import type { WorkloadClass } from './route-rules.ts';

/** One model version on one Envoy cluster. */
export interface Target extends EncodeTarget {
  readonly id: TargetId;
  readonly cluster: ClusterName;
  readonly schema: ProviderSchema;
  /** The provider's model id. */
  readonly model: string;
  /** The model behind `model`, where that is a name of the company's own. */
  readonly baseModel: string;
  readonly region: RegionName | undefined;
  readonly zones: ReadonlySet<ZoneName>;
  readonly workloadClasses: 'all' | ReadonlySet<WorkloadClass>;
  /** Whose hosts it runs on, as policy or schema tell; undefined: its model's maker's own. */
  readonly platform: Platform | undefined;
  /** The day on which its model ends, YYYY-MM-DD, where policy knows better than the tables. */
  readonly deprecatedOn: string | undefined;
  /** undefined: unpriced. */
  readonly price: Price | undefined;
  /** Where the price book has that price: audit says it, so that a request can be priced again. */
  readonly pricedAs: PricedAs | undefined;
  /** Tokens of prompt and answer together; undefined: not known. */
  readonly contextWindow: number | undefined;
  /** What its provider lets us have; what is not set here is learned from its answers, where they say it. */
  readonly limits: ProviderLimit | undefined;
  /** The provider's host name, where a credential needs it to sign; Envoy connects to what the cluster says. */
  readonly host: string | undefined;
  /** Added to the request path, without `?`; empty for none. */
  readonly query: string;
  /** Gateway keys that it takes, any of them; none for a provider that wants no key. */
  readonly credentials: readonly CredentialName[];
}

export interface PricedAs {
  /** The price book's model id. */
  readonly id: string;
  /** undefined: the model's home. */
  readonly platform: Platform | undefined;
}

/** Of one target, over all its keys and all that use them. Each minute's worth refills evenly. */
export interface ProviderLimit {
  readonly requestsPerMinute: number | undefined;
  readonly inputTokensPerMinute: number | undefined;
  readonly outputTokensPerMinute: number | undefined;
  /** Input and output in one. */
  readonly tokensPerMinute: number | undefined;
  /** Requests in flight. */
  readonly concurrency: number | undefined;
}

export interface Zone {
  readonly name: ZoneName;
  /** Does the audit log of this gateway lie in it? */
  readonly audit: 'inside' | 'outside';
  /** Asked after all others, in requests of this zone. */
  readonly lastResort: readonly Target[];
}
