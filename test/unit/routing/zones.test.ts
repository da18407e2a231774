/** No target outside a request's privacy zones is ever asked. */
import { expect } from 'chai';
import fc from 'fast-check';
import { replan, startChain } from '../../../filter/exchange/chain.ts';
import type { Exchange } from '../../../filter/exchange/exchange.ts';
import type { AttemptFailure } from '../../../filter/fallback/attempt.ts';
import { Fault } from '../../../filter/fault.ts';
import type { ClusterName, TargetId } from '../../../filter/policy/compiled/names.ts';
import { CALLER_KEY, policyOf } from '../exchange/exchange-fixture.ts';
import { missing, request, world } from './route-fixture.ts';

describe('privacy zones, whatever the policy and the weather', () => {
  const zone = fc.constantFrom('eu', 'us', 'de');
  const zones = fc.uniqueArray(zone, { maxLength: 3 });
  const ids = ['p', 'q', 'r', 's'] as const;
  const step = fc.oneof(fc.constantFrom(...ids), fc.uniqueArray(fc.constantFrom(...ids), { minLength: 1, maxLength: 3 }));
  const situation = fc.record({
    targets: fc.tuple(zones, zones, zones, zones),
    lastResort: fc.dictionary(zone, fc.uniqueArray(fc.constantFrom(...ids), { maxLength: 2 })),
    chain: fc.array(step, { minLength: 1, maxLength: 3 }).filter((steps) => steps.flat().length <= 7),
    order: fc.constantFrom('as_written' as const, 'nearest' as const, 'latency' as const, 'fixed' as const),
    tenant: zones,
    key: zones,
    alias: zones,
    header: zones,
    sick: fc.array(fc.constantFrom(...ids), { maxLength: 12 }),
    open: fc.uniqueArray(fc.constantFrom(...ids), { maxLength: 2 }),
    canary: fc.option(fc.constantFrom(...ids), { nil: undefined }),
    budget: fc.option(fc.constantFrom('1s', '1m'), { nil: undefined }),
    failures: fc.array(fc.constantFrom<AttemptFailure>('overloaded', 'rate_limited', 'credential_refused', 'server_error'), {
      maxLength: 6,
    }),
  });

  it('no chain, not after any failure either, names a target outside the request’s zones', () => {
    let served = 0;
    let refused = 0;
    fc.assert(
      fc.property(situation, (made) => {
        const targets = Object.fromEntries(ids.map((id, index) => [id, { zones: made.targets[index] ?? [] }]));
        const lastResort = Object.fromEntries(
          ['eu', 'us', 'de'].map((name) => [
            name,
            { last_resort: (made.lastResort[name] ?? []).filter((id) => targets[id]?.zones.includes(name as 'eu')) },
          ]),
        );
        const canary = made.canary !== undefined && !made.chain.flat().includes(made.canary) ? made.canary : undefined;
        const policy = policyOf({
          zones: lastResort,
          audit: { zones: ['eu', 'us', 'de'] },
          targets,
          aliases: {
            a: {
              ...{ chain: made.chain, order: made.order, route: { privacy_zones: made.alias } },
              ...(canary === undefined ? {} : { canary: { target: canary, percent: 100 } }),
            },
          },
          tenants: {
            t: {
              route: { privacy_zones: made.tenant },
              caller_keys: [{ name: 'k', sha256: CALLER_KEY, route: { privacy_zones: made.key } }],
            },
          },
        });
        const here = world(policy);
        for (const id of made.sick)
          here.gateway.health.note(
            { target: policy.targets.get(id as TargetId) ?? missing(), outcome: 'overloaded' },
            'r',
            undefined,
          );
        here.gateway.clusters.update(new Map(made.open.map((id) => [`c-${id}` as ClusterName, 'circuit_open'])));
        const wanted = new Set([...made.tenant, ...made.key, ...made.alias, ...made.header]);
        const check = (exchange: Exchange): void => {
          for (const { id, zones: of } of exchange.chain)
            for (const name of wanted) if (!of.has(name as never)) throw new Error(`${id} is not in ${name}`);
        };
        const exchange = request(here, {
          ...(made.header.length === 0 ? {} : { 'x-gateway-privacy-zone': made.header.join(',') }),
          ...(made.budget === undefined ? {} : { 'x-gateway-latency-budget': made.budget }),
        });
        try {
          startChain(exchange, exchange.plan);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          refused += 1;
          return exchange.attempts.length === 0;
        }
        served += 1;
        check(exchange);
        for (const [index, outcome] of made.failures.entries()) {
          const attempt = exchange.attempts.at(-1) ?? missing();
          attempt.outcome = outcome;
          replan(exchange, index + 1);
          check(exchange);
          const target = exchange.chain[index + 1];
          if (target === undefined) break;
          exchange.attempts.push({ ...attempt, number: index + 2, target, outcome: 'pending' });
        }
        return true;
      }),
      { numRuns: 2000 },
    );
    expect(served).to.be.greaterThan(200);
    expect(refused).to.be.greaterThan(200);
  }).timeout(180_000);
});
