/** Whether the processes that ask the same targets share providers' limits, and where they meet. */
import { countOf, type Processes } from './limit-shares.ts';
import { LimitSharing } from './limit-sharing.ts';
import type { RedisSettings } from './redis-link.ts';

export interface SharingSettings {
  readonly redis: RedisSettings | undefined;
  readonly timeoutMs: number;
  readonly processes: Processes;
  readonly now: () => number;
}

/** Nothing where there is nobody to share with, or no place to meet. */
export async function shareLimits({ redis, ...options }: SharingSettings): Promise<{ sharing?: LimitSharing }> {
  if (redis === undefined || countOf(options.processes) === 1) return {};
  // Its client takes 20 MiB, which a filter without Redis need not have.
  const { createRedisExchange } = await import('./redis-exchange.ts');
  return { sharing: new LimitSharing({ ...options, exchange: createRedisExchange({ redis }) }) };
}
