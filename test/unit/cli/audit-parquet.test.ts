import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { AUDIT_COLUMNS } from '../../../filter/cli/audit-csv.ts';
import { auditRecords, writeAuditLog } from '../../load/audit-records.ts';
import { ROOT } from '../../stack/processes.ts';

describe('audit export --parquet', () => {
  const generated = { count: 40_000, fromMs: Date.UTC(2026, 10, 1), untilMs: Date.UTC(2026, 10, 20), seed: 3 };
  let directory: string;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'parquet-test-'));
    await writeAuditLog(directory, generated);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(ROOT, 'filter/cli/audit.ts'), 'export', directory, ...args], { encoding: 'utf8' });

  it('has every record in groups of rows, with types; money is whole nano-dollars', async () => {
    const path = join(directory, 'audit.parquet');
    const { status, stderr } = run('--parquet', path);
    expect([status, stderr]).to.deep.equal([0, '']);
    const { buffer, byteOffset, byteLength } = readFileSync(path);
    const file = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    const metadata = parquetMetadata(file);
    expect(metadata.row_groups.length).to.be.greaterThan(2);
    expect(metadata.schema.slice(1).map(({ name }) => name)).to.deep.equal(
      Object.keys(AUDIT_COLUMNS).map((name) => (name === 'cost_usd' ? 'cost_nano_usd' : name)),
    );
    const rows = await parquetReadObjects({ file });
    const records = [...auditRecords(generated)];
    expect(rows).to.have.length(records.length);
    for (const [place, record] of records.entries()) {
      const row = rows[place];
      if (row?.['request_id'] !== record.request_id || row['cost_nano_usd'] !== (big(record.cost_nano_usd) ?? null))
        expect.fail(
          `row ${place} is ${JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`,
        );
    }
    const [first, record] = [rows[0], records[0]];
    expect(first?.['time']).to.deep.equal(new Date(record?.time ?? ''));
    expect(first).to.deep.include({
      input_tokens: big(record?.usage?.input_tokens),
      stream: record?.stream,
      status: record?.status,
      seq: 1n,
    });
  });

  it('goes into a new file, and one format at a time', () => {
    const path = join(directory, 'twice.parquet');
    expect(run('--parquet', path, '--until', '2026-11-02T00:00:00Z').status).to.equal(0);
    expect(run('--parquet', path).stderr).to.contain('EEXIST');
    expect(run('--parquet', path, '--csv', '-').status).to.equal(2);
  });
});

function big(value: number | null | undefined): bigint | undefined {
  return value === null || value === undefined ? undefined : BigInt(value);
}
