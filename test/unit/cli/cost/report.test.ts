import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { auditUsage } from '../../../../filter/observability/estimate.ts';
import { NO_USAGE } from '../../../../filter/transform/unified.ts';
import { auditRecords } from '../../../load/audit-records.ts';
import { attempt, record } from '../../observability/observed.ts';
import { CostCommand } from './cost-command.ts';

const usage = auditUsage(
  { ...NO_USAGE, inputUncached: 10, cacheRead: 20, cacheWrite1h: 30, outputVisible: 4, outputReasoning: 6 },
  'provider',
);
const LARGEST = Number.MAX_SAFE_INTEGER;
const RECORDS = [
  record('r1', { tenant: 'alpha', feature: 'search', usage, cost_nano_usd: LARGEST }),
  record('r2', { tenant: 'alpha', feature: 'search', usage, cost_nano_usd: LARGEST, time: '2026-11-25T00:00:00.000Z' }),
  record('r3', { tenant: 'alpha', feature: 'chat', usage: { ...usage, source: 'estimated' }, cost_nano_usd: 1 }),
  record('r4', { tenant: 'beta', feature: 'chat', usage, cost_nano_usd: null, attempts: [attempt({ cluster: 'local' })] }),
  record('r5', { tenant: 'beta', feature: null, usage: null, outcome: 'refused', attempts: [] }),
  record('r6', {
    tenant: 'beta',
    feature: 'chat',
    usage,
    cost_nano_usd: 3,
    attempts: [attempt({ target: 'first' }), attempt()],
  }),
];

