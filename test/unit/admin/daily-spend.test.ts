import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { DailySpend, type DailySpendView } from '../../../filter/admin/console/daily-spend.ts';
import { ChainSums, type DaySpend, dailySpend } from '../../../filter/admin/console/daily-sums.ts';
import type { AuditRecord } from '../../../filter/observability/audit-record.ts';
import { auditRecords } from '../../load/audit-records.ts';
import { waitFor } from '../../stack/processes.ts';
import { CostCommand } from '../cli/cost/cost-command.ts';
import { silent, writeSegment } from './console-fixture.ts';

const DAY = 86_400_000;
const FROM = Date.UTC(2026, 10, 20, 22);
const made = (count: number, fromMs: number, seed: number): AuditRecord[] => [
  ...auditRecords({ count, fromMs, untilMs: fromMs + 3 * DAY, seed }),
];

function sums(days: readonly DaySpend[] | undefined): unknown {
  return days?.map(({ day, answers, nanoUsd, unpriced }) => ({ day, answers, nanoUsd, unpriced }));
}

function expected(records: readonly AuditRecord[]): unknown {
  const used = records.filter(({ usage }) => usage !== null);
  return [...Map.groupBy(used, ({ time }) => time.slice(0, 10))]
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .map(([day, all]) => ({
      day,
      answers: all.length,
      nanoUsd: all.reduce((sum, { cost_nano_usd }) => sum + BigInt(cost_nano_usd ?? 0), 0n),
      unpriced: all.filter(({ cost_nano_usd }) => cost_nano_usd === null).length,
    }));
}

