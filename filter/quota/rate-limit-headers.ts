/** `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10, for a caller's own quotas. Budgets are not told: sums of money are the tenant's own. */
import type { QuotaPlan } from './quota-plan.ts';
import type { Decision } from './quota-store.ts';

export interface RateLimitHeaders {
  /** `"default.tokens";q=100000;w=60, "default.concurrency";q=20` */
  readonly 'ratelimit-policy': string;
  /** `"default.tokens";r=64000;t=22, "default.concurrency";r=3`: what is left, and seconds until all of it is back. */
  readonly ratelimit: string;
}

/** @returns undefined when no quota is for the caller. Names of policies need no escape in a structured field's string. */
export function rateLimitHeaders({ buckets }: QuotaPlan, { remaining }: Decision): RateLimitHeaders | undefined {
  const policies: string[] = [];
  const levels: string[] = [];
  for (const [index, bucket] of buckets.entries()) {
    if (bucket.kind === 'budget') continue;
    const name = `"${bucket.name}.${bucket.kind}"`;
    const left = Math.max(0, Math.floor(remaining[index] ?? 0));
    if (bucket.kind === 'concurrency') {
      policies.push(`${name};q=${bucket.limit}`);
      levels.push(`${name};r=${left}`);
    } else {
      const { amount, windowMs, burst } = bucket.rate;
      const seconds = Math.ceil(((burst - (remaining[index] ?? 0)) * windowMs) / amount / 1000);
      policies.push(`${name};q=${amount};w=${windowMs / 1000}`);
      levels.push(`${name};r=${left};t=${Math.max(0, seconds)}`);
    }
  }
  return policies.length === 0 ? undefined : { 'ratelimit-policy': policies.join(', '), ratelimit: levels.join(', ') };
}
