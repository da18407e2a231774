/** What a request's route has to keep to: of policy and headers together. */
import { expect } from 'chai';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import { CALLER_KEY, policyOf } from '../exchange/exchange-fixture.ts';
import { fault, request, world } from './route-fixture.ts';

describe('route key', () => {
  const ZONES = { zones: { eu: {}, de: {} }, audit: { zones: ['eu', 'de'] } };

  it('is of tenant, caller key and alias, all of which hold, and headers only narrow it', () => {
    const policy = policyOf({
      ...ZONES,
      targets: { x: { zones: ['eu', 'de'] } },
      aliases: { a: { chain: ['x'], route: { latency_budget: '20s', cost_ceiling: '0.5' } } },
      tenants: {
        t: {
          route: { privacy_zones: ['eu'], workload_class: 'background', latency_budget: '30s' },
          caller_keys: [{ name: 'k', sha256: CALLER_KEY, route: { degradation: 'refused' } }],
        },
      },
    });
    const plain = request(world(policy)).plan.key;
    expect(plain).to.deep.equal({
      workloadClass: 'background',
      latencyBudgetMs: 20_000,
      costCeilingNanoUsd: 5e8,
      zones: ['eu'],
      degradation: 'refused',
    });
    const wider = {
      'x-gateway-workload-class': 'interactive',
      'x-gateway-latency-budget': '10m',
      'x-gateway-cost-ceiling': '100',
      'x-gateway-degradation': 'allowed',
    };
    expect(request(world(policy), wider).plan.key).to.deep.equal(plain);
    const narrower = {
      'x-gateway-workload-class': 'batch',
      'x-gateway-latency-budget': '700ms',
      'x-gateway-cost-ceiling': '0.000001',
      'x-gateway-privacy-zone': 'de, eu',
    };
    expect(request(world(policy), narrower).plan.key).to.deep.equal({
      workloadClass: 'batch',
      latencyBudgetMs: 700,
      costCeilingNanoUsd: 1e3,
      zones: ['de', 'eu'],
      degradation: 'refused',
    });
  });

  it('refuses headers that it cannot read, and zones that it cannot keep', () => {
    const policy = policyOf({
      zones: { eu: {}, far: {} },
      audit: { zones: ['eu'] },
      targets: { x: { zones: ['eu', 'far'] } },
    });
    const told = (name: string, value: string): string => fault(() => request(world(policy), { [name]: value }));
    expect(told('x-gateway-workload-class', 'urgent')).to.match(/^400 route_demand_invalid: x-gateway-workload-class takes/);
    expect(told('x-gateway-latency-budget', '7 s')).to.match(/^400 route_demand_invalid: x-gateway-latency-budget takes/);
    expect(told('x-gateway-latency-budget', '0s')).to.match(/^400/);
    // Timers take no more than 24 days: they would be over at once.
    expect(told('x-gateway-latency-budget', '1441m')).to.match(/^400/);
    expect(told('x-gateway-cost-ceiling', '-1')).to.match(/^400 route_demand_invalid: x-gateway-cost-ceiling takes/);
    expect(told('x-gateway-degradation', 'no')).to.match(/^400/);
    expect(told('x-gateway-privacy-zone', 'mars')).to.equal(
      '403 zone_unavailable: The privacy zone "mars" is not known to this gateway.',
    );
    expect(told('x-gateway-privacy-zone', 'far')).to.match(/^403 zone_unavailable: .*audit log/);
  });

  it('a policy whose zones do not fit is refused with the place', () => {
    const targets = { x: { zones: ['eu'], region: 'us-east-1' }, y: {} };
    const wrong = (): Policy =>
      policyOf({
        zones: { eu: { regions: ['eu-west-1'], last_resort: ['y'] } },
        targets,
        aliases: { a: { chain: ['x'], route: { privacy_zones: ['eu', 'ue'] } } },
      });
    expect(wrong).to.throw("targets.x.zones.0: the target's region us-east-1 is not one of the zone's: eu-west-1");
    expect(wrong).to.throw('aliases.a.route.privacy_zones.0: the audit log does not lie in "eu"');
    expect(wrong).to.throw('aliases.a.route.privacy_zones.1: no zone "ue"; did you mean "eu"?');
    expect(wrong).to.throw('zones.eu.last_resort.0: the target y does not lie in this zone');
  });
});
