/** Which targets of a chain may answer a request, and in which order they are asked. */
import { expect } from 'chai';
import { startChain } from '../../../filter/exchange/chain.ts';
import { choose } from '../../../filter/exchange/choose.ts';
import type { AliasName, ClusterName, TargetId } from '../../../filter/policy/compiled/names.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import type { CredentialDocument } from '../../../filter/policy/document.ts';
import { type Plan, planFor } from '../../../filter/routing/plan.ts';
import { CALLER_KEY, type Parts, policyOf } from '../exchange/exchange-fixture.ts';
import { chosen, excludedOf, fault, missing, request, world } from './route-fixture.ts';

describe('eligible targets and their order', () => {
  it('a chain that is too long with the last resort of a zone is refused with the place, and one that is not is not', () => {
    const ids = Array.from({ length: 9 }, (_, index) => `x${index}`);
    const of = (inZone: number, more: Partial<Parts> = {}): (() => Policy) => {
      const targets = ids.map((id, index) => [id, index < inZone || index === 8 ? { zones: ['eu', 'de'] } : {}] as const);
      return () =>
        policyOf({
          ...{ zones: { eu: { last_resort: ['x8'] }, de: {} }, audit: { zones: ['eu', 'de'] } },
          ...{ targets: Object.fromEntries(targets), aliases: { a: { chain: ids.slice(0, 8) } } },
          ...more,
        });
    };
    expect(of(8)).to.throw(
      'aliases.a.chain: has 9 targets with the last resort of the zone eu; at most 8 can be asked: take 1 out, or do without the last resort',
    );
    // What lies outside the zone is not asked in it.
    of(7)();
    of(8, { zones: { eu: { last_resort: ['x7'] }, de: {} } })();
    of(8, { audit: { zones: [] } })();
    const two = { eu: { last_resort: ['x7'] }, de: { last_resort: ['x8'] } };
    const aliases = { a: { chain: ids.slice(0, 7) } };
    expect(of(8, { zones: two, aliases })).to.throw('with the last resort of the zone eu and de');
    const canary = { a: { chain: ids.slice(0, 7), canary: { target: 'x7', percent: 1 } } };
    expect(of(8, { aliases: canary })).to.throw('with the last resort of the zone eu and its canary');
  });

  it('what is demanded alike has one and the same chain, whatever its budget and ceiling', () => {
    const policy = policyOf({
      zones: { eu: {}, de: {} },
      audit: { zones: ['eu', 'de'] },
      targets: { x: { zones: ['eu', 'de'] }, y: { zones: ['eu'] }, z: {} },
      aliases: { a: { chain: ['x', 'y', 'z'] } },
    });
    const here = world(policy);
    const planOf = (headers: Record<string, string>): Plan => request(here, headers).plan;
    const eu = planOf({ 'x-gateway-privacy-zone': 'eu' });
    expect(eu.chain.map(({ id }) => id)).to.deep.equal(['x', 'y']);
    for (let ms = 1_000; ms < 1_100; ms++) {
      const plan = planOf({
        'x-gateway-privacy-zone': 'eu',
        'x-gateway-latency-budget': `${ms}ms`,
        'x-gateway-cost-ceiling': String(ms),
      });
      expect(plan.chain).to.equal(eu.chain);
      expect(plan.key).to.include({ latencyBudgetMs: ms, costCeilingNanoUsd: ms * 1e9 });
    }
    expect(planOf({ 'x-gateway-privacy-zone': 'eu, de' }).chain).to.equal(
      planOf({ 'x-gateway-privacy-zone': 'de,eu' }).chain,
    );
    expect(planOf({ 'x-gateway-privacy-zone': 'de' }).chain.map(({ id }) => id)).to.deep.equal(['x']);
    expect(planOf({}).chain).to.have.length(3);
    expect(planOf({ 'x-gateway-latency-budget': '1s' }).chain).to.equal(planOf({}).chain);
  });

  it('a target without a key for the tenant is left out; with no other it is a refusal that names it and says what to do', () => {
    const policy = (credential: Partial<CredentialDocument>): Policy =>
      policyOf({
        credentials: { all: { env: 'KEY_1' }, others: { env: 'KEY_2', ...credential } },
        targets: { x: { credential: 'others' }, y: { credential: 'all' } },
        aliases: { a: { chain: ['x', 'y'] }, b: { chain: ['x'] } },
        tenants: { t: { caller_keys: [{ name: 'k', sha256: CALLER_KEY }] }, u: {} },
      });
    const eligible = (of: Policy): string =>
      request(world(of))
        .plan.chain.map(({ id }) => id)
        .join(' ');
    expect(eligible(policy({ tenants: ['u'] }))).to.equal('y');
    expect(eligible(policy({ tenants: ['u', 't'] }))).to.equal('x y');
    // Whose it is does not matter then: it is away for all.
    expect(eligible(policy({ tenants: ['u'], state: 'disabled' }))).to.equal('x y');
    const alone = policy({ tenants: ['u'] });
    const caller = alone.callerKeys.get(CALLER_KEY)?.caller ?? missing();
    const alias = alone.aliases.get('b' as AliasName) ?? missing();
    const exchange = request(world(alone));
    const plan = planFor({ policy: alone, caller, alias, operation: 'other', demands: undefined, region: undefined });
    expect(fault(() => choose(exchange, plan))).to.equal(
      '403 no_eligible_target: No gateway key of "b" may serve this tenant (targets: x). Ask the platform team to open one to it (credentials.<name>.tenants in the policy).',
    );
    expect(excludedOf(plan)).to.deep.equal(['x credential_scope']);
  });

  it('a zone leaves only its own, then its last resort; without any it is a refusal that says so', () => {
    const policy = policyOf({
      zones: { eu: { last_resort: ['local'] }, moon: {} },
      audit: { zones: ['eu', 'moon'] },
      targets: { us: {}, eu1: { zones: ['eu'] }, local: { zones: ['eu'] } },
      aliases: { a: { chain: ['us', 'eu1'] } },
    });
    expect(chosen(request(world(policy)))).to.equal('us eu1');
    const inside = request(world(policy), { 'x-gateway-privacy-zone': 'eu' });
    expect(chosen(inside)).to.equal('eu1 local');
    expect(excludedOf(inside)).to.deep.equal(['us privacy_zone']);
    const nowhere = request(world(policy), { 'x-gateway-privacy-zone': 'moon' });
    expect(fault(() => chosen(nowhere))).to.equal('403 zone_unavailable: No target of "a" lies in the privacy zone moon.');
  });

  it('classes and a floor leave targets out', () => {
    const policy = policyOf({
      targets: { big: {}, twin: { model: 'm-big' }, same: {}, small: {}, slow: { workload_classes: ['batch'] } },
      aliases: { a: { chain: ['big', 'twin', 'same', 'small', 'slow'], equivalents: ['same'] } },
    });
    expect(chosen(request(world(policy)))).to.equal('big twin same small');
    expect(chosen(request(world(policy), { 'x-gateway-workload-class': 'batch' }))).to.equal('big twin same small slow');
    const proud = request(world(policy), { 'x-gateway-degradation': 'refused' });
    expect(chosen(proud)).to.equal('big twin same');
    expect(excludedOf(proud)).to.deep.equal(['small degradation', 'slow workload_class']);
  });

  it('nearest first within a step, by where the gateway runs', () => {
    const spread: Parts = {
      nearness: { 'eu-west-1': ['eu-central-1', 'us-east-1'], 'us-east-1': ['eu-west-1'] },
      targets: {
        us: { region: 'us-east-1' },
        frankfurt: { region: 'eu-central-1' },
        dublin: { region: 'eu-west-1' },
        nowhere: {},
        last: { region: 'eu-west-1' },
      },
      aliases: { a: { chain: [['us', 'nowhere', 'frankfurt', 'dublin'], 'last'], order: 'nearest' } },
    };
    expect(chosen(request(world(policyOf(spread), 'eu-west-1')))).to.equal('dublin frankfurt us nowhere last');
    expect(chosen(request(world(policyOf(spread), 'us-east-1')))).to.equal('us dublin nowhere frankfurt last');
    expect(chosen(request(world(policyOf(spread))))).to.equal('us nowhere frankfurt dublin last');
    const ill = world(policyOf(spread), 'eu-west-1');
    for (let time = 0; time < 5; time++)
      ill.gateway.health.note({ target: request(ill).plan.chain[0] ?? missing(), outcome: 'overloaded' }, 'r', undefined);
    expect(chosen(request(ill))).to.equal('frankfurt us nowhere last dublin');
  });

  it('fastest first within a step, once measured', () => {
    const policy = policyOf({
      targets: { x: {}, y: {}, z: {} },
      aliases: { a: { chain: [['x', 'y', 'z']], order: 'latency' } },
    });
    const here = world(policy);
    for (let time = 0; time < 10; time++) {
      here.gateway.latency.note('x' as TargetId, 'plain', 900);
      here.gateway.latency.note('y' as TargetId, 'plain', 100);
    }
    expect(chosen(request(here))).to.equal('z y x');
    for (let time = 0; time < 10; time++) here.gateway.latency.note('z' as TargetId, 'plain', 500);
    expect(chosen(request(here))).to.equal('y z x');
  });

  it('the same inputs give the very same list, so that what is made of it can be kept', () => {
    const here = world(policyOf({ targets: { x: {}, y: {}, z: {} } }));
    const plan = request(here).plan;
    expect(choose(request(here), plan)).to.equal(plan.chain);
    here.gateway.clusters.update(new Map([['c-y' as ClusterName, 'circuit_open']]));
    expect(choose(request(here), plan)).to.equal(choose(request(here), plan));
    expect(chosen(request(here))).to.equal('x z');
  });

  it('a cluster with an open breaker or no host is not chosen; when none is left, Retry-After', () => {
    const here = world(policyOf({ targets: { x: {}, y: {} } }));
    here.gateway.clusters.told('c-x' as ClusterName, 'circuit_open');
    expect(chosen(request(here))).to.equal('y');
    here.gateway.clusters.update(
      new Map([
        ['c-y' as ClusterName, 'no_healthy_host'],
        ['c-x' as ClusterName, 'circuit_open'],
      ]),
    );
    expect(fault(() => chosen(request(here)))).to.match(/^503 chain_exhausted: .*Retry after 5 s/);
    here.gateway.clusters.update(new Map());
    expect(chosen(request(here))).to.equal('x y');
    here.gateway.clusters.told('c-x' as ClusterName, 'circuit_open');
    here.now += 1001;
    expect(chosen(request(here))).to.equal('x y');
  });

  it('a target that is surely too slow for the budget is left out, unless all are', () => {
    const here = world(policyOf({ targets: { slow: {}, fast: {} } }));
    for (let time = 0; time < 10; time++) {
      here.gateway.latency.note('slow' as TargetId, 'plain', 5000);
      here.gateway.latency.note('fast' as TargetId, 'plain', 300);
    }
    expect(chosen(request(here))).to.equal('slow fast');
    expect(chosen(request(here, { 'x-gateway-latency-budget': '2s' }))).to.equal('fast');
    expect(chosen(request(here, { 'x-gateway-latency-budget': '100ms' }))).to.equal('slow fast');
  });

  it('gives the first attempt what the later ones do not need', () => {
    const here = world(policyOf({ targets: { x: {}, y: {} } }));
    const first = (): number => {
      const exchange = request(here, { 'x-gateway-latency-budget': '10s' });
      startChain(exchange, exchange.plan);
      return exchange.attemptDeadlineMs;
    };
    expect(first()).to.be.within(4_900, 5_000);
    for (let time = 0; time < 10; time++) here.gateway.latency.note('y' as TargetId, 'plain', 1000);
    expect(first()).to.be.within(8_700, 8_800);
    for (let time = 0; time < 64; time++) here.gateway.latency.note('y' as TargetId, 'plain', 1);
    expect(first()).to.be.within(8_900, 9_000);
  });
});
