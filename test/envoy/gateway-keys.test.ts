/** Gateway keys, several per target, through Envoy: spread, refused, throttled, and what the next one is asked for. */
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { waitFor } from '../stack/processes.ts';
import type { RawAnswer } from './callers.ts';
import { carried, keyPools, ONE, TWO } from './key-pools.ts';

const print = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 8);

describe('gateway keys, through Envoy', () => {
  const { write, two, start, ask, metrics, alarms } = keyPools();

  it('load is spread evenly over the keys of a pool', async () => {
    const stack = await start({ credentials: two(), accepts: [ONE, TWO] });
    for (let round = 0; round < 20; round++) expect((await ask()).status).to.equal(200);
    expect([carried(stack.openai, ONE), carried(stack.openai, TWO)]).to.deep.equal([10, 10]);
  });

  for (const stream of [false, true]) {
    it(`a key that is refused is followed by the next, in the same request (${stream ? 'stream' : 'plain'})`, async () => {
      const stack = await start({ credentials: two(), accepts: [TWO], options: { order: 'as_written' } });
      const moved: RawAnswer[] = [];
      for (let round = 0; round < 20; round++) {
        const answer = await ask('pool', { stream });
        expect(answer.status, answer.text).to.equal(200);
        expect(answer.headers.get('x-gateway-target')).to.equal('gpt-luna');
        if (answer.headers.get('x-gateway-attempt') !== '1') moved.push(answer);
      }
      expect(moved).to.have.length(1);
      const [answer] = moved;
      expect(answer?.headers.get('x-gateway-failed-attempts')).to.equal('gpt-luna;reason=credential_refused;status=401');
      // Once: from then on it is left alone, and nobody blames the target for it.
      expect(carried(stack.openai, ONE)).to.equal(1);
      const { attempts } = await stack.auditOf(answer?.headers.get('x-gateway-request-id') ?? null);
      expect(attempts.map((a) => [a.target, a.outcome, a.credential, a.credential_fingerprint])).to.deep.equal([
        ['gpt-luna', 'credential_refused', 'one', print(ONE)],
        ['gpt-luna', 'ok', 'two', print(TWO)],
      ]);
      expect(alarms()).to.have.length(1);
      expect(JSON.parse(alarms()[0] ?? '')).to.include({
        level: 50,
        credential: 'one',
        fingerprint: print(ONE),
        status: 401,
      });
      const scraped = await metrics();
      expect(scraped).to.include('gateway_credential_state{credential="one",state="refused"} 1');
      expect(scraped).to.include('gateway_credential_state{credential="two",state="active"} 1');
      expect(scraped).to.include('gateway_credential_refusals_total{credential="one"} 1');
      expect(scraped).to.not.match(/gateway_target_health\{target="gpt-luna",state="(?!well)/);
      // A new key under the name needs no test.
      write('one', 'quokka-key-one-new');
      stack.openai.accepts.add('quokka-key-one-new');
      await waitFor('the new key', stack.filter, async () => {
        await ask();
        return carried(stack.openai, 'quokka-key-one-new') > 0;
      });
      expect(await metrics()).to.include('gateway_credential_state{credential="one",state="active"} 1');
    });
  }

  it('a key that is refused is tested on its schedule, at no cost to callers, and comes back by itself', async () => {
    const credentials = { ...two(), one: { file: write('one', ONE), retest_after: '1s' } };
    const stack = await start({ credentials, accepts: [TWO], options: { order: 'as_written' } });
    const answers: RawAnswer[] = [];
    const tests: number[] = [];
    const untilTested = (times: number): Promise<void> =>
      waitFor(`test ${times}`, stack.filter, async () => {
        answers.push(await ask());
        if (carried(stack.openai, ONE) > tests.length) tests.push(performance.now());
        return tests.length >= times;
      });
    await untilTested(3);
    const [refused = 0, first = 0, second = 0] = tests;
    expect(first - refused).to.be.within(900, 15_000);
    expect(second - first).to.be.within(1_900, 15_000);
    // Who made a test was given the next key's answer.
    expect(answers.filter(({ headers }) => headers.get('x-gateway-attempt') === '2')).to.have.length(3);
    stack.openai.accepts.add(ONE);
    await untilTested(4);
    expect(answers.filter(({ status }) => status !== 200)).to.deep.equal([]);
    expect(answers.at(-1)?.headers.get('x-gateway-attempt')).to.equal('1');
    const before = carried(stack.openai, ONE);
    for (let round = 0; round < 10; round++) expect((await ask()).status).to.equal(200);
    expect(carried(stack.openai, ONE)).to.equal(before + 5);
    const scraped = await metrics();
    expect(scraped).to.include('gateway_credential_state{credential="one",state="active"} 1');
    expect(scraped).to.include('gateway_credential_refusals_total{credential="one"} 3');
    expect(alarms()).to.have.length(1);
  }).timeout(30_000);

  it('a key that is refused and taken in turn makes one alarm, and a metric that counts them all', async () => {
    const stack = await start({ credentials: { one: { file: write('one', ONE) } }, accepts: [] });
    for (let turn = 0; turn < 20; turn++) {
      stack.openai.accepts.delete(ONE);
      expect((await ask()).status).to.equal(503);
      stack.openai.accepts.add(ONE);
      expect((await ask()).status).to.equal(200);
    }
    expect(alarms()).to.have.length(1);
    expect(await metrics()).to.include('gateway_credential_refusals_total{credential="one"} 20');
  });

  it('a key that is throttled gives its load to the others until its time', async () => {
    const stack = await start({ credentials: two(), accepts: [ONE, TWO], options: { order: 'as_written' } });
    stack.openai.scriptKey(ONE, { kind: 'status', status: 429, headers: { 'retry-after': '60' } });
    for (let round = 0; round < 20; round++) expect((await ask()).status).to.equal(200);
    expect(carried(stack.openai, ONE)).to.equal(1);
    const scraped = await metrics();
    expect(scraped).to.include('gateway_credential_state{credential="one",state="cooling"} 1');
    expect(scraped).to.not.match(/gateway_target_health\{target="gpt-luna",state="(?!well)/);
    expect(alarms()).to.deep.equal([]);
  });

  it('with no usable key the target is skipped; alone, the key whose time is nearest is tried', async () => {
    const stack = await start({ credentials: two() });
    const first = await ask('pool-first');
    expect(first.status).to.equal(200);
    expect(first.headers.get('x-gateway-target')).to.equal('claude-haiku');
    expect(first.headers.get('x-gateway-failed-attempts')).to.equal(
      'gpt-luna;reason=credential_refused;status=401, gpt-luna;reason=credential_refused;status=401',
    );
    const skipped = await ask('pool-first');
    expect(skipped.headers.get('x-gateway-skipped-targets')).to.equal('gpt-luna;reason=credential_unavailable');
    expect(skipped.headers.get('x-gateway-attempt')).to.equal('1');
    const asked = stack.openai.requests.length;
    const alone = await ask();
    expect(alone.status).to.equal(503);
    expect(JSON.parse(alone.text).error.code).to.equal('chain_exhausted');
    expect(stack.openai.requests.length).to.equal(asked + 1);
    expect(alarms()).to.have.length(2);
    stack.openai.accepts.add(ONE);
    stack.openai.accepts.add(TWO);
    expect((await ask()).status).to.equal(200);
    // What was found good serves everybody again.
    expect((await ask('pool-first')).headers.get('x-gateway-target')).to.equal('gpt-luna');
  });

  it('the next key is tried whatever the policy says of other targets, and no other target then', async () => {
    const stack = await start({ credentials: two(), accepts: [TWO] });
    for (let round = 0; round < 2; round++) expect((await ask('pool-alone')).status).to.equal(200);
    expect(carried(stack.openai, ONE)).to.equal(1);
    stack.openai.accepts.delete(TWO);
    const refused = await ask('pool-alone');
    expect(refused.status).to.equal(503);
    expect(stack.anthropic.requests).to.have.length(0);
  });

  it('attempts that were allowed for other keys and are not needed send nothing, and the caller gets the chain’s last word', async () => {
    const stack = await start({ credentials: two(), accepts: [ONE, TWO] });
    stack.openai.script({ kind: 'status', status: 500, headers: { 'retry-after': '17' } });
    const failed = await ask();
    expect(failed.status).to.equal(503);
    expect(JSON.parse(failed.text).error.code).to.equal('chain_exhausted');
    expect(failed.headers.get('retry-after')).to.equal('17');
    expect(stack.openai.requests).to.have.length(1);
    stack.openai.script({ kind: 'reset' });
    const broken = await ask();
    expect(broken.status).to.equal(503);
    expect(broken.headers.get('x-gateway-failed-attempts')).to.equal('gpt-luna;reason=connection_failed');
    expect(stack.openai.requests).to.have.length(2);
  });

  it('what one worker hears of a key the others know, and the operator is told once', async () => {
    const stack = await start({ credentials: two(), accepts: [TWO], options: { workers: 2 } });
    const answers: RawAnswer[] = [];
    await waitFor('the refusal', stack.filter, async () => {
      answers.push(await ask());
      return carried(stack.openai, ONE) > 0;
    });
    await waitFor('both workers to know', stack.filter, async () =>
      (await metrics()).includes('gateway_credential_state{credential="one",state="refused"} 1'),
    );
    for (let round = 0; round < 20; round++) answers.push(await ask());
    expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => 200));
    expect(carried(stack.openai, ONE)).to.equal(1);
    expect(alarms()).to.have.length(1);
  });
});
