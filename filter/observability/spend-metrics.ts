/** Tokens and money, counted from audit records: by target and alias, and by tenant and feature. */
import { Counter, type Registry } from 'prom-client';
import type { AuditRecord } from './audit-record.ts';
import { cached, capped } from './series.ts';

/** Features may come out of tokens, in words that no policy knows. Of one tenant so many are told apart. */
const MAX_FEATURES = 50;
const NANO = 1e9;

/** @returns what counts a record. `alias` and `tenant`: names of the policy, or `unknown` */
export function registerSpendMetrics(registry: Registry): (record: AuditRecord, alias: string, tenant: string) => void {
  const registers = [registry];
  const tokens = new Counter({
    name: 'gateway_tokens_total',
    help: 'Tokens by the target that answered; cache tokens are part of input, reasoning is part of output.',
    labelNames: ['target', 'cluster', 'model', 'kind'],
    registers,
  });
  const cost = moneyCounter(
    registry,
    'gateway_cost_usd_total',
    'US dollars by the target that answered, at the prices of the policy; exact to the nano-dollar.',
    ['target', 'cluster', 'model', 'alias'],
  );
  const unpriced = new Counter({
    name: 'gateway_unpriced_answers_total',
    help: 'Answers that used tokens of a target without a price.',
    labelNames: ['target', 'model'],
    registers,
  });
  const estimated = new Counter({
    name: 'gateway_estimated_usage_total',
    help: 'Answers whose tokens are an estimate, as they broke off before the provider said.',
    labelNames: ['target'],
    registers,
  });
  const tenantTokens = new Counter({
    name: 'gateway_tenant_tokens_total',
    help: 'Tokens by who used them.',
    labelNames: ['tenant', 'feature', 'kind'],
    registers,
  });
  const tenantCost = moneyCounter(registry, 'gateway_tenant_cost_usd_total', 'US dollars by who spent them.', [
    'tenant',
    'feature',
  ]);

  const targetSeries = cached((key) => {
    const [target = '', cluster = '', model = '', alias = ''] = key.split('\n');
    const of = { target, cluster, model };
    return {
      input: tokens.labels({ ...of, kind: 'input' }),
      output: tokens.labels({ ...of, kind: 'output' }),
      cacheRead: tokens.labels({ ...of, kind: 'cache_read' }),
      cacheWrite: tokens.labels({ ...of, kind: 'cache_write' }),
      reasoning: tokens.labels({ ...of, kind: 'reasoning' }),
      cost: cost({ ...of, alias }),
    };
  });
  const tenantSeries = cached((tenant) =>
    capped(MAX_FEATURES, (feature) => ({
      input: tenantTokens.labels({ tenant, feature, kind: 'input' }),
      output: tenantTokens.labels({ tenant, feature, kind: 'output' }),
      cost: tenantCost({ tenant, feature }),
    })),
  );

  return ({ usage, attempts, cost_nano_usd, feature }, alias, tenant) => {
    const last = attempts.at(-1);
    if (usage === null || last === undefined) return;
    const { target, cluster, model } = last;
    const series = targetSeries(`${target}\n${cluster}\n${model}\n${alias}`);
    series.input.inc(usage.input_tokens);
    series.output.inc(usage.output_tokens);
    if (usage.cache_read_input_tokens > 0) series.cacheRead.inc(usage.cache_read_input_tokens);
    if (usage.cache_write_input_tokens > 0) series.cacheWrite.inc(usage.cache_write_input_tokens);
    if (usage.reasoning_output_tokens > 0) series.reasoning.inc(usage.reasoning_output_tokens);
    if (usage.source === 'estimated') estimated.inc({ target });
    const own = tenantSeries(tenant)(feature ?? 'unknown');
    own.input.inc(usage.input_tokens);
    own.output.inc(usage.output_tokens);
    if (cost_nano_usd === null) {
      unpriced.inc({ target, model });
      return;
    }
    series.cost.nanoUsd += cost_nano_usd;
    own.cost.nanoUsd += cost_nano_usd;
  };
}

interface MoneySum {
  /** Whole: exact up to nine million dollars. */
  nanoUsd: number;
}

/** Sums whole nano-dollars and tells dollars: dollars that are added up themselves drift. A series begins with its first money. */
function moneyCounter<Label extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[],
): (labels: Readonly<Record<Label, string>>) => MoneySum {
  const sums: { readonly labels: Readonly<Record<Label, string>>; readonly sum: MoneySum }[] = [];
  new Counter({
    ...{ name, help, registers: [registry] },
    labelNames: [...labelNames],
    collect() {
      this.reset();
      for (const { labels, sum } of sums) if (sum.nanoUsd > 0) this.inc({ ...labels }, sum.nanoUsd / NANO);
    },
  });
  return (labels) => {
    const sum = { nanoUsd: 0 };
    sums.push({ labels, sum });
    return sum;
  };
}