describe('spend by day', () => {
  let directory: string;
  let spend: DailySpend;
  const open = (): DailySpend =>
    new DailySpend({
      ...{ auditDirectory: join(directory, 'audit'), stateDirectory: join(directory, 'state') },
      ...{ log: silent, againMs: 0 },
    });
  const file = (): string => join(directory, 'state', 'console-spend.json');
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'daily-'));
  });
  afterEach(async () => {
    await spend.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Looks, as a page does, until what is told is what is expected. */
  async function told(records: readonly AuditRecord[]): Promise<DailySpendView> {
    let view: DailySpendView | undefined;
    await waitFor('the sums', undefined, async () => {
      view = await spend.view();
      return view.state === 'current' && String(inspect(sums(view.days))) === String(inspect(expected(records)));
    }).catch(() => undefined);
    expect(sums(view?.days)).to.deep.equal(expected(records));
    if (view === undefined) throw new Error('no view');
    return view;
  }
  const inspect = (value: unknown): string =>
    JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? String(part) : part));

  it('is what cost report says of the same log, over several chains; what is new is added', async () => {
    const command = await CostCommand.of(made(2_000, FROM, 1));
    rmSync(directory, { recursive: true });
    directory = command.directory;
    spend = new DailySpend({
      auditDirectory: command.log,
      stateDirectory: join(directory, 'state'),
      log: silent,
      againMs: 0,
    });
    const all = made(2_000, FROM, 1);
    const view = await told(all);
    const rows: { day: string; usd: string }[] = command.json('report', '--by', 'day').rows;
    for (const { day, nanoUsd } of view.days ?? [])
      expect(rows.find((row) => row.day === day)?.usd).to.equal(
        `${String(nanoUsd).padStart(10, '0').slice(0, -9)}.${String(nanoUsd).padStart(10, '0').slice(-9)}`,
      );
    const [latest] = view.days ?? [];
    const ofTenants = latest?.tenants.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0n);
    expect(ofTenants).to.equal(latest?.nanoUsd);

    const other = made(500, FROM + DAY, 2);
    writeSegment(command.log, 'filter-2', 1, other);
    await told([...all, ...other]);
  });

  it('goes on where it was, after another start; a file that is not ours is made anew', async () => {
    const first = made(1_000, FROM, 3);
    const log = join(directory, 'audit');
    writeSegmentIn(log, 'filter', 1, first);
    spend = open();
    await told(first);
    const kept = JSON.parse(readFileSync(file(), 'utf8'));
    expect(kept.chains.filter.cursor.seq).to.equal(1_000);
    await spend.close();

    // What is kept is believed: one more answer there is one more on the page.
    kept.chains.filter.rows[0][2] += 1;
    writeFileSync(file(), JSON.stringify(kept));
    spend = open();
    const view = await spend.view();
    const answers = (days: readonly DaySpend[] | undefined): number =>
      (days ?? []).reduce((sum, one) => sum + one.answers, 0);
    expect(answers(view.days)).to.equal(first.filter(({ usage }) => usage !== null).length + 1);
    await spend.close();

    for (const text of ['', '{"version":2}', '{"version":1,"chains":{"filter":{"rows":[[1]]}}}', 'null']) {
      writeFileSync(file(), text);
      spend = open();
      await told(first);
      await spend.close();
    }
  });

  it('counts nothing twice when a chain is begun anew', async () => {
    const log = join(directory, 'audit');
    const path = writeSegmentIn(log, 'filter', 1, made(800, FROM, 4));
    spend = open();
    await told(made(800, FROM, 4));
    rmSync(path);
    const next = made(100, FROM, 5);
    writeSegmentIn(log, 'filter', 1, next);
    await told(next);
  });

  it('says so when the log cannot be read, and reads it when it can', async () => {
    writeFileSync(join(directory, 'audit'), 'a file');
    spend = open();
    expect((await spend.view()).state).to.equal('failed');
    rmSync(join(directory, 'audit'));
    const records = made(50, FROM, 6);
    writeSegmentIn(join(directory, 'audit'), 'filter', 1, records);
    await told(records);
  });

  it('passes over what another program wrote', () => {
    const chain = new ChainSums();
    const time = '2026-11-25T10:00:00.000Z';
    for (const line of [{}, { time: 1, usage: {} }, { time: 'soon', usage: {} }, { time }, { time, usage: null }])
      chain.add(line);
    expect([...chain]).to.deep.equal([]);
    for (const cost of [undefined, '1', 1.5, Number.NaN, 2 ** 60]) chain.add({ time, usage: {}, cost_nano_usd: cost });
    chain.add({ time, usage: {}, tenant: 7, cost_nano_usd: 5 });
    const row = { day: '2026-11-25', tenant: '(unknown)', answers: 6, nanoUsd: 5n, unpriced: 5 };
    expect([...chain]).to.deep.equal([row]);
  });

  it('keeps so many days and tenants, and no more', () => {
    const chain = new ChainSums();
    const [some] = made(200, FROM, 7).filter(({ cost_nano_usd }) => cost_nano_usd !== null);
    if (some === undefined) throw new Error('no record');
    const line = { ...some, seq: 1, chain: '0'.repeat(64) };
    for (let day = 0; day < 200; day++)
      chain.add({ ...line, time: new Date(FROM + day * DAY).toISOString(), tenant: `t${day}` });
    for (let tenant = 0; tenant < 2_000; tenant++)
      chain.add({ ...line, time: new Date(FROM + 199 * DAY).toISOString(), tenant: `many-${tenant}` });
    const days = dailySpend([chain, ChainSums.from(JSON.parse(JSON.stringify(chain)))], 1_000);
    expect(days).to.have.length(92);
    expect(days[0]?.tenants.length).to.be.within(500, 502);
    expect(days[0]?.answers).to.equal(2 * 2_001);
    expect(days[0]?.nanoUsd).to.equal(BigInt(some.cost_nano_usd ?? 0) * 4_002n);
  });
});

function writeSegmentIn(log: string, chain: string, firstSeq: number, records: readonly AuditRecord[]): string {
  mkdirSync(log, { recursive: true });
  return writeSegment(log, chain, firstSeq, records);
}
