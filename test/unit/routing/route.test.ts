import { expect } from 'chai';
import fc from 'fast-check';
import { loadCredentials } from '../../../filter/credentials/credentials.ts';
import { replan, startChain } from '../../../filter/exchange/chain.ts';
import { choose } from '../../../filter/exchange/choose.ts';
import { type Exchange, type Gateway, openExchange } from '../../../filter/exchange/exchange.ts';
import { Ruleset } from '../../../filter/exchange/ruleset.ts';
import { staleAnswer } from '../../../filter/exchange/stale.ts';
import { estimateOf, spentOf } from '../../../filter/exchange/token-use.ts';
import type { AttemptFailure } from '../../../filter/fallback/attempt.ts';
import { ClusterView } from '../../../filter/fallback/clusters.ts';
import { TargetHealth } from '../../../filter/fallback/health.ts';
import { TargetLatency } from '../../../filter/fallback/latency.ts';
import { NO_STALE_ANSWERS, type StaleAnswer, type StaleQuery } from '../../../filter/fallback/stale-answers.ts';
import { Fault } from '../../../filter/fault.ts';
import { hashCallerKey } from '../../../filter/identity/key-format.ts';
import type { JsonObject } from '../../../filter/json.ts';
import { compile } from '../../../filter/policy/compile.ts';
import type { AliasName, ClusterName, RegionName, TargetId } from '../../../filter/policy/compiled/names.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import type { CredentialDocument, PolicyDocument } from '../../../filter/policy/document.ts';
import { ALONE } from '../../../filter/quota/limit-shares.ts';
import { createMemoryStore } from '../../../filter/quota/memory-store.ts';
import { ProviderLimits } from '../../../filter/quota/provider-limits.ts';
import { type CanaryStop, CanaryWatch } from '../../../filter/routing/canary.ts';
import { type Plan, planFor } from '../../../filter/routing/plan.ts';
import { demandsOf } from '../../../filter/routing/route-key.ts';
import { openAiChatCaller } from '../../../filter/transform/callers/openai-chat/caller.ts';
import { priceFile } from '../../stack/prices.ts';
import { makeIdentity } from '../identity/identity-fixture.ts';

const KEY = hashCallerKey('gk-one');

function compiled(document: PolicyDocument): Policy {
  const result = compile(document, { version: 'v', baseDirectory: '/' });
  if (!result.ok) throw new Error(result.problems.map(({ at, message }) => `${at.join('.')}: ${message}`).join('\n'));
  return result.policy;
}

type Parts = Partial<Omit<PolicyDocument, 'targets'>> & {
  targets: Record<string, Partial<PolicyDocument['targets'][string]>>;
};

function policyOf({ targets, ...parts }: Parts): Policy {
  const whole = Object.entries(targets).map(([id, target]) => [
    id,
    { cluster: `c-${id}`, schema: 'openai-chat', model: `m-${id}`, max_output_tokens: 100, ...target },
  ]);
  return compiled({
    version: 1,
    targets: Object.fromEntries(whole),
    aliases: { a: { chain: Object.keys(targets) } },
    tenants: { t: { caller_keys: [{ name: 'k', sha256: KEY }] } },
    ...parts,
  });
}

interface World {
  readonly policy: Policy;
  readonly gateway: Gateway;
  now: number;
  readonly stops: CanaryStop[];
}

function world(policy: Policy, region?: string): World {
  const made: World = {
    policy,
    now: 1000,
    stops: [],
    gateway: {
      identity: makeIdentity().identity,
      ruleset: () => new Ruleset(policy, loadCredentials(policy, { A: 'a', B: 'b' })),
      health: new TargetHealth({ now: () => made.now, inForce: (id) => policy.targets.get(id) }),
      latency: new TargetLatency(() => true),
      clusters: new ClusterView(() => made.now),
      canaries: new CanaryWatch({ onStop: (stop) => made.stops.push(stop), now: () => made.now }),
      staleAnswers: NO_STALE_ANSWERS,
      quotas: createMemoryStore({ now: () => made.now }),
      limits: new ProviderLimits({ now: () => made.now, processes: ALONE, maxWaiting: 10 }),
      address: undefined,
      region: region as RegionName | undefined,
      exchanges: new Map(),
      mayServe: () => true,
      bodies: undefined,
      record: () => undefined,
      onInternalError: () => undefined,
      maxRequestBytes: 1_000_000,
    },
  };
  return made;
}

