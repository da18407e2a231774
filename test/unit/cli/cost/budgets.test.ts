import { expect } from 'chai';
import { standings } from '../../../../filter/cli/cost/budgets.ts';
import { outlook } from '../../../../filter/cli/cost/forecast.ts';
import { Logs } from '../../../../filter/cli/log-command.ts';
import { loadPolicy } from '../../../../filter/policy/load.ts';
import { attempt, record } from '../../observability/observed.ts';
import { needed } from '../../transform/original.ts';
import { CostCommand } from './cost-command.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const USD = 1_000_000_000;

const POLICY = `
version: 1
targets:
  gpt: {cluster: openai, schema: openai-chat, model: gpt-5.5}
aliases:
  fast: {chain: [gpt]}
  slow: {chain: [gpt]}
tenants:
  shop: {caller_keys: []}
  lab: {caller_keys: []}
budgets:
  shop-month: {match: {tenants: [shop]}, usd: "300", period: month, when_spent: degrade}
  each-day: {per: [feature], usd: "1", period: day, warn_at: 0.5, when_spent: refuse}
  nobody: {match: {tenants: [lab], aliases: [slow]}, usd: "5", period: day, when_spent: warn}
`;

describe('cost budgets', () => {
  const AT = '2026-11-16T12:00:00Z';
  const at = Date.parse(AT);
  const cost = (id: string, time: number, nano: number | null, changes = {}) =>
    record(id, { time: new Date(time).toISOString(), tenant: 'shop', feature: 'search', cost_nano_usd: nano, ...changes });
  // Ten dollars at each noon from the 6th on, one nano-dollar more on the last day.
  const days = Array.from({ length: 10 }, (_, day) => cost(`d${day}`, Date.UTC(2026, 10, 6 + day, 12, 30), 10 * USD));
  let command: CostCommand;
  before(async () => {
    command = await CostCommand.of([
      ...days,
      cost('last-month', Date.UTC(2026, 9, 31, 12), 500 * USD),
      cost('today', at - HOUR_MS, 1, { feature: 'chat' }),
      cost('today-2', at - HOUR_MS, 600_000_000),
      cost('later', at + HOUR_MS, 500 * USD),
      cost('lab', at - HOUR_MS, 2 * USD, { tenant: 'lab' }),
      cost('free', at - HOUR_MS, null, { attempts: [attempt({ price: null })] }),
    ]);
  });
  after(() => command.remove());

  it('each bucket: spent exactly, its course, its forecast by the hours of the last seven days', () => {
    const standings = command.json('budgets', '--policy', command.file('policy.yaml', POLICY), '--at', AT);
    expect(
      standings.map((standing: Record<string, unknown>) => [standing['budget'], standing['of'], standing['state']]),
    ).to.deep.equal([
      ['shop-month', 'shop', 'ok'],
      ['each-day', 'lab/search', 'spent'],
      ['each-day', 'shop/search', 'near'],
      ['each-day', 'shop/chat', 'ok'],
      ['nobody', '-', 'ok'],
    ]);
    const [month] = standings;
    expect(month).to.deep.include({ spent_usd: '100.600000001', limit_usd: '300.000000000', unpriced_requests: 1 });
    expect(month.course_usd).to.have.length(16);
    expect(month.course_usd.slice(4, 7)).to.deep.equal(['0.000000000', '10.000000000', '10.000000000']);
    // Fifteen noons are to come, the 16th's among them, at ten dollars; and fourteen times a seventh of today's 600,000,001 nano-dollars at eleven.
    expect(month.forecast_usd).to.equal('251.800000005');
    expect(month.runs_out).to.equal(null);
  });

  it('tables of 80 and 160 characters, with what no budget counts', () => {
    const policy = command.file('policy.yaml', POLICY);
    const narrow = command.run('budgets', '--policy', policy, '--at', AT, '--width', '80').out;
    expect(
      Math.max(
        ...narrow
          .split('\n')
          .slice(0, 7)
          .map((line) => line.length),
      ),
    ).to.be.at.most(80);
    expect(narrow).to.contain('ok*').and.to.contain('whose money no budget counts');
    expect(command.run('budgets', '--policy', policy, '--at', AT, '--width', '160').out).to.match(/shop-month .* ·····█+▁/);
    expect(command.run('budgets').code).to.equal(2);
  });
});

