/** What stores know of budgets, against the policy: buckets of budgets that are gone, or are divided otherwise now, are nobody's any more. */
import type { TenantId } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import type { BudgetState } from './quota-store.ts';

export function budgetsInForce({ budgets, tenantRules }: Policy, states: readonly BudgetState[]): BudgetState[] {
  const known = new Map(budgets.map((budget) => [budget.name, budget]));
  return states.filter(({ budget: name, period, subject }) => {
    const budget = known.get(name);
    if (budget === undefined || budget.period !== period) return false;
    const { tenants } = budget.match;
    const tenant = subject['tenant'] as TenantId;
    if (!tenantRules.has(tenant) || (tenants !== 'all' && !tenants.has(tenant))) return false;
    return Object.keys(subject).length === budget.per.length && budget.per.every((dimension) => dimension in subject);
  });
}
