/** Spend by day: what the console says is what the command line says of the same log, however the log was read. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { spendByDay } from '../../../filter/admin/console/pages/spend-days.ts';
import { SpendDays } from '../../../filter/admin/console/spend-days.ts';
import { type SpendByDay, scanSpend } from '../../../filter/admin/console/spend-scan.ts';
import type { AuditRecord } from '../../../filter/observability/audit-record.ts';
import { ROOT, waitFor } from '../../stack/processes.ts';
import { record } from '../observability/observed.ts';
import { NOW, silent, writeSegment } from './console-fixture.ts';

const DAY_MS = 86_400_000;
const WIDE = { bytes: 1e12, ms: 60_000 };
const USAGE = record('r', { attempts: [] }).usage;

interface CostReport {
  readonly rows: readonly { readonly [name: string]: string | number | null }[];
}

describe('spend by day', () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'spend-'));
    file = join(directory, 'state', 'spend.json');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const look = (bounds = WIDE, now = NOW): Promise<SpendByDay> => scanSpend({ kind: 'spend', directory, file, bounds, now });
  const told = ({ rows }: SpendByDay): string[] =>
    rows.map(({ day, tenant, requests, unpriced, nanoUsd }) => `${day} ${tenant} ${requests} ${unpriced} ${nanoUsd}`).sort();
  const at = (daysAgo: number, changes: Partial<AuditRecord> = {}): AuditRecord =>
    record(`r${daysAgo}`, { time: new Date(NOW - daysAgo * DAY_MS).toISOString(), cost_nano_usd: null, ...changes });

  /** What `cost.ts report` says. */
  function reported(since: string): string[] {
    const { stdout } = spawnSync(
      process.execPath,
      [join(ROOT, 'filter/cli/cost.ts'), 'report', directory, '--by', 'day,tenant', '--since', since, '--json'],
      { encoding: 'utf8' },
    );
    const { rows } = JSON.parse(stdout) as CostReport;
    return rows
      .map(({ day, tenant, requests, unpriced_requests, usd }) => {
        const [whole = '0', part = ''] = String(usd ?? 0).split('.');
        return `${day} ${tenant} ${requests} ${unpriced_requests} ${BigInt(whole) * 1_000_000_000n + BigInt(part.padEnd(9, '0'))}`;
      })
      .sort();
  }

  function writeMonth(): void {
    for (const [index, chain] of ['filter-1', 'filter-2'].entries()) {
      const records = Array.from({ length: 400 }, (_, place) =>
        at(20 - place / 20, {
          // No two chains have a record in common: those that do are copies.
          request_id: `${chain}-${place}`,
          tenant: place % 7 === 0 ? null : `tenant-${place % 5}`,
          // Beyond what a number holds exactly, when they are added up.
          cost_nano_usd: place % 3 === 0 ? null : 9_000_000_000_000_001 - place * 7 - index,
          usage: place % 2 === 0 ? null : USAGE,
        }),
      );
      writeSegment(directory, chain, 1, records.slice(0, 150));
      writeSegment(directory, chain, 151, records.slice(150));
    }
  }

  it('is what the command line says, to the nano-dollar, read at once or bit by bit', async () => {
    writeMonth();
    const whole = await look();
    expect(whole.days).to.have.length(14);
    expect([whole.days[0], whole.days.at(-1)]).to.deep.equal(['2026-11-14', '2026-11-27']);
    expect(told(whole)).to.deep.equal(reported('2026-11-14T00:00:00Z'));
    expect([whole.ended, whole.readBytes === whole.bytes, whole.unreadable, whole.from]).to.deep.equal([
      'all',
      true,
      0,
      undefined,
    ]);
    rmSync(file);
    let looks = 1;
    let part = await look({ bytes: 0, ms: 60_000 });
    expect(part.ended).to.equal('bounded');
    for (; part.ended === 'bounded'; looks++) part = await look({ bytes: 0, ms: 60_000 });
    expect(looks).to.equal(4);
    expect(told(part)).to.deep.equal(told(whole));
  });

  it('reads only what was written since, and all again of a log that is another', async () => {
    const path = writeSegment(directory, 'filter', 1, [at(1, { cost_nano_usd: 5 }), at(0, { cost_nano_usd: 7 })]);
    await look();
    const kept = readFileSync(file, 'utf8');
    appendFileSync(path, `${JSON.stringify({ ...at(0, { cost_nano_usd: 30 }), seq: 3 })}\n{"half`);
    expect(told(await look())).to.deep.equal(['2026-11-26 t 1 0 5', '2026-11-27 t 2 0 37']);
    // The same name and length, and not the same records.
    rmSync(path);
    writeSegment(directory, 'filter', 1, [
      at(1, { cost_nano_usd: 6 }),
      at(0, { cost_nano_usd: 8 }),
      at(0, { cost_nano_usd: 9 }),
    ]);
    expect(told(await look())).to.deep.equal(['2026-11-26 t 1 0 6', '2026-11-27 t 2 0 17']);
    // What retention has taken is in the log no more, and in no sum.
    rmSync(path);
    writeSegment(directory, 'filter', 4, [at(0, { cost_nano_usd: 1 })]);
    expect(told(await look())).to.deep.equal(['2026-11-27 t 1 0 1']);
    for (const damaged of ['', '{', '[]', kept.replace('"5"', '"five"'), kept.replace(/"version":1/, '"version":2')]) {
      writeFileSync(file, damaged);
      expect(told(await look()), damaged).to.deep.equal(['2026-11-27 t 1 0 1']);
    }
  });

  it('says what it covers and what it could not read, and is not stopped by it', async () => {
    const first = at(2, { cost_nano_usd: 5 });
    const path = writeSegment(directory, 'filter', 1, [first]);
    appendFileSync(path, `nonsense\n{"time":"x","seq":1,"attempts":[]}\n{"time":7}\n`);
    appendFileSync(path, Buffer.alloc(10 * 1024 * 1024));
    appendFileSync(path, `\n${JSON.stringify({ ...at(0, { cost_nano_usd: 3 }), seq: 2 })}\n`);
    const spend = await look();
    expect([spend.from, spend.unreadable]).to.deep.equal([first.time, 3]);
    expect(told(spend)).to.deep.equal(['2026-11-25 t 1 0 5', '2026-11-27 t 1 0 3']);
    // A segment of before these days need not be read, and tells that the log has all of them.
    const old = writeSegment(directory, 'other', 1, [at(40)]);
    utimesSync(old, NOW / 1000 - 40 * 86_400, NOW / 1000 - 40 * 86_400);
    expect(await look()).to.deep.include({ from: undefined, unreadable: 3 });
  });

  it('is told as a part while it is one, and as of when it is', async () => {
    writeSegment(directory, 'filter', 1, [at(0, { cost_nano_usd: 5 }), at(1, { usage: USAGE })]);
    const whole = await look();
    const page = (changes: Partial<SpendByDay>): string =>
      String(spendByDay({ kind: 'read', spend: { ...whole, ...changes } }, undefined, NOW + 3 * DAY_MS));
    expect(page({})).to.include('It begins at').and.include('2026-11-27 18:00:00</time>').and.not.include('so far:');
    expect(page({ ended: 'bounded', readBytes: 2 ** 30, bytes: 2 ** 31 }))
      .to.include('50 % of 2.0 GiB is read so far')
      .and.not.include('It begins at');
    expect(page({})).to.match(/Unpriced.*2026-11-26.*unpriced.*>1</s);
  });

  it('is read in a thread when somebody asks, and not again at once', async () => {
    writeSegment(directory, 'filter', 1, [record('r', { time: new Date().toISOString(), cost_nano_usd: 5 })]);
    const spend = new SpendDays({ auditDirectory: directory, stateDirectory: join(directory, 'state'), log: silent });
    // A page waits two seconds for it, and a busy machine may take longer.
    await waitFor('the first look', undefined, async () => (await spend.look()).kind === 'read');
    const [one, other] = await Promise.all([spend.look(), spend.look()]);
    expect(one).to.equal(other);
    expect(await spend.look()).to.equal(one);
    spend.close();
    const gone = new SpendDays({ auditDirectory: join(directory, 'gone'), stateDirectory: directory, log: silent });
    await waitFor('the failure', undefined, async () => (await gone.look()).kind === 'failed');
    gone.close();
  });
});
