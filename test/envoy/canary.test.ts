/** Canary slices through Envoy: sticky, watched, stopped by themselves, in every worker. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { CALLER_KEYS, type Stack, startStack } from '../stack/stack.ts';
import { post, type RawAnswer } from './callers.ts';

describe('a canary slice, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    const policyPath = changedPolicy((policy) => {
      policy.aliases['product'] = {
        ...{ chain: ['gpt-luna'], order: 'as_written' },
        canary: { target: 'claude-haiku', percent: 50, sticky_by: 'user', stop_when: { min_requests: 10 } },
      };
      const [key] = policy.tenants['alpha']?.caller_keys ?? [];
      Object.assign(key ?? {}, { explain: 'allowed', aliases: 'all' });
    });
    stack = await startStack({ policyPath, workers: 2 });
  });
  after(() => stack.stop());

  const ask = (user: string, stream = false): Promise<RawAnswer> =>
    post(
      stack,
      '/v1/chat/completions',
      { model: 'product', stream, messages: [{ role: 'user', content: 'hello' }] },
      { authorization: `Bearer ${CALLER_KEYS.alpha}`, 'x-gateway-on-behalf-of': user, 'x-gateway-explain': '1' },
    );
  const users = Array.from({ length: 24 }, (_, index) => `user-${index}`);
  const canaryLines = async (): Promise<string[]> =>
    (await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text())
      .split('\n')
      .filter((line) => line.startsWith('gateway_canary_state{'));

  it('is the same for a user whatever worker decides; the rest do not notice', async () => {
    const first = new Map<string, string | null>();
    for (let round = 0; round < 4; round++) {
      for (const user of users) {
        const answer = await ask(user, round % 2 === 0);
        expect(answer.status, answer.text).to.equal(200);
        const target = answer.headers.get('x-gateway-target');
        expect(target).to.equal(first.get(user) ?? target);
        first.set(user, target);
        expect(answer.headers.get('x-gateway-degraded')).to.equal('false');
      }
    }
    const targets = [...first.values()];
    expect(new Set(targets)).to.deep.equal(new Set(['claude-haiku', 'gpt-luna']));
    const inside = users.find((user) => first.get(user) === 'claude-haiku') ?? '';
    const answer = await ask(inside);
    expect(answer.headers.get('x-gateway-explanation')).to.match(
      /^claude-haiku;place=1;rule=canary, gpt-luna;place=2;rule=eligible/,
    );
    const record = await stack.auditOf(answer.headers.get('x-gateway-request-id'));
    expect(record.canary_slice).to.equal('canary');
  });

  it('whoever is in it is served when it fails; it is stopped in all workers, with an event that says why, for good', async () => {
    stack.anthropic.script({ kind: 'status', status: 500 }, Number.MAX_SAFE_INTEGER);
    let asked = 0;
    await waitFor('the stop', stack.filter, async () => {
      for (const user of users) {
        asked += 1;
        expect((await ask(user)).status).to.equal(200);
      }
      return (await canaryLines()).some((line) => line.includes('state="stopped"'));
    });
    stack.anthropic.reset();
    for (const user of [...users, ...users])
      expect((await ask(user)).headers.get('x-gateway-target')).to.not.equal('claude-haiku');
    const told = readFileSync(stack.filter.logPath, 'utf8')
      .split('\n')
      .filter((line) => line.includes('a canary has left its bounds'));
    expect(told.length).to.be.within(1, 2);
    expect(told[0])
      .to.contain('"bound":"error_rate"')
      .and.match(/of the latest \d+ first attempts failed/);
    const folder = join(stack.directory, 'filter-state/canary-stops');
    const [file = '', ...others] = readdirSync(folder);
    expect(others).to.deep.equal([]);
    expect(JSON.parse(readFileSync(join(folder, file), 'utf8'))).to.include({
      alias: 'product',
      target: 'claude-haiku',
      bound: 'error_rate',
    });
    expect(asked).to.be.lessThan(1000);
  });
});
