/** The rest of a chain, after an attempt of it has failed. */
import { expect } from 'chai';
import { replan, startChain } from '../../../filter/exchange/chain.ts';
import type { Exchange } from '../../../filter/exchange/exchange.ts';
import type { AttemptFailure } from '../../../filter/fallback/attempt.ts';
import type { ClusterName } from '../../../filter/policy/compiled/names.ts';
import { policyOf } from '../exchange/exchange-fixture.ts';
import { missing, request, type World, world } from './route-fixture.ts';

describe('the chain after a failed attempt', () => {
  const begun = (here: World, headers: Record<string, string> = {}): Exchange => {
    const exchange = request(here, headers);
    startChain(exchange, exchange.plan);
    return exchange;
  };
  const failed = (exchange: Exchange, outcome: AttemptFailure): readonly string[] | undefined => {
    const attempt = exchange.attempts.at(-1) ?? missing();
    attempt.outcome = outcome;
    return replan(exchange, attempt.number);
  };

  it('retries the same target only where it may answer otherwise', () => {
    const policy = policyOf({ targets: { x: {}, y: {} }, aliases: { a: { chain: ['x', 'x', 'y'] } } });
    expect(failed(begun(world(policy)), 'server_error')).to.equal(undefined);
    for (const outcome of ['rate_limited', 'credential_refused', 'billing', 'model_not_found'] as const)
      expect(failed(begun(world(policy)), outcome), outcome).to.deep.equal(['c-x', 'c-y', 'no_chain']);
  });

  it('goes round what has become sick or has no host meanwhile, and ends where nothing is left', () => {
    const here = world(policyOf({ targets: { x: {}, y: {}, z: {} } }));
    const exchange = begun(here);
    for (let time = 0; time < 5; time++)
      here.gateway.health.note({ target: exchange.chain[1] ?? missing(), outcome: 'overloaded' }, 'r', undefined);
    expect(failed(exchange, 'overloaded')).to.deep.equal(['c-x', 'c-z', 'c-y']);
    here.gateway.clusters.update(new Map([['c-z' as ClusterName, 'circuit_open']]));
    expect(failed(exchange, 'overloaded')).to.deep.equal(['c-x', 'c-y', 'no_chain']);
    here.gateway.clusters.update(new Map([['c-y' as ClusterName, 'circuit_open']]));
    expect(failed(exchange, 'overloaded')).to.deep.equal(['c-x', 'no_chain']);
  });

  it('an alias in fixed order stays as it is', () => {
    const policy = policyOf({ targets: { x: {}, y: {} }, aliases: { a: { chain: ['x', 'x', 'y'], order: 'fixed' } } });
    expect(failed(begun(world(policy)), 'rate_limited')).to.equal(undefined);
  });
});
