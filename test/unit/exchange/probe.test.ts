import { expect } from 'chai';
import { startChain } from '../../../filter/exchange/chain.ts';
import { settle } from '../../../filter/exchange/settle.ts';
import { TargetHealth } from '../../../filter/fallback/health.ts';
import { Fault } from '../../../filter/fault.ts';
import { gatewayOf, policyOf, requestOf, targetOf } from './exchange-fixture.ts';

describe('a probe that is not made after all', () => {
  it('leaves its place to the next request', () => {
    const policy = policyOf({ targets: { x: { limits: { concurrency: 1 } } }, wait: { interactive: '0s' } });
    let now = 1_000;
    const gateway = gatewayOf(policy, {
      health: new TargetHealth({ now: () => now, inForce: (id) => policy.targets.get(id) }),
    });
    const x = targetOf(policy, 'x');
    const busy = requestOf(gateway);
    startChain(busy, busy.plan);
    for (let time = 0; time < 5; time++) gateway.health.note({ target: x, outcome: 'overloaded' }, busy.id, undefined);
    now += 1_000;
    const refused = requestOf(gateway);
    expect(() => startChain(refused, refused.plan)).to.throw(Fault);
    settle(refused, 'answered');
    expect(gateway.health.mayLead(x, 'next')).to.equal(true);
  });
});
