import { expect } from 'chai';
import fc from 'fast-check';
import type { AuditRecord } from '../../../filter/observability/audit-record.ts';
import { auditUsage } from '../../../filter/observability/estimate.ts';
import { createMetrics } from '../../../filter/observability/metrics.ts';
import { providerSchemaNames } from '../../../filter/transform/registry.ts';
import { NO_USAGE } from '../../../filter/transform/unified.ts';
import { attempt, record, sources } from './observed.ts';

const NOTHING_QUEUED = { queuedBytes: 0, written: 0, dropped: 0, failedWrites: 0, state: 'writing' as const };

/** Lines of the scrape that are of `metric`. */
async function scraped(metric: string, records: readonly AuditRecord[]): Promise<string[]> {
  const { registry, observe } = createMetrics(sources(NOTHING_QUEUED));
  for (const each of records) observe(each);
  return (await registry.metrics()).split('\n').filter((line) => line.startsWith(`${metric}{`));
}

const failed = attempt({ outcome: 'overloaded', status: 529, duration_ms: 40, first_byte_ms: null });
const second = attempt({ number: 2, target: 'claude', cluster: 'anthropic', model: 'c', first_byte_ms: 300 });

describe('metrics of traffic', () => {
  it('count a request by its workload class', async () => {
    const route_key = {
      ...{ workload_class: 'batch', privacy_zones: [], latency_budget_ms: null },
      ...{ cost_ceiling_usd: null, degradation: 'allowed' },
    };
    const [line] = await scraped('gateway_requests_total', [record('a', { route_key })]);
    expect(line).to.equal(
      'gateway_requests_total{caller_schema="openai-chat",alias="fast",outcome="ok",workload_class="batch"} 1',
    );
  });

  it('count what a request moved on from and why, not its retries, other keys or its last attempt', async () => {
    const skipped = attempt({ number: 0, target: 'old', outcome: 'not_translatable', duration_ms: 0, first_byte_ms: null });
    const retried = attempt({ number: 2, outcome: 'rate_limited', first_byte_ms: null });
    const records = [
      record('moved', { attempts: [skipped, failed, retried, { ...second, number: 3 }] }),
      record('exhausted', { attempts: [failed, { ...second, outcome: 'server_error' }], outcome: 'failed', usage: null }),
      record('nobody could be asked', { attempts: [skipped], outcome: 'failed', usage: null }),
    ];
    expect(await scraped('gateway_fallbacks_total', records)).to.have.members([
      'gateway_fallbacks_total{alias="fast",target="old",reason="not_translatable"} 1',
      'gateway_fallbacks_total{alias="fast",target="gpt",reason="rate_limited"} 1',
      'gateway_fallbacks_total{alias="fast",target="gpt",reason="overloaded"} 1',
    ]);
  });

  it('measure attempts from their own start, apart from failures and from what was never asked', async () => {
    const skipped = attempt({ number: 0, outcome: 'not_translatable', duration_ms: 0, first_byte_ms: null });
    const abandoned = attempt({ number: 1, outcome: 'abandoned', duration_ms: 9_000, first_byte_ms: null });
    const records = [record('a', { attempts: [skipped, failed, second] }), record('b', { attempts: [abandoned] })];
    const durations = await scraped('gateway_attempt_duration_seconds_sum', records);
    expect(durations).to.have.members([
      'gateway_attempt_duration_seconds_sum{target="gpt",cluster="openai",model="m",result="failed"} 0.04',
      'gateway_attempt_duration_seconds_sum{target="claude",cluster="anthropic",model="c",result="ok"} 0.005',
    ]);
    expect(await scraped('gateway_attempt_duration_seconds_count', records)).to.have.length(2);
  });

  it("keep a provider's model id as it is, whatever is in it", async () => {
    const model = 'arn:aws:x/y|z "1"';
    const [line] = await scraped('gateway_attempts_total', [record('a', { attempts: [attempt({ model })] })]);
    expect(line).to.equal(
      'gateway_attempts_total{target="gpt",cluster="openai",model="arn:aws:x/y|z \\"1\\"",outcome="ok",error_class="none"} 1',
    );
  });

  it('count where answers come from', async () => {
    const records = [record('a'), record('b'), record('c', { cache: 'stale' })];
    expect(await scraped('gateway_cache_results_total', records)).to.have.members([
      'gateway_cache_results_total{alias="fast",result="off"} 2',
      'gateway_cache_results_total{alias="fast",result="stale"} 1',
    ]);
  });

  it('count refusals by their code, and lesser answers', async () => {
    const records = [
      record('a', { fault: 'quota_exceeded', outcome: 'refused', attempts: [], usage: null }),
      record('b', { degraded: true }),
    ];
    expect(await scraped('gateway_faults_total', records)).to.deep.equal([
      'gateway_faults_total{alias="fast",fault="quota_exceeded"} 1',
    ]);
    expect(await scraped('gateway_degraded_answers_total', records)).to.deep.equal([
      'gateway_degraded_answers_total{alias="fast"} 1',
    ]);
  });
});

