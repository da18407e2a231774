/** How long the models of targets still live. */
import { Gauge, type Registry } from 'prom-client';

/** @param deprecations of targets of the policy in force */
export function registerLifecycleMetrics(
  registry: Registry,
  deprecations: () => Iterable<{ readonly target: string; readonly model: string; readonly daysLeft: number }>,
): void {
  new Gauge({
    name: 'gateway_target_days_to_deprecation',
    help: "Days until a target's model ends at its provider, where that is known; negative: it has ended.",
    labelNames: ['target', 'model'],
    aggregator: 'min',
    registers: [registry],
    collect() {
      this.reset();
      for (const { target, model, daysLeft } of deprecations()) this.set({ target, model }, daysLeft);
    },
  });
}
