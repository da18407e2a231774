import { appendFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { linkOf } from '../../../filter/observability/audit-line.ts';
import { type AuditSink, RefusedError } from '../../../filter/observability/audit-sink.ts';
import { waitFor } from '../../stack/processes.ts';
import { caughtUp, ExportFixture, MemorySink, numbered } from './export-fixture.ts';
import { record } from './observed.ts';

describe('audit exporter', () => {
  let fixture: ExportFixture;
  beforeEach(() => {
    fixture = new ExportFixture();
  });
  afterEach(() => fixture.close());

  it('sends what is there and what comes, over segments, as it stands on disk; and goes on after a restart', async () => {
    const sink = new MemorySink();
    await fixture.write(['a', 'b', 'c'], { segmentBytes: 1 });
    const first = fixture.exporting(sink);
    await caughtUp(first, 3);
    await fixture.write(['d']);
    await caughtUp(first, 4);
    await first.close();
    await fixture.write(['e', 'f']);
    await caughtUp(fixture.exporting(sink), 2);
    expect(sink.ids()).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(`${sink.taken.map(({ line }) => line).join('\n')}\n`).to.equal(fixture.read());
    expect(sink.closed).to.equal(true);
  });

  it('sends the chains of processes that are no more', async () => {
    await fixture.write(['a', 'b'], {}, '-1');
    await fixture.write(['c'], {}, '-2');
    const sink = new MemorySink();
    await caughtUp(fixture.exporting(sink), 3);
    expect(sink.taken.map(({ chain, line }) => `${chain}:${linkOf(line)?.seq}`).sort()).to.deep.equal([
      ...['filter-1:1', 'filter-1:2', 'filter-2:1'],
    ]);
  });

  it('sends again what is not known to be taken, tells how far it is behind, and loses nothing', async () => {
    const sink = new MemorySink();
    sink.mode = 'fails';
    await fixture.write(['a', 'b']);
    const exporter = fixture.exporting(sink);
    await waitFor('failures', undefined, async () => exporter.counts.failures >= 1);
    expect(exporter.lag().records).to.equal(2);
    expect(exporter.lag().bytes).to.equal(fixture.read().length);
    expect(exporter.lag().seconds).to.be.greaterThan(0);
    sink.mode = 'takes_and_fails';
    await waitFor('doubles', undefined, async () => sink.taken.length >= 4);
    sink.mode = 'takes';
    await caughtUp(exporter, 2);
    expect(exporter.lag()).to.deep.equal({ records: 0, bytes: 0, seconds: 0 });
    expect([...new Set(sink.ids())]).to.deep.equal(['a', 'b']);
    const lines = new Set(sink.taken.map(({ line }) => line));
    expect(lines.size).to.equal(2);
  }).timeout(20_000);

  it('waits for the rest of half a line, and passes over what is no record', async () => {
    await fixture.write(['a', 'b']);
    const path = fixture.path();
    const [a = '', b = ''] = fixture.read().split('\n');
    writeFileSync(path, `${a}\nno record\n${b.slice(0, 50)}`);
    const sink = new MemorySink();
    const exporter = fixture.exporting(sink);
    await waitFor('the first', undefined, async () => exporter.counts.exported === 1);
    appendFileSync(path, `${b.slice(50)}\n`);
    await caughtUp(exporter, 2);
    expect(sink.ids()).to.deep.equal(['a', 'b']);
    expect(exporter.counts.lost).to.equal(0);
  });

  it('sends a record that is larger than a piece', async () => {
    await fixture.writeAll([record('large', { dropped_fields: ['x'.repeat(3 << 20)] }), record('small')]);
    const sink = new MemorySink();
    await caughtUp(fixture.exporting(sink), 2);
    expect(sink.ids()).to.deep.equal(['large', 'small']);
  });

  it('goes on with the other chains when the sink refuses the records of one, tries that one ever more rarely, and says so once', async () => {
    const sink = new MemorySink();
    const tries: number[] = [];
    const send = sink.send.bind(sink);
    let refuses = true;
    sink.send = async (chain, lines) => {
      if (chain !== 'filter-2' || !refuses) return send(chain, lines);
      tries.push(performance.now());
      throw new RefusedError('status 404', 'sender');
    };
    await fixture.write(['a'], {}, '-1');
    await fixture.write(['b'], {}, '-2');
    await fixture.write(['c'], {}, '-3');
    const exporter = fixture.exporting(sink);
    await waitFor('the others', undefined, async () => exporter.counts.exported === 2);
    expect(sink.ids()).to.have.members(['a', 'c']);
    await fixture.write(['d'], {}, '-1');
    await waitFor('what came later', undefined, async () => sink.ids().includes('d'));
    await waitFor('a third try', undefined, async () => tries.length === 3);
    const [, second = 0, third = 0] = tries;
    expect(third - second).to.be.greaterThan(740);
    expect(exporter.counts).to.include({ failures: 3, exported: 3 });
    expect(exporter.lag()).to.include({ records: 1 });
    refuses = false;
    await caughtUp(exporter, 4);
    expect(fixture.logged.match(/the sink refuses audit records/g)).to.have.length(1);
    expect(fixture.logged.match(/takes the records of this chain again/g)).to.have.length(1);
  }).timeout(20_000);

  it('leaves the event loop to others while it catches up', async () => {
    await fixture.writeAll(numbered(20_000).map((id) => record(id)));
    const exporter = fixture.exporting(new MemorySink());
    let [last, longest] = [performance.now(), 0];
    const watch = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    await caughtUp(exporter, 20_000);
    clearInterval(watch);
    expect(longest).to.be.lessThan(250);
  }).timeout(60_000);

  it('ends soon with a backlog, and the next one has the rest', async () => {
    await fixture.writeAll(numbered(5_000).map((id) => record(id)));
    const sink = new MemorySink();
    const slow: AuditSink = {
      async send(chain, lines) {
        await new Promise((resolve) => setTimeout(resolve, 700));
        return sink.send(chain, lines);
      },
      close: () => undefined,
    };
    const first = fixture.exporting(slow);
    await waitFor('a piece', undefined, async () => first.counts.exported > 0);
    const began = performance.now();
    await first.close();
    expect(performance.now() - began).to.be.lessThan(5_000);
    expect(first.lag().records).to.be.greaterThan(0);
    const next = fixture.exporting(sink);
    await caughtUp(next, 5_000 - first.counts.exported);
    expect(sink.ids()).to.deep.equal(numbered(5_000));
  }).timeout(30_000);

  it('two of one name at once lose nothing, and leave a note that the next one can use', async () => {
    const sinks = [new MemorySink(), new MemorySink()];
    const both = sinks.map((sink) => fixture.exporting(sink));
    const ids: string[] = [];
    for (let round = 0; round < 15; round++) {
      ids.push(`r${round}`);
      await fixture.write([`r${round}`], round % 2 === 0 ? { segmentBytes: 1 } : {});
    }
    // One may begin where the other has noted that it is: what both have sent counts.
    const sent = (): Set<string> => new Set(sinks.flatMap((sink) => sink.ids()));
    await waitFor('all records', undefined, async () => ids.every((id) => sent().has(id)));
    for (const exporter of both) await exporter.close();
    const last = new MemorySink();
    await fixture.write(['last']);
    await caughtUp(fixture.exporting(last), 1);
    expect(last.ids().at(-1)).to.equal('last');
  }).timeout(20_000);
});
