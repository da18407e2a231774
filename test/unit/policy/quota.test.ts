import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { hashCallerKey } from '../../../filter/identity/key-format.ts';
import type { AliasName, CallerKeyHash } from '../../../filter/policy/compiled/names.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import { loadPolicy, PolicyError } from '../../../filter/policy/load.ts';
import { quotaPlanFor } from '../../../filter/quota/quota-plan.ts';
import { readSettings } from '../../../filter/settings.ts';

const BASE = `version: 1
targets:
  gpt: {cluster: openai, schema: openai-chat, model: m, max_output_tokens: 10}
aliases:
  fast: {chain: [gpt]}
  slow: {chain: [gpt]}
tenants:
  alpha:
    caller_keys:
      - {name: one, sha256: ${hashCallerKey('one')}, feature: search, agent: a/b}
  beta:
    caller_keys:
      - {name: two, sha256: ${hashCallerKey('two')}}
`.replace('a/b', 'a.b');

describe('quotas of a policy', () => {
  const directory = mkdtempSync(join(tmpdir(), 'quota-policy-'));
  const file = join(directory, 'policy.yaml');
  after(() => rmSync(directory, { recursive: true }));
  const load = (text: string): Policy => {
    writeFileSync(file, BASE + text);
    return loadPolicy(file);
  };
  const problems = (text: string): string => {
    try {
      load(text);
    } catch (error) {
      if (error instanceof PolicyError) return error.message.replaceAll(file, 'P');
      throw error;
    }
    return '';
  };
  const planOf = (policy: Policy, key: string, name: string) => {
    const caller = policy.callerKeys.get(hashCallerKey(key) as CallerKeyHash)?.caller;
    const alias = policy.aliases.get(name as AliasName);
    if (caller === undefined || alias === undefined) throw new Error('not there');
    return quotaPlanFor(policy, caller, alias);
  };

  it('become one list of buckets for each caller and alias, made once', () => {
    const policy = load(`quotas:
  all: {requests: {rate: 600/m}, tokens: {rate: 100000/m, burst: 7}, concurrency: 20}
  feature: {match: {tenants: [alpha], features: [search]}, per: [caller_key, feature], tokens: {rate: 1/h}}
  slow: {match: {aliases: [slow]}, requests: {rate: 5/s}}
budgets:
  month: {per: [agent], usd: "100.5", period: month, when_spent: degrade}
  beta: {match: {tenants: [beta]}, usd: 2, period: day, warn_at: 0.5, when_spent: refuse}
`);
    const plan = planOf(policy, 'one', 'fast');
    expect(plan.buckets.map(({ key }) => key)).to.deep.equal([
      'requests:all:tenant=alpha',
      'tokens:all:tenant=alpha',
      'concurrency:all:tenant=alpha',
      'tokens:feature:tenant=alpha:feature=search:caller_key=one',
      'budget:month:tenant=alpha:agent=a.b',
    ]);
    expect(plan.buckets[0]).to.deep.include({ rate: { amount: 600, windowMs: 60_000, burst: 100 } });
    expect(plan.buckets[1]).to.deep.include({ rate: { amount: 100_000, windowMs: 60_000, burst: 7 } });
    expect(plan.buckets[3]).to.deep.include({ rate: { amount: 1, windowMs: 3_600_000, burst: 1 } });
    expect(plan.buckets[4]).to.deep.include({ limitNanoUsd: 100_500_000_000, warnFromNanoUsd: 80_400_000_000 });
    expect(planOf(policy, 'one', 'fast')).to.equal(plan);
    expect(planOf(policy, 'two', 'slow').buckets.map(({ name }) => name)).to.deep.equal([
      'all',
      'all',
      'all',
      'slow',
      'month',
      'beta',
    ]);
    expect(planOf(load(''), 'one', 'fast').buckets).to.deep.equal([]);
  });

  it('are refused with the place and what to do', () => {
    const told = problems(`quotas:
  a: {requests: {rate: "600"}}
  b: {match: {tenants: [alpha]}}
budgets:
  c: {usd: ten, period: day, when_spent: refuse}
  d: {usd: "1", period: week, when_spent: refuse}
`);
    expect(told).to.include('P:15:24: quotas.a.requests.rate: expected a rate such as 10/s');
    expect(told).to.include('P:18:12: budgets.c.usd');
    expect(told).to.include('P:19:25: budgets.d.period: expected one of day, month');
    const names = problems(`quotas:
  a: {match: {tenants: [alhpa], features: [serach], agents: [x], aliases: [fats]}, requests: {rate: 0/s}}
  b: {match: {tenants: [alpha]}}
budgets:
  c: {usd: "9007200", period: day, when_spent: refuse}
`);
    expect(names.split('\n')).to.deep.equal([
      'P:15:25: quotas.a.match.tenants[0]: no tenant "alhpa"; did you mean "alpha"?',
      'P:15:44: quotas.a.match.features[0]: no feature "serach"; did you mean "search"?',
      'P:15:62: quotas.a.match.agents[0]: no agent "x"; known: default, a.b',
      'P:15:76: quotas.a.match.aliases[0]: no alias "fats"; did you mean "fast"?',
      'P:15:101: quotas.a.requests.rate: expected a rate such as 10/s, 600/m or 5000/h, more than 0',
      'P:16:6: quotas.b: limits nothing; give requests, tokens or concurrency',
      'P:18:12: budgets.c.usd: expected US dollars as a decimal, such as "250" or "0.50": at most 7 digits, and 9 decimals',
    ]);
  });

  it('settings of Redis: what is wrong is told, a password never', () => {
    expect(readSettings({}).redis).to.equal(undefined);
    expect(
      readSettings({ GATEWAY_REDIS_URL: 'redis://a:1, redis://b:2', GATEWAY_REDIS_MODE: 'cluster' }).redis,
    ).to.deep.include({
      ...{ mode: 'cluster', urls: ['redis://a:1', 'redis://b:2'] },
    });
    for (const [url, mode, message] of [
      ['http://a', undefined, 'expected redis://'],
      ['redis://user:secret-word@a', undefined, 'GATEWAY_REDIS_PASSWORD_FILE'],
      ['redis://a,redis://b', undefined, 'cluster or sentinel'],
      ['redis://a,rediss://b', 'cluster', 'all of them'],
      ['redis://a', 'other', 'standalone, cluster, sentinel'],
    ] as const) {
      const read = () => readSettings({ GATEWAY_REDIS_URL: url, GATEWAY_REDIS_MODE: mode });
      expect(read, url).to.throw(message);
      expect(read, url).to.not.throw('secret-word');
    }
  });
});
