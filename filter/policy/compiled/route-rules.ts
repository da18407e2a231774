/** What a request's route has to keep to. */
import type { ZoneName } from './names.ts';

/** How urgent a request is; from most to least, but for `embeddings`, which is a kind of its own. */
export const WORKLOAD_CLASSES = ['interactive', 'tool_call', 'background', 'batch', 'embeddings'] as const;
export type WorkloadClass = (typeof WORKLOAD_CLASSES)[number];

/** What policy demands of a request's route, at one level: tenant, caller key or alias. All levels hold. */
export interface RouteRules {
  readonly workloadClass: WorkloadClass | undefined;
  readonly latencyBudgetMs: number | undefined;
  readonly costCeilingNanoUsd: number | undefined;
  readonly zones: readonly ZoneName[];
  /** `refused`: rather no answer than one of a lesser target. */
  readonly degradation: 'allowed' | 'refused';
}