describe('cost report', () => {
  let command: CostCommand;
  before(async () => {
    command = await CostCommand.of(RECORDS);
  });
  after(() => command.remove());

  it('is exact beyond what a number holds, tokens by kind, nothing unpriced as 0', () => {
    const { rows, total } = command.json('report', '--by', 'tenant,feature');
    expect(
      rows.map((row: Record<string, unknown>) => [row['tenant'], row['feature'], row['requests'], row['usd']]),
    ).to.deep.equal([
      ['alpha', 'search', 2, '18014398.509481982'],
      ['beta', 'chat', 2, '0.000000003'],
      ['alpha', 'chat', 1, '0.000000001'],
      ['beta', '(none)', 1, '0.000000000'],
    ]);
    expect(rows[0]).to.deep.include({
      ...{ input_tokens: 120, cache_read_input_tokens: 40, cache_write_input_tokens: 60 },
      ...{ output_tokens: 20, reasoning_output_tokens: 12, usd_per_request: '9007199.254740991', share: 0.999999 },
    });
    expect(rows[1]).to.deep.include({ priced_requests: 1, unpriced_requests: 1, usd_per_request: '0.000000003' });
    expect(rows[2]).to.deep.include({ estimated_requests: 1, estimated_usd: '0.000000001' });
    expect(total).to.deep.include({ requests: 6, usd: '18014398.509481986', unpriced_requests: 1, priced_requests: 4 });
  });

  it('gives the money to the target that was asked last, and days in order', () => {
    const targets = command
      .json('report', '--by', 'target')
      .rows.map((row: Record<string, unknown>) => [row['target'], row['requests']]);
    expect(targets).to.deep.equal([
      ['gpt', 5],
      ['(none)', 1],
    ]);
    const days = command.json('report', '--by', 'day').rows.map((row: Record<string, unknown>) => row['day']);
    expect(days).to.deep.equal(['2026-11-24', '2026-11-25']);
    const unpriced = command
      .json('report', '--by', 'provider')
      .rows.find((row: Record<string, unknown>) => row['provider'] === 'local');
    expect(unpriced).to.deep.include({ usd: null, unpriced_requests: 1 });
  });

  it('shows the dearest, and all others as one', () => {
    const { out } = command.run('report', '--by', 'tenant,feature', '--top', '1', '--width', '80');
    expect(out)
      .to.match(/^\(3 others\) +4 /m)
      .and.to.match(/^total +6 /m);
    expect(out).to.contain('1 of 6 requests are of targets without a price');
    const { rows } = command.json('report', '--by', 'feature', '--top', '1');
    expect(rows[1]).to.deep.include({ feature: '(2 others)', requests: 4, usd: '0.000000004' });
  });

  it('tells answers that nobody counted from those that took nothing', async () => {
    const answered = { usage: null, cost_nano_usd: null, caller_schema: 'openai-pass-through' };
    const failed = [attempt({ outcome: 'overloaded', status: 503 })];
    const uncounted = await CostCommand.of([
      record('speech', { ...answered, feature: 'speech' }),
      record('counting', { ...answered, feature: 'free', caller_schema: 'anthropic-count-tokens' }),
      record('failed', { ...answered, feature: 'free', outcome: 'failed', attempts: failed }),
      record('stale', { ...answered, feature: 'free', cache: 'stale', attempts: failed }),
    ]);
    const { rows, total } = uncounted.json('report', '--by', 'feature');
    expect(rows.map(({ feature, usd, share }: Record<string, unknown>) => [feature, usd, share])).to.deep.equal([
      ['free', '0.000000000', 0],
      ['speech', null, null],
    ]);
    expect(total).to.deep.include({ usd: null, unpriced_requests: 0, uncounted_requests: 1 });
    const { out } = uncounted.run('report', '--by', 'feature', '--width', '160');
    expect(out)
      .to.match(/^speech +1 .* unpriced +- +- +1 /m)
      .and.to.contain('1 of 4 requests were answered without a count of tokens: their money is in no sum.');
    uncounted.remove();
  });

  it('leaves out lines of other programs, says so, and tells the rest', async () => {
    const hostile = await CostCommand.of([record('good', { tenant: 'alpha', usage, cost_nano_usd: 7 })]);
    const [segment = ''] = readdirSync(hostile.log).filter((name) => name.endsWith('.jsonl'));
    const good = JSON.parse(readFileSync(join(hostile.log, segment), 'utf8'));
    const others = [
      ...[{ usage: undefined }, { usage: { input_tokens: 1 } }, { cost_nano_usd: '7' }, { cost_nano_usd: 0.5 }],
      ...[
        { cost_nano_usd: -7 },
        { attempts: [null] },
        { tenant: 5 },
        { alias: {} },
        { time: 'noon' },
        { duration_ms: null },
      ],
    ];
    const lines = others.map((other) => `${JSON.stringify({ ...good, ...other })}\n`);
    appendFileSync(join(hostile.log, segment), `[]\nnull\n${lines.join('')}`);
    for (const by of ['tenant,alias', 'provider,day', 'model']) {
      const { code, out, err } = hostile.run('report', '--by', by, '--json');
      expect(JSON.parse(out).total, by).to.deep.include({ requests: 1, usd: '0.000000007' });
      expect(code, err).to.equal(1);
      expect(err).to.contain(`${others.length + 2} lines cannot be read`);
    }
    hostile.remove();
  });

  it('fits 80 and 160 characters', async () => {
    const busy = await CostCommand.of(
      auditRecords({ count: 2_000, fromMs: Date.UTC(2026, 10, 1), untilMs: Date.UTC(2026, 10, 20) }),
    );
    for (const width of [80, 160]) {
      const { out } = busy.run('report', '--by', 'feature,model', '--width', String(width));
      const longest = Math.max(
        ...out
          .split('\n')
          .slice(0, 10)
          .map((line) => line.length),
      );
      expect(longest)
        .to.be.at.most(width)
        .and.at.least(width - 30);
    }
    busy.remove();
  });

  it('takes the filters of audit, in tables for spreadsheets too', () => {
    const { out } = command.run('report', '--by', 'tenant', '--csv', '--since', '2026-11-24T12:00:00Z');
    const [, row, ...more] = out.trim().split('\r\n');
    expect([row?.split(',').slice(0, 2), more]).to.deep.equal([['alpha', '1'], []]);
    expect(command.json('report', '--by', 'tenant', '--until', '2026-11-24T12:00:00Z').total.requests).to.equal(5);
    expect(command.json('report', '--by', 'tenant', '--tenant', 'beta').total.requests).to.equal(3);
    for (const by of ['colour', 'tenant,tenant', 'tenant,day,model', ''])
      expect(command.run('report', '--by', by).code, by).to.equal(2);
  });
});