/** A request for alias `a`, as far as its plan. */
function request({ policy, gateway }: World, headers: Readonly<Record<string, string>> = {}): Exchange {
  const exchange = openExchange(gateway);
  const caller = policy.callerKeys.get(KEY)?.caller;
  const alias = policy.aliases.get('a' as AliasName);
  if (caller === undefined || alias === undefined) throw new Error('the policy has no such caller or alias');
  const demands = demandsOf((name) => headers[name], policy);
  exchange.caller = caller;
  exchange.alias = alias;
  exchange.callerSchema = openAiChatCaller;
  exchange.head = { alias: 'a', stream: false };
  const json = { model: 'a', messages: [{ role: 'user', content: 'x' }] };
  const line = { path: '/v1/chat/completions', query: '' };
  exchange.original = { line, bytes: Buffer.from(JSON.stringify(json)), json, header: () => undefined };
  exchange.plan = planFor({ policy, caller, alias, operation: 'other', demands, region: gateway.region });
  const budget = exchange.plan.key.latencyBudgetMs;
  if (budget !== undefined) exchange.deadlineAt = exchange.startedAt + budget;
  return exchange;
}

const chosen = (exchange: Exchange): string =>
  choose(exchange, exchange.plan ?? fail())
    .map(({ id }) => id)
    .join(' ');

function fail(): never {
  throw new Error('no plan');
}

