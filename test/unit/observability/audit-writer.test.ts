import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { verifyChains } from '../../../filter/cli/audit-verify.ts';
import { AuditWriter, type WriterOptions } from '../../../filter/observability/audit-writer.ts';

type Trouble = 'none' | 'half_a_write' | 'no_sync' | 'no_truncate_either';

describe('audit writer on a disk that is full or broken', () => {
  let directory: string;
  let trouble: Trouble;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'audit-test-'));
    trouble = 'none';
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const text = (): string =>
    readdirSync(directory)
      .filter((name) => name.endsWith('.jsonl'))
      .sort()
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .join('');

  const openFile: typeof open = async (path, flags, mode) => {
    const handle = await open(path, flags, mode);
    return new Proxy<FileHandle>(handle, {
      get(target, name) {
        if (name === 'write' && (trouble === 'half_a_write' || trouble === 'no_truncate_either'))
          return async (bytes: Buffer, from: number, length: number, at: number) => {
            await target.write(bytes, from, Math.floor(length * 0.7), at);
            throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
          };
        if (name === 'datasync' && trouble === 'no_sync') return async () => Promise.reject(new Error('EIO'));
        if (name === 'truncate' && trouble === 'no_truncate_either') return async () => Promise.reject(new Error('EIO'));
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  const writer = (changes: Partial<WriterOptions> = {}): Promise<AuditWriter> =>
    AuditWriter.recover({
      ...{ directory, chain: 'filter', segmentBytes: 1 << 20, segmentAgeMs: 60_000, now: () => 0, openFile },
      onFull: () => undefined,
      ...changes,
    });
  const failed = (written: Promise<void>): Promise<'written' | 'failed'> =>
    written.then(
      () => 'written',
      () => 'failed',
    );

  for (const kind of ['half_a_write', 'no_sync', 'no_truncate_either'] as const) {
    it(`${kind}: the batch is written once, when there is room again`, async () => {
      const audit = await writer();
      await audit.write(['{"a":1}', '{"a":2}']);
      trouble = kind;
      expect(await failed(audit.write(['{"a":3}', '{"a":4}', '{"a":5}']))).to.equal('failed');
      expect(await failed(audit.write(['{"a":3}', '{"a":4}', '{"a":5}']))).to.equal('failed');
      expect(audit.last.seq).to.equal(2);
      trouble = 'none';
      await audit.write(['{"a":3}', '{"a":4}', '{"a":5}', '{"a":6}']);
      await audit.close();
      expect(text().match(/"a":\d/g)).to.deep.equal(['"a":1', '"a":2', '"a":3', '"a":4', '"a":5', '"a":6']);
      expect((await verifyChains(directory, []))[0]).to.include({ records: 6, problem: undefined });
    });
  }

  it('leaves no half batch to readers, and none to the process that follows', async () => {
    const audit = await writer();
    await audit.write(['{"a":1}']);
    trouble = 'half_a_write';
    await failed(audit.write(['{"a":2}', '{"a":3}']));
    expect(text().match(/"a":\d/g)).to.deep.equal(['"a":1']);
    trouble = 'none';
    const next = await writer();
    await next.write(['{"a":4}']);
    await next.close();
    expect((await verifyChains(directory, []))[0]).to.include({ records: 2, problem: undefined });
  });

  it('a segment whose name did not reach the disk: it is tried again before anything counts as written', async () => {
    let tries = 0;
    const audit = await writer({
      async syncNames() {
        tries += 1;
        if (tries < 3) throw new Error('EIO');
      },
    });
    expect(await failed(audit.write(['{"a":1}']))).to.equal('failed');
    expect(await failed(audit.write(['{"a":1}']))).to.equal('failed');
    await audit.write(['{"a":1}']);
    await audit.write(['{"a":2}']);
    await audit.close();
    expect(tries).to.equal(3);
    expect((await verifyChains(directory, []))[0]).to.include({ records: 2, problem: undefined });
  });

  it('a clock that is set back by more than a segment may last ends one', async () => {
    let now = 1_000_000;
    const audit = await writer({ now: () => now });
    await audit.write(['{"a":1}']);
    now = 0;
    await audit.write(['{"a":2}']);
    await audit.close();
    expect(readdirSync(directory).filter((name) => name.endsWith('.jsonl'))).to.have.length(2);
  });
});
