/** When an older answer is better than a refusal. */
import { expect } from 'chai';
import { staleAnswer } from '../../../filter/exchange/stale.ts';
import type { StaleAnswer, StaleQuery } from '../../../filter/fallback/stale-answers.ts';
import { Fault } from '../../../filter/fault.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import { request, world } from '../routing/route-fixture.ts';
import { policyOf } from './exchange-fixture.ts';

describe('an older answer, before a refusal', () => {
  const document = (stale: 'allowed' | 'refused', route = {}) =>
    policyOf({ targets: { x: {} }, aliases: { a: { chain: ['x'], stale_answers: stale, route } } });
  const kept = { headers: [['content-type', 'application/json']], body: '{}', model: 'm-old', ageSeconds: 90 } as const;
  const given = (policy: Policy, thrown: unknown, found: StaleAnswer | undefined = kept) => {
    const here = world(policy);
    const queries: StaleQuery[] = [];
    Object.assign(here.gateway, {
      staleAnswers: {
        find(query: StaleQuery) {
          queries.push(query);
          return found;
        },
      },
    });
    const exchange = request(here);
    return { exchange, queries, answer: staleAnswer(exchange, thrown) };
  };
  const exhausted = new Fault('chain_exhausted', 'x');

  it('is given where the alias allows it, and told as degraded and stale, with its age', () => {
    const { answer, exchange, queries } = given(document('allowed'), exhausted);
    expect(answer?.status).to.equal(200);
    const headers = new Map(answer?.headers);
    expect(headers.get('age')).to.equal('90');
    expect(headers.get('x-gateway-cache')).to.equal('stale');
    expect(headers.get('x-gateway-degraded')).to.equal('true');
    expect(exchange.fault).to.equal(undefined);
    expect(queries[0]).to.include({ tenant: 't', kind: 'plain' });
  });

  it('is not given without leave, to who wants no lesser answer, nor for what is the caller’s own', () => {
    expect(given(document('refused'), exhausted).answer).to.equal(undefined);
    expect(given(document('allowed', { degradation: 'refused' }), exhausted).answer).to.equal(undefined);
    expect(given(document('allowed'), new Fault('body_invalid', 'x')).answer).to.equal(undefined);
    expect(given(document('allowed'), new Error('bug')).answer).to.equal(undefined);
    expect(given(document('allowed'), exhausted, undefined).queries).to.have.length(1);
  });
});
