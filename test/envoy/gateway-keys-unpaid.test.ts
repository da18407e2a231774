/** Gateway keys of accounts that nobody has paid, through Envoy. */
import { expect } from 'chai';
import type { RawAnswer } from './callers.ts';
import { carried, keyPools, ONE, TWO } from './key-pools.ts';

describe('gateway keys, through Envoy: unpaid accounts', () => {
  const { two, start, ask, metrics, alarms } = keyPools();

  for (const { status, code, condition } of [
    { status: 429, code: 'insufficient_quota', condition: 'throttled' },
    { status: 429, code: 'organization_spend_limit_exceeded', condition: 'credential' },
    { status: 403, code: 'credit_balance_exhausted', condition: 'credential' },
  ] as const) {
    it(`an unpaid account that only the body tells of (${status} ${code}, falling back on ${condition}) sets its key aside`, async () => {
      const stack = await start({
        credentials: two(),
        accepts: [ONE, TWO],
        options: { order: 'as_written' },
        change(policy) {
          Object.assign(policy.aliases, {
            'pool-first': { chain: ['gpt-luna', 'claude-haiku'], fall_back_on: [condition] },
          });
        },
      });
      const body = JSON.stringify({ error: { message: 'You exceeded your quota', type: code, param: null, code } });
      const unpaid = { kind: 'raw', status, headers: { 'content-type': 'application/json' }, body } as const;
      stack.openai.scriptKey(ONE, unpaid);
      const answers: RawAnswer[] = [];
      for (let round = 0; round < 10; round++) answers.push(await ask('pool-first'));
      expect(answers.map((answer) => answer.status)).to.deep.equal(answers.map(() => 200));
      expect(carried(stack.openai, ONE)).to.equal(1);
      const moved = answers.find(({ headers }) => headers.get('x-gateway-attempt') === '2');
      expect(moved?.headers.get('x-gateway-target')).to.equal('gpt-luna');
      expect(moved?.headers.get('x-gateway-failed-attempts')).to.equal(`gpt-luna;reason=billing;status=${status}`);
      expect(alarms()).to.have.length(1);
      expect(alarms()[0]).to.include('wants money').and.to.include('"retestInMs":600000');
      expect(await metrics()).to.include('gateway_credential_state{credential="one",state="refused"} 1');
      // The last key, too: the other target serves where the policy lets an unpaid account move on.
      stack.openai.scriptKey(TWO, unpaid);
      const last = await ask('pool-first');
      expect(last.status).to.equal(condition === 'credential' ? 200 : 503);
      expect(last.headers.get('x-gateway-failed-attempts')).to.equal(`gpt-luna;reason=billing;status=${status}`);
      expect(alarms()).to.have.length(2);
    });
  }

  it('a limit that is passed is no unpaid account, and neither is a request that its provider refuses', async () => {
    const stack = await start({ credentials: two(), accepts: [ONE, TWO], options: { order: 'as_written' } });
    const said = (error: object): string => JSON.stringify({ error });
    const headers = { 'content-type': 'application/json' };
    const limit = said({ message: 'Rate limit reached', type: 'requests', code: 'rate_limit_exceeded' });
    stack.openai.scriptKey(ONE, { kind: 'raw', status: 429, headers, body: limit });
    expect((await ask()).headers.get('x-gateway-failed-attempts')).to.equal('gpt-luna;reason=rate_limited;status=429');
    stack.openai.scriptKey(TWO, { kind: 'raw', status: 429, headers: { ...headers, 'retry-after': '7' }, body: limit });
    expect((await ask()).headers.get('retry-after')).to.be.oneOf(['6', '7']);
    expect(alarms()).to.deep.equal([]);
  });

  it('a 400 that says so of the account, as Anthropic’s spend limit does, sets its key aside when it ends the chain', async () => {
    const stack = await start({
      credentials: two(),
      change(policy) {
        Object.assign(policy.targets['gpt-luna'] ?? {}, { credential: 'openai' });
        Object.assign(policy.targets['claude-haiku'] ?? {}, { credential: ['anthropic', 'spare'] });
        policy.credentials = { ...policy.credentials, spare: { env: 'KEY_TWO', clusters: ['anthropic'] } };
        Object.assign(policy.aliases, { pool: { chain: ['claude-haiku'] } });
      },
    });
    const error = { type: 'invalid_request_error', message: 'You have reached your specified API usage limits.' };
    const body = JSON.stringify({ type: 'error', error });
    stack.anthropic.script({ kind: 'raw', status: 400, headers: { 'content-type': 'application/json' }, body });
    const refused = await ask();
    expect(refused.status).to.equal(503);
    expect(refused.text).to.not.include('usage limits');
    expect(alarms()).to.have.length(1);
    expect(alarms()[0]).to.include('wants money');
  });
});
