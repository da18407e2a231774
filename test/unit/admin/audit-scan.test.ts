/** The audit log read backwards, over several chains and segments. */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  type AuditPage,
  type AuditQuery,
  type Cursor,
  cursorOf,
  cursorText,
  sinceOf,
} from '../../../filter/admin/console/audit-query.ts';
import { scan } from '../../../filter/admin/console/audit-scan.ts';
import { AuditSearch } from '../../../filter/admin/console/audit-search.ts';
import type { AuditRecord } from '../../../filter/observability/audit-record.ts';
import { attempt, record } from '../observability/observed.ts';
import { NOW, writeSegment } from './console-fixture.ts';

const WIDE = { bytes: 1e9, ms: 60_000 };
const query = (changes: Partial<AuditQuery> = {}): AuditQuery => ({
  fields: {},
  sinceMs: undefined,
  cursor: undefined,
  limit: 10,
  ...changes,
});
const ids = ({ records }: AuditPage): string[] => records.map(({ request_id }) => request_id);
const at = (second: number, changes: Partial<AuditRecord> = {}): AuditRecord =>
  record(`req_${second}`, { time: new Date(NOW + second * 1_000).toISOString(), ...changes });

describe('the audit scan', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'scan-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  async function allPages(asked: Partial<AuditQuery>, bounds = WIDE): Promise<string[]> {
    const seen: string[] = [];
    let cursor: Cursor | undefined;
    for (let pages = 0; pages < 10_000; pages++) {
      const page = await scan(directory, query({ ...asked, cursor }), bounds);
      seen.push(...ids(page));
      if (page.next === undefined) return seen;
      cursor = cursorOf(cursorText(page.next));
      expect(cursor).to.deep.equal(page.next);
    }
    throw new Error('pages without end');
  }

  it('has the newest first over all chains, each record once whatever the size of a page', async () => {
    const seconds = Array.from({ length: 200 }, (_, index) => index);
    // Some are longer than what is read at once.
    const big = { dropped_fields: ['x'.repeat(700_000)] };
    const chainOf = (second: number): string => `filter-${1 + (second % 3)}`;
    for (const chain of ['filter-1', 'filter-2', 'filter-3']) {
      const own = seconds
        .filter((second) => chainOf(second) === chain)
        .map((second) => at(second, second % 40 === 0 ? big : {}));
      writeSegment(directory, chain, 1, own.slice(0, 30));
      writeSegment(directory, chain, 31, own.slice(30));
    }
    const expected = seconds.toReversed().map((second) => `req_${second}`);
    for (const limit of [1, 7, 50, 500]) expect(await allPages({ limit }), `${limit}`).to.deep.equal(expected);
    // Stopped by its bound in the middle of nothing, it goes on where it was.
    expect(await allPages({ limit: 7 }, { bytes: 1, ms: 60_000 })).to.deep.equal(expected);
  });

  it('finds by every field, and by time', async () => {
    const other = {
      tenant: 'x',
      feature: 'x',
      agent: 'x',
      alias: 'x',
      outcome: 'failed' as const,
      attempts: [attempt({ target: 'x' })],
    };
    writeSegment(directory, 'filter', 1, [at(1), at(2, other), at(3, { feature: 'the word x is in it', fault: 'x' })]);
    for (const fields of [
      { tenant: 'x' },
      { feature: 'x' },
      { agent: 'x' },
      { alias: 'x' },
      { outcome: 'failed' },
      { target: 'x' },
      { request: 'req_2' },
    ])
      expect(ids(await scan(directory, query({ fields }), WIDE)), JSON.stringify(fields)).to.deep.equal(['req_2']);
    expect(ids(await scan(directory, query({ fields: { tenant: 'x', agent: 'a' } }), WIDE))).to.deep.equal([]);
    expect(ids(await scan(directory, query({ sinceMs: NOW + 2_000 }), WIDE))).to.deep.equal(['req_3', 'req_2']);
  });

  it('does not read what is older than it may be', async () => {
    const old = Array.from({ length: 3_000 }, (_, index) => at(index - 100_000));
    writeSegment(directory, 'filter', 1, old);
    writeSegment(directory, 'filter', 3_001, [at(1)]);
    const page = await scan(directory, query({ sinceMs: NOW }), WIDE);
    expect(ids(page)).to.deep.equal(['req_1']);
    expect(page.readBytes).to.be.below(1_100_000);
  });

  it('leaves out a line that is being written, counts what is no record, and finds nothing in nothing', async () => {
    const path = writeSegment(directory, 'filter', 1, [at(1)]);
    appendFileSync(path, 'nonsense\n');
    appendFileSync(path, JSON.stringify(at(2)).slice(0, -20));
    const page = await scan(directory, query(), WIDE);
    expect([ids(page), page.unreadable, page.ended]).to.deep.equal([['req_1'], 1, 'all']);
    rmSync(path);
    expect(await scan(directory, query(), WIDE)).to.deep.include({ records: [], ended: 'all' });
  });

  it('gets past what is longer than any record, and counts it', async () => {
    const path = writeSegment(directory, 'filter', 1, [at(1)]);
    appendFileSync(path, Buffer.alloc(20 * 1024 * 1024));
    appendFileSync(path, `\n${JSON.stringify(at(2))}\n`);
    const page = await scan(directory, query(), WIDE);
    expect([ids(page), page.unreadable, page.ended]).to.deep.equal([['req_2', 'req_1'], 1, 'all']);
  });

  it('tells when it stopped, and from where to go on', async () => {
    writeSegment(
      directory,
      'filter',
      1,
      Array.from({ length: 50 }, (_, index) => at(index)),
    );
    const page = await scan(directory, query({ fields: { tenant: 'nobody' } }), { bytes: 0, ms: 60_000 });
    expect([page.ended, page.records.length]).to.deep.equal(['bounded', 0]);
    expect(page.next).to.have.property('filter');
  });

  it('runs in a thread, which ends with its search', async () => {
    writeSegment(directory, 'filter', 1, [at(1), at(2)]);
    const search = new AuditSearch(directory);
    expect(ids(await search.find(query(), new AbortController().signal))).to.deep.equal(['req_2', 'req_1']);
    const left = new AbortController();
    const asked = search.find(query(), left.signal).then(String, String);
    left.abort(new Error('left'));
    expect(await asked).to.include('left');
    expect(search.running).to.equal(0);
    const gone = new AuditSearch(join(directory, 'gone'));
    expect(await gone.find(query(), new AbortController().signal).then(String, String)).to.include('ENOENT');
    expect(gone.running).to.equal(0);
  });

  it('knows a cursor and a time from what is none', () => {
    for (const text of ['', 'a', 'a~1', 'a~1~2~3', '../a~1~2', 'a~x~1', 'a~1~-1', `${'a~1~1.'.repeat(300)}a~1~1`])
      expect(cursorOf(text), text).to.equal(undefined);
    expect(sinceOf('15m', NOW)).to.equal(NOW - 900_000);
    expect(sinceOf('2026-11-27T18:00:00Z', 0)).to.equal(NOW);
    expect(sinceOf('soon', NOW)).to.equal(undefined);
  });
});
