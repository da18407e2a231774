/** Money of real requests, of every provider's mock: what the audit log has of it can be priced again, and adds up. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { CHAT_TARGETS, everyProviderPolicy } from '../stack/every-provider.ts';
import { ROOT } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { post } from './callers.ts';

describe('money, through Envoy', () => {
  const policy = everyProviderPolicy();
  writeFileSync(
    policy,
    stringify({
      ...parse(readFileSync(policy, 'utf8')),
      budgets: { all: { usd: '100', period: 'month', when_spent: 'warn' } },
    }),
  );
  let stack: Stack;
  before(async () => {
    stack = await startStack({ policyPath: policy });
  });
  after(() => stack.stop());

  function cost(command: string, ...options: string[]) {
    const all = [join(ROOT, 'filter/cli/cost.ts'), command, join(stack.directory, 'audit'), '--json', ...options];
    const { stdout, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8' });
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout);
  }

  it('is the same to the nano-dollar when priced again, in the report and in a budget', async () => {
    const messages = [{ role: 'user', content: 'think of a number, and of another one' }];
    const aliases = Object.keys(CHAT_TARGETS);
    for (const model of aliases) {
      for (const stream of [false, true]) {
        const { status, text, headers } = await post(stack, '/v1/chat/completions', { model, messages, stream });
        expect(status, text).to.equal(200);
        await stack.auditOf(headers.get('x-gateway-request-id'));
      }
    }
    const records = stack.audit();
    const sum = records.reduce((total, { cost_nano_usd }) => total + BigInt(cost_nano_usd ?? 0), 0n);
    const priced = records.filter(({ cost_nano_usd }) => cost_nano_usd !== null);
    expect(priced.length).to.be.at.least(16);
    const { total, contradicted, not_re_priceable } = cost('reprice', '--policy', policy, '--by', 'target');
    expect([total.usd_before, total.usd_now, contradicted]).to.deep.equal([exact(sum), exact(sum), 0]);
    expect(total.requests).to.equal(2 * aliases.length);
    // What has no price is not said to cost nothing.
    const unpriced = records.length - priced.length;
    expect(not_re_priceable).to.deep.equal(unpriced === 0 ? {} : { 'the target had no price': unpriced });
    const report = cost('report', '--by', 'provider,target');
    expect(report.total).to.deep.include({ usd: exact(sum), unpriced_requests: unpriced });
    const [standing] = cost('budgets', '--policy', policy);
    expect(standing).to.deep.include({ budget: 'all', of: 'alpha', spent_usd: exact(sum), unpriced_requests: unpriced });
  });
});

function exact(nanoUsd: bigint): string {
  const digits = String(nanoUsd).padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}
