/** Whether the processes that ask the same targets share providers' limits, and where they meet. */
import type { LimitExchange } from './limit-exchange.ts';
import { countOf, type Processes } from './limit-shares.ts';
import { LimitSharing } from './limit-sharing.ts';
import type { RedisSettings } from './redis-link.ts';

export interface SharingSettings {
  readonly redis: RedisSettings | undefined;
  readonly timeoutMs: number;
  readonly processes: Processes;
  /** Where the workers of a pod meet; undefined: it has one. */
  readonly pod: LimitExchange | undefined;
  readonly now: () => number;
}

export interface Sharing {
  /** Those that share. */
  readonly processes: Processes;
  /** Of each limit, what these have together. */
  readonly part: number;
  readonly sharing?: LimitSharing;
}

/** The process above is never away while there are workers: only a machine that stands still makes it late. */
const POD_TIMEOUT_MS = 800;

/** Through Redis all share; without it the workers of a pod do, and pods have even parts. */
export async function shareLimits({ redis, pod, processes, timeoutMs, now }: SharingSettings): Promise<Sharing> {
  if (countOf(processes) === 1) return { processes, part: 1 };
  if (redis !== undefined) {
    // Its client takes 20 MiB, which a filter without Redis need not have.
    const { createRedisExchange } = await import('./redis-exchange.ts');
    const sharing = new LimitSharing({ exchange: createRedisExchange({ redis }), processes, timeoutMs, now });
    return { processes, part: 1, sharing };
  }
  if (pod === undefined) return { processes, part: 1 };
  const ofPod = { ...processes, pods: 1 };
  const sharing = new LimitSharing({ exchange: pod, processes: ofPod, timeoutMs: POD_TIMEOUT_MS, now });
  return { processes: ofPod, part: 1 / processes.pods, sharing };
}
