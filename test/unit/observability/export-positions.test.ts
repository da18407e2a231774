import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { waitFor } from '../../stack/processes.ts';
import { caughtUp, ExportFixture, MemorySink } from './export-fixture.ts';

describe('how far an exporter has come', () => {
  let fixture: ExportFixture;
  beforeEach(() => {
    fixture = new ExportFixture();
  });
  afterEach(() => fixture.close());

  // `removed`: segments of a record each, from the oldest.
  const removals = [
    ['before it was sent: counted', 'takes', ['a'], ['b', 'c', 'd'], 3, ['a', 'd'], 2],
    ['before the sink ever took anything, over a restart: counted', 'fails', ['a', 'b', 'c'], [], 2, ['c'], 2],
    ['before it ever began: no loss', undefined, ['a', 'b', 'c'], [], 1, ['b', 'c'], 0],
  ] as const;
  for (const [what, earlier, before, behind, removed, arrived, lost] of removals)
    it(`what was removed ${what}`, async () => {
      const sink = new MemorySink();
      await fixture.write(before, { segmentBytes: 1 });
      if (earlier !== undefined) {
        sink.mode = earlier;
        const first = fixture.exporting(sink);
        await waitFor('a try', undefined, async () => first.counts.failures > 0 || first.counts.exported > 0);
        await first.close();
      }
      await fixture.write(behind, { segmentBytes: 1 });
      for (const name of fixture.segments().slice(0, removed)) rmSync(join(fixture.audits, name));
      sink.mode = 'takes';
      const exporter = fixture.exporting(sink);
      await caughtUp(exporter, 1);
      expect(sink.ids()).to.deep.equal(arrived);
      expect(exporter.counts.lost).to.equal(lost);
    });

  it('begins anew where a chain of the same name has begun anew', async () => {
    const sink = new MemorySink();
    await fixture.write(['a', 'b']);
    const exporter = fixture.exporting(sink);
    await caughtUp(exporter, 2);
    rmSync(fixture.audits, { recursive: true });
    await fixture.write(['x', 'y', 'z']);
    await caughtUp(exporter, 5);
    expect(sink.ids()).to.deep.equal(['a', 'b', 'x', 'y', 'z']);
    expect(exporter.counts.lost).to.equal(0);
  });

  it('begins anew also where the new chain has grown past the old one while the sink was away, and says so once', async () => {
    const sink = new MemorySink();
    await fixture.write(['a', 'b', 'c', 'd'], { segmentBytes: 1 });
    const first = fixture.exporting(sink);
    await caughtUp(first, 4);
    await first.close();
    rmSync(fixture.audits, { recursive: true });
    await fixture.write(['u', 'v', 'w', 'x']);
    await fixture.write(['y']);
    await fixture.write(['z']);
    expect(fixture.segments().length).to.equal(3);
    sink.mode = 'fails';
    const exporter = fixture.exporting(sink);
    await waitFor('two tries', undefined, async () => exporter.counts.failures >= 2);
    sink.mode = 'takes';
    await caughtUp(exporter, 6);
    expect(sink.ids().slice(4)).to.deep.equal(['u', 'v', 'w', 'x', 'y', 'z']);
    expect(exporter.counts.lost).to.equal(0);
    expect(fixture.logged.match(/begun anew/g)).to.have.lengthOf(1);
  }).timeout(10_000);

  it('says once that a chain has begun anew, also while it has no record yet', async () => {
    const sink = new MemorySink();
    await fixture.write(['a']);
    const exporter = fixture.exporting(sink);
    await caughtUp(exporter, 1);
    writeFileSync(fixture.path(), '');
    // Looks at the other chain are looks at this one.
    for (let count = 2; count < 5; count++) {
      await fixture.write(['b'], {}, '-2');
      await waitFor('a look', undefined, async () => exporter.counts.exported === count);
    }
    expect(fixture.logged.match(/begun anew/g)).to.have.lengthOf(1);
  });

  it('goes on with the other chains when one cannot be read, and tells of it', async () => {
    await fixture.write(['a'], {}, '-1');
    await fixture.write(['b'], {}, '-2');
    const [first = ''] = fixture.segments();
    renameSync(join(fixture.audits, first), join(fixture.directory, 'aside'));
    mkdirSync(join(fixture.audits, first));
    const sink = new MemorySink();
    const exporter = fixture.exporting(sink);
    await waitFor(
      'the other chain',
      undefined,
      async () => exporter.counts.exported === 1 && exporter.counts.failures === 1,
    );
    expect(sink.ids()).to.deep.equal(['b']);
    await waitFor('time', undefined, async () => exporter.lag().seconds > 0);
    expect(fixture.logged.match(/cannot be read/g)).to.have.lengthOf(1);
    rmSync(join(fixture.audits, first), { recursive: true });
    renameSync(join(fixture.directory, 'aside'), join(fixture.audits, first));
    await caughtUp(exporter, 2);
    expect(exporter.lag().seconds).to.equal(0);
  }).timeout(20_000);

  it('exports on where its cursor cannot be written', async () => {
    mkdirSync(join(fixture.directory, 'audit-export.test.filter.json.new'), { recursive: true });
    await fixture.write(['a', 'b']);
    const sink = new MemorySink();
    const exporter = fixture.exporting(sink);
    await caughtUp(exporter, 2);
    await fixture.write(['c']);
    await caughtUp(exporter, 3);
    expect(sink.ids()).to.deep.equal(['a', 'b', 'c']);
    expect(fixture.logged.match(/cannot be noted/g)).to.have.lengthOf(1);
  });

  it('sends everything again when its cursor cannot be read', async () => {
    const sink = new MemorySink();
    await fixture.write(['a']);
    const exporter = fixture.exporting(sink);
    await caughtUp(exporter, 1);
    await exporter.close();
    writeFileSync(join(fixture.directory, 'audit-export.test.filter.json'), '{"seq":1');
    await caughtUp(fixture.exporting(sink), 1);
    expect(sink.ids()).to.deep.equal(['a', 'a']);
  });
});
