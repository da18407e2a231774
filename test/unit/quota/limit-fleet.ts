/** Several processes, each with its own view of one target's limits. */
import type { TargetId, TenantId } from '../../../filter/policy/compiled/names.ts';
import type { ProviderLimit, Target } from '../../../filter/policy/compiled/target.ts';
import type { LimitDemand } from '../../../filter/quota/fair-queue.ts';
import type { LimitExchange } from '../../../filter/quota/limit-exchange.ts';
import { LimitSharing } from '../../../filter/quota/limit-sharing.ts';
import { ProviderLimits } from '../../../filter/quota/provider-limits.ts';

const NO_LIMITS: ProviderLimit = {
  ...{ requestsPerMinute: undefined, inputTokensPerMinute: undefined, outputTokensPerMinute: undefined },
  ...{ tokensPerMinute: undefined, concurrency: undefined },
};

export const targetWith = (limits?: Partial<ProviderLimit>, id = 'x'): Target =>
  ({ id: id as TargetId, limits: limits === undefined ? undefined : { ...NO_LIMITS, ...limits } }) as Target;

export function demand(tenant: string, changes: Partial<LimitDemand> = {}): LimitDemand {
  return {
    ...{ tenant: tenant as TenantId, weight: 1, workloadClass: 'interactive', inputTokens: 100, outputTokens: 100 },
    ...changes,
  };
}

export interface FleetOptions {
  readonly now: () => number;
  readonly count: number;
  readonly timeoutMs?: number;
  readonly exchange: (index: number) => LimitExchange;
}

export interface Fleet {
  readonly all: readonly ProviderLimits[];
  /** Of the whole limit, each process's part. */
  shares(kind: string): number[];
  close(): void;
}

export function fleetOf({ now, count, exchange, timeoutMs = 10 }: FleetOptions): Fleet {
  const all = Array.from({ length: count }, (_, index) => {
    const processes = { pods: count, workers: 1, worker: 0 };
    const sharing = new LimitSharing({ exchange: exchange(index), now, processes, timeoutMs });
    return new ProviderLimits({ now, processes, maxWaiting: 1_000, sharing });
  });
  return {
    all,
    shares: (kind) => all.map((limits) => limits.figures().find((one) => one.kind === kind)?.share ?? 0),
    close() {
      for (const limits of all) limits.close();
    },
  };
}

/** A request that a process is asked for. */
export interface Traffic {
  readonly limits: ProviderLimits;
  readonly target: Target;
  readonly maxWaitMs?: number;
  readonly tenant?: string;
}

export interface Counts {
  passed: number;
  refused: number;
  inFlight: number;
  mostInFlight: number;
}

export const noCounts = (): Counts => ({ passed: 0, refused: 0, inFlight: 0, mostInFlight: 0 });

/** One request through the limits: it is in flight until `work` is done. */
export async function request(
  { limits, target, maxWaitMs = 250, tenant = 'a' }: Traffic,
  counts: readonly Counts[],
  work: () => Promise<unknown>,
): Promise<void> {
  const pass = await limits.enter(target, demand(tenant), maxWaitMs);
  if (pass === undefined) {
    for (const count of counts) count.refused += 1;
    return;
  }
  for (const count of counts) {
    count.passed += 1;
    count.inFlight += 1;
    count.mostInFlight = Math.max(count.mostInFlight, count.inFlight);
  }
  await work();
  for (const count of counts) count.inFlight -= 1;
  pass.settle({ inputTokens: 100, outputTokens: 100 });
}
