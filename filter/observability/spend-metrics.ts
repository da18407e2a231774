/** Tokens and money, counted from audit records: by target and alias, and by tenant and feature. */
import type { Registry } from 'prom-client';
import type { AuditRecord } from './audit-record.ts';
import { cached, capped } from './series.ts';
import { tallyCounter } from './tally.ts';
import { isUncounted } from './uncounted.ts';

/** Features may come out of tokens, in words that no policy knows. Of one tenant so many are told apart. */
const MAX_FEATURES = 50;
const NANO = 1e9;

/** @returns what counts a record. `alias` and `tenant`: names of the policy, or `unknown` */
export function registerSpendMetrics(registry: Registry): (record: AuditRecord, alias: string, tenant: string) => void {
  const tokens = tallyCounter(registry, {
    name: 'gateway_tokens_total',
    help: 'Tokens by the target that answered; cache tokens are part of input, reasoning is part of output.',
    labelNames: ['target', 'cluster', 'model', 'kind'],
  });
  // Whole nano-dollars, exact up to nine million dollars: dollars that are added up themselves drift.
  const cost = tallyCounter(registry, {
    name: 'gateway_cost_usd_total',
    help: 'US dollars by the target that answered, at the prices of the policy; exact to the nano-dollar.',
    labelNames: ['target', 'cluster', 'model', 'alias'],
    unit: NANO,
  });
  const unpriced = tallyCounter(registry, {
    name: 'gateway_unpriced_answers_total',
    help: 'Answers that used tokens of a target without a price.',
    labelNames: ['target', 'model'],
  });
  const uncounted = tallyCounter(registry, {
    name: 'gateway_uncounted_answers_total',
    help: 'Answers that nobody counted the tokens or images of: what they cost is in no sum.',
    labelNames: ['target', 'model'],
  });
  const estimated = tallyCounter(registry, {
    name: 'gateway_estimated_usage_total',
    help: 'Answers whose tokens are an estimate, as they broke off before the provider said, or it did not say.',
    labelNames: ['target'],
  });
  const tenantTokens = tallyCounter(registry, {
    name: 'gateway_tenant_tokens_total',
    help: 'Tokens by who used them.',
    labelNames: ['tenant', 'feature', 'kind'],
  });
  const tenantCost = tallyCounter(registry, {
    name: 'gateway_tenant_cost_usd_total',
    help: 'US dollars by who spent them.',
    labelNames: ['tenant', 'feature'],
    unit: NANO,
  });

  const targetSeries = cached((key) => {
    const [target = '', cluster = '', model = '', alias = ''] = key.split('\n');
    const of = { target, cluster, model };
    return {
      input: tokens({ ...of, kind: 'input' }),
      output: tokens({ ...of, kind: 'output' }),
      cacheRead: tokens({ ...of, kind: 'cache_read' }),
      cacheWrite: tokens({ ...of, kind: 'cache_write' }),
      reasoning: tokens({ ...of, kind: 'reasoning' }),
      cost: cost({ ...of, alias }),
    };
  });
  const tenantSeries = cached((tenant) =>
    capped(MAX_FEATURES, (feature) => ({
      input: tenantTokens({ tenant, feature, kind: 'input' }),
      output: tenantTokens({ tenant, feature, kind: 'output' }),
      cost: tenantCost({ tenant, feature }),
    })),
  );

  return (record, alias, tenant) => {
    const { usage, attempts, cost_nano_usd, feature } = record;
    const last = attempts.at(-1);
    if (last === undefined) return;
    const { target, cluster, model } = last;
    if (usage === null) {
      if (isUncounted(record)) uncounted({ target, model }).value += 1;
      return;
    }
    const series = targetSeries(`${target}\n${cluster}\n${model}\n${alias}`);
    series.input.value += usage.input_tokens;
    series.output.value += usage.output_tokens;
    if (usage.cache_read_input_tokens > 0) series.cacheRead.value += usage.cache_read_input_tokens;
    if (usage.cache_write_input_tokens > 0) series.cacheWrite.value += usage.cache_write_input_tokens;
    if (usage.reasoning_output_tokens > 0) series.reasoning.value += usage.reasoning_output_tokens;
    if (usage.source === 'estimated') estimated({ target }).value += 1;
    const own = tenantSeries(tenant)(feature ?? 'unknown');
    own.input.value += usage.input_tokens;
    own.output.value += usage.output_tokens;
    if (cost_nano_usd === null) {
      unpriced({ target, model }).value += 1;
      return;
    }
    series.cost.value += cost_nano_usd;
    own.cost.value += cost_nano_usd;
  };
}
