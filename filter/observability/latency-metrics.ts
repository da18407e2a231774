/** What targets take now against what is usual for them, as Prometheus sees it. Workers have each their own samples: what they say is averaged. */
import { Gauge, type Registry } from 'prom-client';
import type { LatencyComparison } from './latency-baselines.ts';

const GAUGES: readonly (readonly [name: string, help: string, value: (of: LatencyComparison) => number | undefined])[] = [
  [
    'gateway_target_latency_seconds',
    'Median of the last minutes until an answer begins; absent with too few requests.',
    ({ currentMs }) => (currentMs === undefined ? undefined : currentMs / 1000),
  ],
  [
    'gateway_target_latency_baseline_seconds',
    'The same as is usual at this hour of the week; absent until enough is known.',
    ({ usualMs }) => (usualMs === undefined ? undefined : usualMs / 1000),
  ],
  ['gateway_target_latency_ratio', 'Latency of the last minutes, divided by what is usual.', ({ ratio }) => ratio],
];

/** @param isTarget is it a target of the policy in force? Others are no labels */
export function registerLatencyMetrics(
  registry: Registry,
  comparisons: () => readonly LatencyComparison[],
  isTarget: (name: string) => boolean,
): void {
  for (const [name, help, value] of GAUGES)
    new Gauge({
      ...{ name, help, labelNames: ['target', 'kind'], aggregator: 'average', registers: [registry] },
      collect() {
        this.reset();
        for (const comparison of comparisons()) {
          const found = value(comparison);
          const { target, kind } = comparison;
          if (found !== undefined && isTarget(target)) this.set({ target, kind }, found);
        }
      },
    });
}