const fault = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault) return `${error.status} ${error.code}: ${error.message}`;
    throw error;
  }
  return 'none';
};

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
          caller_keys: [{ name: 'k', sha256: KEY, route: { degradation: 'refused' } }],
        },
      },
    });
    const plain = request(world(policy)).plan?.key;
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
    expect(request(world(policy), wider).plan?.key).to.deep.equal(plain);
    const narrower = {
      'x-gateway-workload-class': 'batch',
      'x-gateway-latency-budget': '700ms',
      'x-gateway-cost-ceiling': '0.000001',
      'x-gateway-privacy-zone': 'de, eu',
    };
    expect(request(world(policy), narrower).plan?.key).to.deep.equal({
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
    const planOf = (headers: Record<string, string>): Plan => request(here, headers).plan ?? fail();
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
        credentials: { all: { env: 'A' }, others: { env: 'B', ...credential } },
        targets: { x: { credential: 'others' }, y: { credential: 'all' } },
        aliases: { a: { chain: ['x', 'y'] }, b: { chain: ['x'] } },
        tenants: { t: { caller_keys: [{ name: 'k', sha256: KEY }] }, u: {} },
      });
    const eligible = (of: Policy): string => (request(world(of)).plan ?? fail()).chain.map(({ id }) => id).join(' ');
    expect(eligible(policy({ tenants: ['u'] }))).to.equal('y');
    expect(eligible(policy({ tenants: ['u', 't'] }))).to.equal('x y');
    // Whose it is does not matter then: it is away for all.
    expect(eligible(policy({ tenants: ['u'], state: 'disabled' }))).to.equal('x y');
    const alone = policy({ tenants: ['u'] });
    const caller = alone.callerKeys.get(KEY)?.caller ?? fail();
    const alias = alone.aliases.get('b' as AliasName) ?? fail();
    const exchange = request(world(alone));
    const plan = planFor({ policy: alone, caller, alias, operation: 'other', demands: undefined, region: undefined });
    expect(fault(() => choose(exchange, plan))).to.equal(
      '403 no_eligible_target: No gateway key of "b" may serve this tenant (targets: x). Ask the platform team to open one to it (credentials.<name>.tenants in the policy).',
    );
    expect(plan.excluded.map(({ target, rule }) => `${target.id} ${rule}`)).to.deep.equal(['x credential_scope']);
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
    expect(inside.excluded.map(({ target, rule }) => `${target.id} ${rule}`)).to.deep.equal(['us privacy_zone']);
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
    expect(proud.excluded.map(({ target, rule }) => `${target.id} ${rule}`)).to.deep.equal([
      'small degradation',
      'slow workload_class',
    ]);
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
      ill.gateway.health.note({ target: request(ill).plan?.chain[0] ?? fail(), outcome: 'overloaded' }, 'r', undefined);
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
    const plan = request(here).plan ?? fail();
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

  describe('what a request is too dear or too long for', () => {
    const prices = { file: priceFile({ cheap: { input: '1', output: '1' }, dear: { input: '100', output: '100' } }) };
    const policy = policyOf({
      prices,
      targets: { dear: { price_id: 'dear' }, free: {}, cheap: { price_id: 'cheap', context_window: 50 } },
      aliases: { a: { chain: ['dear', 'free', 'cheap'], expected_output_tokens: 90 } },
    });
    const ceiling = { 'x-gateway-cost-ceiling': '0.001' };
    const rules = ({ excluded }: Exchange): string[] => excluded.map(({ target, rule }) => `${target.id}: ${rule}`);

    it('a ceiling leaves out what would cost more, and what nobody knows the price of', () => {
      const exchange = request(world(policy), ceiling);
      expect(chosen(exchange)).to.equal('cheap');
      expect(rules(exchange)).to.deep.equal(['dear: cost_ceiling', 'free: unpriced']);
      expect(chosen(request(world(policy)))).to.equal('dear free cheap');
    });

    it('the caller’s own cap bounds the answer, and so the cost', () => {
      const exchange = request(world(policy), { 'x-gateway-cost-ceiling': '0.003' });
      Object.assign(exchange.original?.json ?? {}, { max_tokens: 1 });
      // 100 dollars a million: a score of tokens in and one out are less than three thousandths of a dollar.
      expect(chosen(exchange)).to.equal('dear cheap');
      expect(rules(exchange)).to.deep.equal(['free: unpriced']);
    });

    it('several answers cost several times as much, and a cap beyond every model’s is no larger than theirs', () => {
      const estimated = (json: string): unknown => {
        const exchange = request(world(policy));
        Object.assign(exchange.original?.json ?? {}, JSON.parse(json));
        return estimateOf(exchange).outputTokens;
      };
      const most = Math.max(...(request(world(policy)).plan?.chain ?? []).map(({ maxOutputTokens }) => maxOutputTokens));
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
        const [target] = exchange.plan?.chain ?? [];
        const json = { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] };
        Object.assign(exchange.original?.json ?? {}, json);
        exchange.requestBytes = JSON.stringify(json).length;
        exchange.attempts.push({
          ...{ number: 1, target: target ?? fail(), startedAt: 0, endedAt: 1, outcome: 'abandoned', status: undefined },
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
        Object.assign(exchange.original?.json ?? {}, asked);
        return choose(exchange, exchange.plan ?? fail()).length > 0;
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
      expect(fault(() => choose(exchange, exchange.plan ?? fail()))).to.equal(
        '403 no_eligible_target: No target of "a" may answer this request; left out by: cost ceiling, unpriced.',
      );
    });

    it('a prompt that is surely too long for a target is not sent to it', () => {
      const exchange = request(world(policy));
      const content = 'word '.repeat(200);
      Object.assign(exchange.original?.json ?? {}, { messages: [{ role: 'user', content }] });
      exchange.requestBytes = 1_000;
      expect(chosen(exchange)).to.equal('dear free');
      expect(rules(exchange)).to.deep.equal(['cheap: context_window']);
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

  it('gives the first attempt what the later ones do not need', () => {
    const here = world(policyOf({ targets: { x: {}, y: {} } }));
    const first = (): number => {
      const exchange = request(here, { 'x-gateway-latency-budget': '10s' });
      startChain(exchange, exchange.plan ?? fail());
      return exchange.attemptDeadlineMs;
    };
    expect(first()).to.be.within(4_900, 5_000);
    for (let time = 0; time < 10; time++) here.gateway.latency.note('y' as TargetId, 'plain', 1000);
    expect(first()).to.be.within(8_700, 8_800);
    for (let time = 0; time < 64; time++) here.gateway.latency.note('y' as TargetId, 'plain', 1);
    expect(first()).to.be.within(8_900, 9_000);
  });
});

describe('the chain after a failed attempt', () => {
  const begun = (here: World, headers: Record<string, string> = {}): Exchange => {
    const exchange = request(here, headers);
    startChain(exchange, exchange.plan ?? fail());
    return exchange;
  };
  const failed = (exchange: Exchange, outcome: AttemptFailure): readonly string[] | undefined => {
    const attempt = exchange.attempts.at(-1) ?? fail();
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
      here.gateway.health.note({ target: exchange.chain[1] ?? fail(), outcome: 'overloaded' }, 'r', undefined);
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
              caller_keys: [{ name: 'k', sha256: KEY, route: { privacy_zones: made.key } }],
            },
          },
        });
        const here = world(policy);
        for (const id of made.sick)
          here.gateway.health.note(
            { target: policy.targets.get(id as TargetId) ?? fail(), outcome: 'overloaded' },
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
          startChain(exchange, exchange.plan ?? fail());
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          refused += 1;
          return exchange.attempts.length === 0;
        }
        served += 1;
        check(exchange);
        for (const [index, outcome] of made.failures.entries()) {
          const attempt = exchange.attempts.at(-1) ?? fail();
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
  });
});