describe("metrics by OpenTelemetry's names", () => {
  const usage = auditUsage({ ...NO_USAGE, inputUncached: 100, outputVisible: 21 }, 'provider');
  // It began 100 ms after the request, its headers came at 150, its first byte at 400, and its end at 1400.
  const duration_ms = { total: 1400, queue: 0, gateway: 1, provider: 1390, to_headers: 150, to_first_byte: 400 };
  const answered = { ...second, duration_ms: 50, provider_schema: 'anthropic-messages' };
  const streamed = record('a', { stream: true, attempts: [failed, answered], usage, duration_ms });
  const labels = 'target="claude",gen_ai_request_model="c",gen_ai_provider_name="anthropic",gen_ai_operation_name="chat"';

  it('measure the attempt that answered: to its first byte, between its tokens, to its end', async () => {
    const of = (name: string): Promise<string[]> => scraped(`gen_ai_${name}_sum`, [streamed]);
    expect(await of('server_time_to_first_token_seconds')).to.deep.equal([
      `gen_ai_server_time_to_first_token_seconds_sum{${labels}} 0.3`,
    ]);
    expect(await of('server_time_per_output_token_seconds')).to.deep.equal([
      `gen_ai_server_time_per_output_token_seconds_sum{${labels}} 0.05`,
    ]);
    expect(await of('client_operation_duration_seconds')).to.deep.equal([
      `gen_ai_client_operation_duration_seconds_sum{${labels}} 1.3`,
    ]);
    expect(await of('client_token_usage')).to.have.members([
      `gen_ai_client_token_usage_sum{${labels},gen_ai_token_type="input"} 100`,
      `gen_ai_client_token_usage_sum{${labels},gen_ai_token_type="output"} 21`,
    ]);
  });

  it('say nothing between tokens where there is nothing between them, or nobody counted them', async () => {
    const records = [
      { ...streamed, stream: false },
      { ...streamed, usage: null },
      { ...streamed, usage: { ...usage, output_tokens: 1 } },
      { ...streamed, usage: { ...usage, source: 'estimated' as const } },
      { ...streamed, outcome: 'cut' as const },
      record('b', { stream: true, attempts: [failed], usage, duration_ms }),
    ];
    expect(await scraped('gen_ai_server_time_per_output_token_seconds_sum', records)).to.deep.equal([]);
  });

  it('name every provider schema', async () => {
    const records = providerSchemaNames.map((name) =>
      record('a', { attempts: [attempt({ target: name, provider_schema: name })] }),
    );
    const lines = await scraped('gen_ai_client_operation_duration_seconds_count', records);
    expect(lines).to.have.length(providerSchemaNames.length);
    expect(lines.join()).to.not.include('unknown');
    expect(lines.find((line) => line.includes('"bedrock-titan-embeddings"'))).to.include(
      'gen_ai_provider_name="aws.bedrock",gen_ai_operation_name="embeddings"',
    );
  });
});

describe('metrics of spending', () => {
  it('add up money by target and alias, and by tenant and feature', async () => {
    const records = [record('a', { cost_nano_usd: 1_500_000_000 }), record('b', { cost_nano_usd: 250_000_000 })];
    expect(await scraped('gateway_cost_usd_total', records)).to.deep.equal([
      'gateway_cost_usd_total{target="gpt",cluster="openai",model="m",alias="fast"} 1.75',
    ]);
    expect(await scraped('gateway_tenant_cost_usd_total', records)).to.deep.equal([
      'gateway_tenant_cost_usd_total{tenant="t",feature="f"} 1.75',
    ]);
    expect(await scraped('gateway_tenant_tokens_total', records)).to.have.members([
      'gateway_tenant_tokens_total{tenant="t",feature="f",kind="input"} 10',
      'gateway_tenant_tokens_total{tenant="t",feature="f",kind="output"} 8',
    ]);
  });

  it('count answers without a price, and only those that used something', async () => {
    const records = [record('a'), record('b', { usage: null }), record('c', { cost_nano_usd: 0 })];
    expect(await scraped('gateway_unpriced_answers_total', records)).to.deep.equal([
      'gateway_unpriced_answers_total{target="gpt",model="m"} 1',
    ]);
  });

  it('count answers that nobody counted, which are none that took nothing', async () => {
    const records = [
      record('speech', { usage: null, caller_schema: 'openai-pass-through' }),
      record('counting', { usage: null, caller_schema: 'anthropic-count-tokens' }),
      record('refused', { usage: null, outcome: 'refused', attempts: [] }),
      record('counted'),
    ];
    expect(await scraped('gateway_uncounted_answers_total', records)).to.deep.equal([
      'gateway_uncounted_answers_total{target="gpt",model="m"} 1',
    ]);
  });

  it('make no series of the words that callers choose, however many there are', () =>
    fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.stringMatching(/^[a-z|"\\]{1,12}$/), { maxLength: 200 }), async (words) => {
        const records = words.flatMap((word) => [
          record('a', { feature: word }),
          record('b', { tenant: `x${word}`, alias: `x${word}` }),
        ]);
        const lines = await scraped('gateway_tenant_cost_usd_total', records);
        // Fifty features, `other`, and the tenants that nobody knows.
        expect(lines.length).to.be.at.most(52);
        const tenants = new Set(lines.map((line) => /tenant="([^"]*)"/.exec(line)?.[1]));
        expect([...tenants].every((tenant) => tenant === 't' || tenant === 'unknown')).to.equal(true);
        const aliases = await scraped('gateway_requests_total', records);
        expect(aliases.length).to.be.at.most(2);
        const counted = (await scraped('gateway_tenant_tokens_total', records)).filter((line) =>
          line.includes('kind="input"'),
        );
        const total = counted.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
        expect(total).to.equal(records.length * 5);
      }),
      { numRuns: 30 },
    ));
});