describe('budgets at the edges of a month', () => {
  const zone = process.env['TZ'];
  let command: CostCommand;
  before(async () => {
    // Its clocks are set back on November 1.
    process.env['TZ'] = 'America/New_York';
    // A dollar in each hour of October and November, and of a February with a leap day.
    const hoursFrom = (from: number, days: number) =>
      Array.from({ length: days * 24 }, (_, hour) =>
        record(`h${from}-${hour}`, {
          ...{ time: new Date(from + hour * HOUR_MS).toISOString(), tenant: 'shop', cost_nano_usd: USD },
        }),
      );
    command = await CostCommand.of([...hoursFrom(Date.UTC(2026, 9, 1), 62), ...hoursFrom(Date.UTC(2024, 1, 1), 30)]);
  });
  after(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
    command.remove();
  });

  it('whole months of UTC, of 29 days too, whatever clocks do; the days before say what a first hour expects', async () => {
    const told = async (at: string): Promise<unknown[]> => {
      const policy = loadPolicy(command.file('edges.yaml', POLICY.replace('usd: "300"', 'usd: "700"')));
      const [month] = await standings(policy, new Logs([command.log]), Date.parse(at));
      const { spent, course, forecast, runsOutMs } = needed(month);
      const runsOut = runsOutMs === undefined ? undefined : new Date(runsOutMs).toISOString();
      return [Number(spent) / USD, course.length, Number(forecast) / USD, runsOut];
    };
    expect(await told('2026-11-01T00:00:00Z')).to.deep.equal([0, 1, 720, '2026-11-30T03:00:00.000Z']);
    expect(await told('2026-10-31T23:59:59.999Z')).to.deep.equal([744, 31, 744.000000278, '2026-10-31T23:59:59.999Z']);
    expect(await told('2026-11-01T07:00:00Z')).to.deep.equal([7, 1, 720, '2026-11-30T03:00:00.000Z']);
    expect(await told('2024-02-29T12:00:00Z')).to.deep.equal([684, 29, 696, undefined]);
    expect(await told('2024-03-01T00:00:00Z')).to.deep.equal([0, 1, 744, '2024-03-30T03:00:00.000Z']);
  });
});

describe('an outlook', () => {
  const hours = (of: Readonly<Record<number, bigint>>): Map<number, bigint> =>
    new Map(Object.entries(of).map(([hour, sum]) => [Number(hour), sum]));
  const outlookAt = (
    nowHour: number,
    endHour: number,
    limit: bigint,
    spentIn: Readonly<Record<number, bigint>>,
    spent: bigint,
  ) => outlook({ hours: hours(spentIn), spent, limit, nowMs: nowHour * HOUR_MS, endMs: endHour * HOUR_MS });

  it('of less than a day: as fast as until now', () => {
    // An hour and a half, 10 in each half hour; the second hour is not over.
    const spentIn = { 0: 20n, 1: 10n };
    expect(outlookAt(1.5, 24, 1_000n, spentIn, 30n)).to.deep.equal({ nanoUsd: 480n, runsOutMs: undefined });
    expect(outlookAt(1.5, 24, 100n, spentIn, 30n).runsOutMs).to.equal(4 * HOUR_MS);
    // One minute is no rate to go by: as much in an hour.
    expect(outlookAt(1 / 60, 24, 1_000n, { 0: 10n }, 10n).nanoUsd).to.equal(10n + 10n + 23n * 10n);
    expect(outlookAt(0, 24, 1_000n, {}, 0n)).to.deep.equal({ nanoUsd: 0n, runsOutMs: undefined });
  });

  it('of days: the same hours cost the same, and a spent budget has run out', () => {
    // Two days of 100 at 20:00 and nothing else.
    const spentIn = { 0: 0n, 20: 100n, 44: 100n };
    const found = outlookAt(60, 72, 1_000n, spentIn, 0n);
    expect(found.nanoUsd).to.equal(100n);
    expect(outlookAt(60, 72, 50n, spentIn, 0n).runsOutMs).to.equal(68 * HOUR_MS);
    expect(outlookAt(60, 72, 50n, spentIn, 50n).runsOutMs).to.equal(60 * HOUR_MS);
  });

  it('of an hour that has begun: what is left of it', () => {
    const spentIn = new Map(Array.from({ length: 48 }, (_, hour) => [hour, 60n] as const));
    const nowMs = 48 * HOUR_MS + HOUR_MS / 2;
    expect(outlook({ hours: spentIn, spent: 0n, limit: 10n ** 9n, nowMs, endMs: 3 * DAY_MS }).nanoUsd).to.equal(
      30n + 23n * 60n,
    );
  });
});
