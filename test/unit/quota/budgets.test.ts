import { expect } from 'chai';
import { Registry } from 'prom-client';
import { registerBudgetMetrics } from '../../../filter/observability/budget-metrics.ts';
import type { Alias } from '../../../filter/policy/compiled/alias.ts';
import type { AliasName } from '../../../filter/policy/compiled/names.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import { budgetsInForce } from '../../../filter/quota/budgets-in-force.ts';
import { createQuotaStore } from '../../../filter/quota/create-store.ts';
import { createMemoryStore } from '../../../filter/quota/memory-store.ts';
import { budgetPlans, quotaPlanFor } from '../../../filter/quota/quota-plan.ts';
import type { BudgetState, QuotaStore } from '../../../filter/quota/quota-store.ts';
import { policyOf } from '../exchange/exchange-fixture.ts';
import { admitted } from './plans.ts';

const DAY_MS = 86_400_000;
/** A quarter of the day is over, and half of the month. */
const NOW = Date.UTC(2026, 10, 16, 6);
const NANO = 1_000_000_000;

const policy = policyOf({
  targets: { x: {} },
  budgets: {
    month: { usd: '100', period: 'month', when_spent: 'warn', warn_at: 0.9 },
    aliases: { per: ['alias'], usd: '10', period: 'day', when_spent: 'refuse' },
    agents: { per: ['agent'], usd: '4', period: 'day', when_spent: 'refuse' },
  },
});
const [caller] = [...policy.callerKeys.values()].map((key) => key.caller);
const alias = policy.aliases.get('a' as AliasName);
if (caller === undefined || alias === undefined) throw new Error('no caller');

const spend = async (store: QuotaStore, nanoUsd: number, agent = 'default', of: Alias = alias): Promise<void> => {
  const plan = quotaPlanFor(policy, agent === 'default' ? caller : { ...caller, agent }, of);
  const demand = { plan, requestId: `r${Math.random()}`, tokens: 0, nanoUsd, holdForMs: 1000 };
  store.settle(admitted(await store.admit(demand)).reservation, { tokens: 0, nanoUsd });
};
const named = (states: readonly BudgetState[], name: string): BudgetState[] =>
  states.filter(({ budget }) => budget === name);

const scrape = async (states: readonly BudgetState[]): Promise<string[]> => {
  const registry = new Registry();
  registerBudgetMetrics(
    registry,
    () => states,
    () => NOW,
  );
  return (await registry.metrics()).split('\n').filter((line) => /^\w+\{/.test(line));
};

describe('the state of budgets', () => {
  it('is what was settled, by whose it is, with limit, warning and end', async () => {
    const store = createMemoryStore({ now: () => NOW });
    await spend(store, 3 * NANO);
    const [month] = named(store.budgetStates(), 'month');
    expect(month).to.deep.equal({
      ...{ budget: 'month', subject: { tenant: 't' }, period: 'month', limitNanoUsd: 100 * NANO },
      ...{ spentNanoUsd: 3 * NANO, warnAt: 0.9, endsAt: Date.UTC(2026, 11, 1) },
    });
    expect(named(store.budgetStates(), 'agents')[0]?.subject).to.deep.equal({ tenant: 't', agent: 'default' });
  });

  it('begins anew with the period', async () => {
    let now = NOW;
    const store = createMemoryStore({ now: () => now });
    await spend(store, NANO);
    now += DAY_MS;
    expect(named(store.budgetStates(), 'aliases')[0]).to.deep.include({ spentNanoUsd: 0, endsAt: Date.UTC(2026, 10, 18) });
    expect(named(store.budgetStates(), 'month')[0]?.spentNanoUsd).to.equal(NANO);
  });

  it('is told before anybody asks, where the policy knows all whose it is, and one bucket is one state', async () => {
    const store = createMemoryStore({ now: () => NOW });
    store.follow(budgetPlans(policy));
    const before = store.budgetStates().map(({ budget, subject, spentNanoUsd }) => ({ budget, subject, spentNanoUsd }));
    expect(before).to.have.deep.members([
      { budget: 'month', subject: { tenant: 't' }, spentNanoUsd: 0 },
      { budget: 'aliases', subject: { tenant: 't', alias: 'a' }, spentNanoUsd: 0 },
    ]);
    await spend(store, NANO);
    expect(store.budgetStates()).to.have.length(3);
    expect(named(store.budgetStates(), 'aliases')[0]?.spentNanoUsd).to.equal(NANO);
  });

  it("has this process's part of the limit where processes divide it", async () => {
    const store = await createQuotaStore({ redis: undefined, timeoutMs: 10, shares: 4 }, () => NOW);
    store.follow(budgetPlans(policy));
    expect(named(store.budgetStates(), 'month')[0]?.limitNanoUsd).to.equal(25 * NANO);
  });

  it('of budgets that left the policy, or are divided otherwise now, is not told', async () => {
    const store = createMemoryStore({ now: () => NOW });
    await spend(store, NANO);
    const edited: Policy = policyOf({
      targets: { x: {} },
      budgets: {
        month: { usd: '100', period: 'day', when_spent: 'warn' },
        aliases: { per: ['alias', 'feature'], usd: '10', period: 'day', when_spent: 'refuse' },
      },
    });
    expect(budgetsInForce(policy, store.budgetStates())).to.have.length(3);
    expect(budgetsInForce(edited, store.budgetStates())).to.deep.equal([]);
  });
});

describe('metrics of budgets', () => {
  it('tell the share that is used, of several parts the fullest, and the share of the period that is over', async () => {
    const store = createMemoryStore({ now: () => NOW });
    await spend(store, NANO, 'one');
    await spend(store, 3 * NANO, 'two');
    expect(await scrape(store.budgetStates())).to.have.members([
      'gateway_budget_used_ratio{budget="month",tenant="t"} 0.04',
      'gateway_budget_used_ratio{budget="aliases",tenant="t"} 0.4',
      'gateway_budget_used_ratio{budget="agents",tenant="t"} 0.75',
      `gateway_budget_elapsed_ratio{budget="month",tenant="t"} ${15.25 / 30}`,
      'gateway_budget_elapsed_ratio{budget="aliases",tenant="t"} 0.25',
      'gateway_budget_elapsed_ratio{budget="agents",tenant="t"} 0.25',
    ]);
  });

  it('have no series of what callers choose, however many there are', async () => {
    const store = createMemoryStore({ now: () => NOW });
    for (let agent = 0; agent < 500; agent++) await spend(store, 1, `agent-${agent}`);
    expect(store.budgetStates()).to.have.length(502);
    expect(await scrape(store.budgetStates())).to.have.length(6);
  });

  it('a budget of nothing is spent', async () => {
    const nothing = policyOf({ targets: { x: {} }, budgets: { none: { usd: '0', period: 'day', when_spent: 'warn' } } });
    const store = createMemoryStore({ now: () => NOW });
    store.follow(budgetPlans(nothing));
    expect(await scrape(store.budgetStates())).to.include('gateway_budget_used_ratio{budget="none",tenant="t"} 1');
  });
});
