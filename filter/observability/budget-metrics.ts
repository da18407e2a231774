/** How much of their budgets tenants have used, as a share: sums of money are no metric. Labels are names of the policy alone. */
import { Gauge, type Registry } from 'prom-client';

interface BudgetView {
  readonly budget: string;
  readonly subject: Readonly<Record<string, string>>;
  readonly period: 'day' | 'month';
  readonly limitNanoUsd: number;
  readonly spentNanoUsd: number;
  readonly endsAt: number;
}

/**
 * @param budgets those of the policy in force, for its tenants. Of a budget that has several parts for a tenant (features, agents) the fullest is told
 * @param now milliseconds since the epoch
 */
export function registerBudgetMetrics(registry: Registry, budgets: () => Iterable<BudgetView>, now: () => number): void {
  const labelNames = ['budget', 'tenant'];
  // What one process knows may be older than what another knows: the most is true.
  const common = { labelNames, aggregator: 'max' as const, registers: [registry] };
  new Gauge({
    ...common,
    name: 'gateway_budget_used_ratio',
    help: 'Share of a budget that a tenant has spent in the present period; of several parts the fullest.',
    collect() {
      this.reset();
      const fullest = new Map<string, { readonly labels: Record<'budget' | 'tenant', string>; readonly used: number }>();
      for (const { budget, subject, limitNanoUsd, spentNanoUsd } of budgets()) {
        const labels = { budget, tenant: subject['tenant'] ?? '' };
        const key = `${budget}\n${labels.tenant}`;
        const used = limitNanoUsd === 0 ? 1 : spentNanoUsd / limitNanoUsd;
        if (used >= (fullest.get(key)?.used ?? 0)) fullest.set(key, { labels, used });
      }
      for (const { labels, used } of fullest.values()) this.set(labels, used);
    },
  });
  new Gauge({
    ...common,
    name: 'gateway_budget_elapsed_ratio',
    help: "Share of a budget's present period that is over.",
    collect() {
      this.reset();
      for (const { budget, subject, period, endsAt } of budgets()) {
        const beganAt = startOf(period, endsAt);
        const elapsed = Math.min(1, Math.max(0, (now() - beganAt) / (endsAt - beganAt)));
        this.set({ budget, tenant: subject['tenant'] ?? '' }, elapsed);
      }
    },
  });
}

/** @param endsAt the first moment of the next period, of UTC */
function startOf(period: 'day' | 'month', endsAt: number): number {
  const start = new Date(endsAt);
  if (period === 'day') start.setUTCDate(start.getUTCDate() - 1);
  else start.setUTCMonth(start.getUTCMonth() - 1);
  return start.getTime();
}
