import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Registry } from 'prom-client';
import { isDate } from '../../../filter/lifecycle/date.ts';
import { type Deprecation, deprecations } from '../../../filter/lifecycle/deprecations.ts';
import { registerLifecycleMetrics } from '../../../filter/observability/lifecycle-metrics.ts';
import { policyOf } from '../exchange/exchange-fixture.ts';

const NOW = Date.UTC(2026, 10, 27, 23, 59);
type Targets = Parameters<typeof policyOf>[0]['targets'];
const told = (targets: Targets, more = {}): Deprecation[] => deprecations(policyOf({ targets, ...more }), NOW);
const dates = (targets: Targets, more = {}): string[] =>
  told(targets, more).map(({ target, on, daysLeft }) => `${target} ${on} ${daysLeft}`);

describe('the end of models', () => {
  it('is found by the exact id, on the platform that the target is on', () => {
    const model = 'claude-sonnet-4-5-20250929';
    const targets = {
      api: { schema: 'anthropic-messages', model },
      bedrock: { schema: 'bedrock-converse', model: `anthropic.${model}-v1:0` },
      azure: { schema: 'azure-openai-chat', model: 'gpt-5.2', cluster: 'c' },
      newer: { schema: 'anthropic-messages', model: 'claude-sonnet-4-5-20250929x' },
      unknown: { model: 'constructor' },
    };
    expect(dates(targets)).to.have.members([
      'api 2026-11-30 3',
      'bedrock 2027-04-08 132',
      ...dates({ azure: targets.azure }),
    ]);
    expect(dates({ azure: targets.azure })).to.have.length(1);
  });

  it('tells which id, and who says so: the policy before the provider, the provider before the table', () => {
    const deployment = { schema: 'azure-openai-chat', model: 'our-deployment', base_model: 'gpt-5.2' };
    expect(told({ x: deployment })[0]).to.deep.include({ model: 'gpt-5.2', source: 'litellm 1.109.1' });
    const claude = { schema: 'anthropic-messages', model: 'claude-sonnet-4-5' };
    expect(told({ x: claude })[0]?.source).to.match(/^https:\/\/platform\.claude\.com\//);
    expect(told({ x: { ...claude, deprecated_on: '2026-11-20' } })).to.deep.equal([
      { target: 'x', model: 'claude-sonnet-4-5', on: '2026-11-20', daysLeft: -7, source: 'policy' },
    ]);
    expect(told({ x: { ...claude, deprecated_on: 'never' } })).to.deep.equal([]);
  });

  it('differs between the places where Google serves Gemini', () => {
    const gemini = { schema: 'gemini', model: 'gemini-2.5-pro' };
    const credentials = { google: { google: { source: 'metadata' } } };
    expect(dates({ x: gemini })).to.deep.equal(['x 2026-12-01 4']);
    expect(dates({ x: { ...gemini, price_platform: 'vertex' } })).to.deep.equal(['x 2026-10-20 -38']);
    expect(dates({ x: { ...gemini, credential: 'google' } }, { credentials })).to.deep.equal(['x 2026-10-20 -38']);
  });

  it('is a day of the calendar, or the policy is refused', () => {
    expect(() => policyOf({ targets: { x: { deprecated_on: '2027-02-29' } } })).to.throw(
      'targets.x.deprecated_on: is no day of the calendar',
    );
    for (const text of ['2027-02-28', '2028-02-29']) expect(isDate(text)).to.equal(true);
    for (const text of ['2027-2-28', '2027-13-01', '2027-02-29', 'soon', '']) expect(isDate(text), text).to.equal(false);
  });

  it('in the data is a date everywhere, with a source', () => {
    const { about, models } = JSON.parse(readFileSync('filter/lifecycle/deprecations.json', 'utf8'));
    const announcements = JSON.parse(readFileSync('filter/lifecycle/announced.json', 'utf8'));
    expect(about.licence).to.match(/^MIT/);
    const all = [...Object.values(models).flatMap((places) => Object.values(places as Record<string, string>))];
    for (const { source, read, models } of announcements) {
      expect(source).to.match(/^https:\/\//);
      expect(isDate(read)).to.equal(true);
      all.push(...(Object.values(models) as string[]));
    }
    expect(all.length).to.be.greaterThan(400);
    expect(all.filter((date) => !isDate(date))).to.deep.equal([]);
  });

  it('is a metric of the targets that have one', async () => {
    const registry = new Registry();
    registerLifecycleMetrics(registry, () => told({ x: { deprecated_on: '2026-12-07' }, y: {} }));
    const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith('gateway_'));
    expect(lines).to.deep.equal(['gateway_target_days_to_deprecation{target="x",model="m-x"} 10']);
  });
});
