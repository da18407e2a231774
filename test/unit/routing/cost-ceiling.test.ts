/** Targets that a request is too dear or too long for. */
import { expect } from 'chai';
import { choose } from '../../../filter/exchange/choose.ts';
import type { Exchange } from '../../../filter/exchange/exchange.ts';
import { estimateOf, spentOf } from '../../../filter/exchange/token-use.ts';
import { Fault } from '../../../filter/fault.ts';
import type { JsonObject } from '../../../filter/json.ts';
import { askedServingOf } from '../../../filter/transform/asked-serving.ts';
import { priceFile } from '../../stack/prices.ts';
import { policyOf } from '../exchange/exchange-fixture.ts';
import { chosen, excludedOf, fault, missing, request, world } from './route-fixture.ts';

describe('what a request is too dear or too long for', () => {
  const prices = { file: priceFile({ cheap: { input: '1', output: '1' }, dear: { input: '100', output: '100' } }) };
  const policy = policyOf({
    prices,
    targets: { dear: { price_id: 'dear' }, free: {}, cheap: { price_id: 'cheap', context_window: 50 } },
    aliases: { a: { chain: ['dear', 'free', 'cheap'], expected_output_tokens: 90 } },
  });
  const ceiling = { 'x-gateway-cost-ceiling': '0.001' };

  it('a ceiling leaves out what would cost more, and what nobody knows the price of', () => {
    const exchange = request(world(policy), ceiling);
    expect(chosen(exchange)).to.equal('cheap');
    expect(excludedOf(exchange)).to.deep.equal(['dear cost_ceiling', 'free unpriced']);
    expect(chosen(request(world(policy)))).to.equal('dear free cheap');
  });

  it('the caller’s own cap bounds the answer, and so the cost', () => {
    const exchange = request(world(policy), { 'x-gateway-cost-ceiling': '0.003' });
    Object.assign(exchange.original?.json ?? {}, { max_tokens: 1 });
    // 100 dollars a million: a score of tokens in and one out are less than three thousandths of a dollar.
    expect(chosen(exchange)).to.equal('dear cheap');
    expect(excludedOf(exchange)).to.deep.equal(['free unpriced']);
  });

  it('several answers cost several times as much, and a cap beyond every model’s is no larger than theirs', () => {
    const estimated = (json: string): unknown => {
      const exchange = request(world(policy));
      Object.assign(exchange.original?.json ?? {}, JSON.parse(json));
      return estimateOf(exchange).outputTokens;
    };
    const most = Math.max(...request(world(policy)).plan.chain.map(({ maxOutputTokens }) => maxOutputTokens));
    expect(estimated('{"n":3}')).to.equal(270);
    expect(estimated('{"n":3,"max_tokens":5}')).to.equal(15);
    expect(estimated('{"max_tokens":1e999}')).to.equal(most);
    expect(estimated('{"max_tokens":1e999,"n":2}')).to.equal(2 * most);
    const exchange = request(world(policy), { 'x-gateway-cost-ceiling': '0.003' });
    Object.assign(exchange.original?.json ?? {}, { max_tokens: 1, n: 100 });
    expect(chosen(exchange)).to.equal('cheap');
  });

  it('a picture in a prompt that nobody answered costs as a picture, not as the bytes that it is written in', () => {
    const prompt = (url: string): Exchange => {
      const exchange = request(world(policy));
      const [target] = exchange.plan.chain ?? [];
      const json = { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] };
      Object.assign(exchange.original?.json ?? {}, json);
      exchange.requestBytes = JSON.stringify(json).length;
      exchange.attempts.push({
        ...{ number: 1, target: target ?? missing(), startedAt: 0, endedAt: 1, outcome: 'abandoned', status: undefined },
      });
      return exchange;
    };
    const [small, large] = [100, 900_000].map((bytes) => {
      const exchange = prompt(`data:image/png;base64,${'A'.repeat(bytes)}`);
      const waiting = spentOf(exchange, 'caller_left')?.usage.inputUncached;
      exchange.original = undefined;
      expect(spentOf(exchange, 'caller_left')?.usage.inputUncached).to.equal(waiting);
      return waiting;
    });
    expect(large).to.equal(small).and.to.be.within(1_000, 3_000);
  });

  it('a dearer or cheaper tier is reckoned with when it is asked for', () => {
    const gpt = policyOf({
      targets: { gpt: { price_id: 'gpt-5' } },
      aliases: { a: { chain: ['gpt'], expected_output_tokens: 90 } },
    });
    const affordable = (asked: JsonObject, usd: string): boolean => {
      const exchange = request(world(gpt), { 'x-gateway-cost-ceiling': usd });
      exchange.asked = askedServingOf(asked);
      return choose(exchange, exchange.plan).length > 0;
    };
    // 90 tokens are 0.0009 USD at 10 dollars a million; twice that with priority, half of it with flex.
    expect(affordable({}, '0.001')).to.equal(true);
    for (const asked of [{ service_tier: 'priority' }, { serviceTier: 'priority' }, { speed: 'fast' }])
      expect(() => affordable(asked, '0.001'), JSON.stringify(asked)).to.throw(Fault, 'cost ceiling');
    expect(() => affordable({}, '0.0005')).to.throw(Fault, 'cost ceiling');
    expect(affordable({ service_tier: 'flex' }, '0.0005')).to.equal(true);
  });

  it('nothing below the ceiling is a refusal that says so', () => {
    const exchange = request(world(policy), { 'x-gateway-cost-ceiling': '0.0000001' });
    expect(fault(() => choose(exchange, exchange.plan))).to.equal(
      '403 no_eligible_target: No target of "a" may answer this request; left out by: cost ceiling, unpriced.',
    );
  });

  it('a prompt that is surely too long for a target is not sent to it', () => {
    const exchange = request(world(policy));
    const content = 'word '.repeat(200);
    Object.assign(exchange.original?.json ?? {}, { messages: [{ role: 'user', content }] });
    exchange.requestBytes = 1_000;
    expect(chosen(exchange)).to.equal('dear free');
    expect(excludedOf(exchange)).to.deep.equal(['cheap context_window']);
  });

  it('cheapest first within a step, unpriced last', () => {
    const ordered = policyOf({
      prices,
      targets: { free: {}, dear: { price_id: 'dear' }, cheap: { price_id: 'cheap' } },
      aliases: { a: { chain: [['free', 'dear', 'cheap']], order: 'price' } },
    });
    expect(chosen(request(world(ordered)))).to.equal('cheap dear free');
  });
});
