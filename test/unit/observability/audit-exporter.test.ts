import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { AuditExporter } from '../../../filter/observability/audit-exporter.ts';
import { linkOf } from '../../../filter/observability/audit-line.ts';
import { AuditLog } from '../../../filter/observability/audit-log.ts';
import { type AuditSink, RefusedError, SinkError } from '../../../filter/observability/audit-sink.ts';
import { registerExportMetrics } from '../../../filter/observability/export-metrics.ts';
import { createOtlpClient } from '../../../filter/observability/otlp-client.ts';
import { otlpSink } from '../../../filter/observability/otlp-sink.ts';
import { startOtlpCollector } from '../../stack/otlp-collector.ts';
import { ROOT, waitFor } from '../../stack/processes.ts';
import { record as auditRecord } from './observed.ts';

const log = pino({ level: 'silent' });
const SETTINGS = {
  ...{ syncMs: 1, queueBytes: 64 << 20, segmentBytes: 64 << 20, segmentAgeMs: 3_600_000 },
  ...{ retainMs: undefined, retainBytes: undefined, outage: 'serve' as const, kind: 'audit' as const },
};

/** Takes everything, unless it is told otherwise. */
class MemorySink implements AuditSink {
  readonly taken: { chain: string; line: string }[] = [];
  mode: 'takes' | 'fails' | 'takes_and_fails' = 'takes';
  closed = false;

  async send(chain: string, lines: readonly string[]): Promise<number> {
    if (this.mode !== 'fails') this.taken.push(...lines.map((line) => ({ chain, line })));
    if (this.mode !== 'takes') throw new SinkError('away');
    return 0;
  }

  close(): void {
    this.closed = true;
  }

  ids(): string[] {
    return this.taken.map(({ line }) => JSON.parse(line).request_id);
  }
}

describe('audit exporter', () => {
  let directory: string;
  let audits: string;
  let exporters: AuditExporter[];
  let logged: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'export-test-'));
    audits = join(directory, 'audit');
    exporters = [];
    logged = '';
  });
  afterEach(async () => {
    for (const exporter of exporters) await exporter.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const telling = pino(
    {},
    {
      write(line: string) {
        logged += line;
      },
    },
  );
  const exporting = (sink: AuditSink, name = 'test'): AuditExporter => {
    const exporter = new AuditExporter({ name, sink, auditDirectory: audits, stateDirectory: directory, log: telling });
    exporters.push(exporter);
    exporter.start();
    return exporter;
  };
  const written = async (ids: readonly string[], settings = {}, name = ''): Promise<void> => {
    const audit = await AuditLog.open(audits, name, log, { ...SETTINGS, ...settings });
    for (const id of ids) {
      audit.append(auditRecord(id));
      await audit.flush();
    }
    await audit.close();
  };
  const caughtUp = (exporter: AuditExporter, exported: number) =>
    waitFor(
      `${exported} records`,
      undefined,
      async () => exporter.counts.exported >= exported && exporter.lag().bytes === 0,
    );
  const segments = (): string[] =>
    readdirSync(audits)
      .filter((name) => name.endsWith('.jsonl'))
      .sort();

  it('sends what is there and what comes, over segments, as it stands on disk; and goes on after a restart', async () => {
    const sink = new MemorySink();
    await written(['a', 'b', 'c'], { segmentBytes: 1 });
    const first = exporting(sink);
    await caughtUp(first, 3);
    await written(['d']);
    await caughtUp(first, 4);
    await first.close();
    await written(['e', 'f']);
    await caughtUp(exporting(sink), 2);
    expect(sink.ids()).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'f']);
    const onDisk = segments().map((name) => readFileSync(join(audits, name), 'utf8'));
    expect(`${sink.taken.map(({ line }) => line).join('\n')}\n`).to.equal(onDisk.join(''));
    expect(sink.closed).to.equal(true);
  });

  it('sends the chains of processes that are no more', async () => {
    await written(['a', 'b'], {}, '-1');
    await written(['c'], {}, '-2');
    const sink = new MemorySink();
    await caughtUp(exporting(sink), 3);
    expect(sink.taken.map(({ chain, line }) => `${chain}:${linkOf(line)?.seq}`).sort()).to.deep.equal([
      ...['filter-1:1', 'filter-1:2', 'filter-2:1'],
    ]);
  });

  it('sends again what is not known to be taken, tells how far it is behind, and loses nothing', async () => {
    const sink = new MemorySink();
    sink.mode = 'fails';
    await written(['a', 'b']);
    const exporter = exporting(sink);
    await waitFor('failures', undefined, async () => exporter.counts.failures >= 1);
    expect(exporter.lag().records).to.equal(2);
    expect(exporter.lag().bytes).to.equal(readFileSync(join(audits, segments()[0] ?? ''), 'utf8').length);
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

  it('counts what retention removed before it was sent', async () => {
    const sink = new MemorySink();
    await written(['a'], { segmentBytes: 1 });
    const exporter = exporting(sink);
    await caughtUp(exporter, 1);
    await exporter.close();
    await written(['b', 'c', 'd'], { segmentBytes: 1 });
    for (const name of segments().slice(0, 3)) rmSync(join(audits, name));
    const next = exporting(sink);
    await caughtUp(next, 1);
    expect(sink.ids()).to.deep.equal(['a', 'd']);
    expect(next.counts).to.include({ lost: 2, exported: 1 });
  });

  it('counts no loss for what was removed before it ever began', async () => {
    await written(['a', 'b', 'c'], { segmentBytes: 1 });
    rmSync(join(audits, segments()[0] ?? ''));
    const exporter = exporting(new MemorySink());
    await caughtUp(exporter, 2);
    expect(exporter.counts.lost).to.equal(0);
  });

  it('waits for the rest of half a line, and passes over what is no record', async () => {
    await written(['a', 'b']);
    const path = join(audits, segments()[0] ?? '');
    const [a = '', b = ''] = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, `${a}\nno record\n${b.slice(0, 50)}`);
    const sink = new MemorySink();
    const exporter = exporting(sink);
    await waitFor('the first', undefined, async () => exporter.counts.exported === 1);
    appendFileSync(path, `${b.slice(50)}\n`);
    await caughtUp(exporter, 2);
    expect(sink.ids()).to.deep.equal(['a', 'b']);
    expect(exporter.counts.lost).to.equal(0);
  });

  it('sends a record that is larger than a piece', async () => {
    const audit = await AuditLog.open(audits, '', log, SETTINGS);
    audit.append(auditRecord('large', { dropped_fields: ['x'.repeat(3 << 20)] }));
    audit.append(auditRecord('small'));
    await audit.close();
    const sink = new MemorySink();
    await caughtUp(exporting(sink), 2);
    expect(sink.ids()).to.deep.equal(['large', 'small']);
  });

  it('begins anew where a chain of the same name has begun anew', async () => {
    const sink = new MemorySink();
    await written(['a', 'b']);
    const exporter = exporting(sink);
    await caughtUp(exporter, 2);
    rmSync(audits, { recursive: true });
    await written(['x', 'y', 'z']);
    await caughtUp(exporter, 5);
    expect(sink.ids()).to.deep.equal(['a', 'b', 'x', 'y', 'z']);
    expect(exporter.counts.lost).to.equal(0);
  });

  it('begins anew also where the new chain has grown past the old one while the sink was away, and says so once', async () => {
    const sink = new MemorySink();
    await written(['a', 'b', 'c', 'd'], { segmentBytes: 1 });
    const first = exporting(sink);
    await caughtUp(first, 4);
    await first.close();
    rmSync(audits, { recursive: true });
    await written(['u', 'v', 'w', 'x']);
    await written(['y']);
    await written(['z']);
    expect(segments().length).to.equal(3);
    sink.mode = 'fails';
    const exporter = exporting(sink);
    await waitFor('two tries', undefined, async () => exporter.counts.failures >= 2);
    sink.mode = 'takes';
    await caughtUp(exporter, 6);
    expect(sink.ids().slice(4)).to.deep.equal(['u', 'v', 'w', 'x', 'y', 'z']);
    expect(exporter.counts.lost).to.equal(0);
    expect(logged.match(/begun anew/g)).to.have.lengthOf(1);
  }).timeout(10_000);

  it('says once that a chain has begun anew, also while it has no record yet', async () => {
    const sink = new MemorySink();
    await written(['a']);
    const exporter = exporting(sink);
    await caughtUp(exporter, 1);
    writeFileSync(join(audits, segments()[0] ?? ''), '');
    // Looks at the other chain are looks at this one.
    for (let count = 2; count < 5; count++) {
      await written(['b'], {}, '-2');
      await waitFor('a look', undefined, async () => exporter.counts.exported === count);
    }
    expect(logged.match(/begun anew/g)).to.have.lengthOf(1);
  });

  it('counts what was removed before the sink ever took anything, over restarts', async () => {
    const sink = new MemorySink();
    sink.mode = 'fails';
    await written(['a', 'b', 'c'], { segmentBytes: 1 });
    const first = exporting(sink);
    await waitFor('a failure', undefined, async () => first.counts.failures > 0);
    await first.close();
    for (const name of segments().slice(0, 2)) rmSync(join(audits, name));
    sink.mode = 'takes';
    const next = exporting(sink);
    await caughtUp(next, 1);
    expect(sink.ids()).to.deep.equal(['c']);
    expect(next.counts.lost).to.equal(2);
  });

  it('goes on with the other chains when one cannot be read, and tells of it', async () => {
    await written(['a'], {}, '-1');
    await written(['b'], {}, '-2');
    const [first = ''] = segments();
    renameSync(join(audits, first), join(directory, 'aside'));
    mkdirSync(join(audits, first));
    const sink = new MemorySink();
    const exporter = exporting(sink);
    await waitFor(
      'the other chain',
      undefined,
      async () => exporter.counts.exported === 1 && exporter.counts.failures === 1,
    );
    expect(sink.ids()).to.deep.equal(['b']);
    await waitFor('time', undefined, async () => exporter.lag().seconds > 0);
    expect(logged.match(/cannot be read/g)).to.have.lengthOf(1);
    rmSync(join(audits, first), { recursive: true });
    renameSync(join(directory, 'aside'), join(audits, first));
    await caughtUp(exporter, 2);
    expect(exporter.lag().seconds).to.equal(0);
  }).timeout(20_000);

  it('goes on with the other chains when the sink refuses the records of one, tries that one ever more rarely, and says so once', async () => {
    const sink = new MemorySink();
    const tries: number[] = [];
    const send = sink.send.bind(sink);
    let refuses = true;
    sink.send = async (chain, lines) => {
      if (chain !== 'filter-2' || !refuses) return send(chain, lines);
      tries.push(performance.now());
      throw new RefusedError('status 400');
    };
    await written(['a'], {}, '-1');
    await written(['b'], {}, '-2');
    await written(['c'], {}, '-3');
    const exporter = exporting(sink);
    await waitFor('the others', undefined, async () => exporter.counts.exported === 2);
    expect(sink.ids()).to.have.members(['a', 'c']);
    await written(['d'], {}, '-1');
    await waitFor('what came later', undefined, async () => sink.ids().includes('d'));
    await waitFor('a third try', undefined, async () => tries.length === 3);
    const [, second = 0, third = 0] = tries;
    expect(third - second).to.be.greaterThan(740);
    expect(exporter.counts).to.include({ failures: 3, exported: 3 });
    expect(exporter.lag()).to.include({ records: 1 });
    refuses = false;
    await caughtUp(exporter, 4);
    expect(logged.match(/the sink refuses audit records/g)).to.have.length(1);
    expect(logged.match(/takes the records of this chain again/g)).to.have.length(1);
  }).timeout(20_000);

  it('exports on where its cursor cannot be written', async () => {
    mkdirSync(join(directory, 'audit-export.test.filter.json.new'), { recursive: true });
    await written(['a', 'b']);
    const sink = new MemorySink();
    const exporter = exporting(sink);
    await caughtUp(exporter, 2);
    await written(['c']);
    await caughtUp(exporter, 3);
    expect(sink.ids()).to.deep.equal(['a', 'b', 'c']);
    expect(logged.match(/cannot be noted/g)).to.have.lengthOf(1);
  });

  it('sends everything again when its cursor cannot be read', async () => {
    const sink = new MemorySink();
    await written(['a']);
    const exporter = exporting(sink);
    await caughtUp(exporter, 1);
    await exporter.close();
    writeFileSync(join(directory, 'audit-export.test.filter.json'), '{"seq":1');
    await caughtUp(exporting(sink), 1);
    expect(sink.ids()).to.deep.equal(['a', 'a']);
  });

  it('leaves the event loop to others while it catches up', async () => {
    const audit = await AuditLog.open(audits, '', log, SETTINGS);
    for (let index = 0; index < 20_000; index++) audit.append(auditRecord(`r${index}`));
    await audit.close();
    const exporter = exporting(new MemorySink());
    let [last, longest] = [performance.now(), 0];
    const watch = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    await caughtUp(exporter, 20_000);
    clearInterval(watch);
    expect(longest).to.be.lessThan(250);
  }).timeout(60_000);

  it('to standard output: a reader that stands still does not stop the process, and gets everything when it goes on', async () => {
    const audit = await AuditLog.open(audits, '', log, SETTINGS);
    for (let index = 0; index < 2_000; index++) audit.append(auditRecord(`r${index}`));
    await audit.close();
    const run = (): ChildProcess =>
      spawn(process.execPath, [join(ROOT, 'test/unit/observability/stdout-child.ts'), directory], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    const stalled = run();
    const ended = once(stalled, 'exit');
    let alive = 0;
    stalled.stderr?.on('data', () => alive++);
    await waitFor('signs of life', undefined, async () => alive > 30);
    stalled.kill('SIGTERM');
    expect(await ended).to.deep.equal([0, null]);
    const reading = run();
    let text = '';
    reading.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    await waitFor('all lines', undefined, async () => text.endsWith('\n') && text.split('\n').length > 2_000);
    reading.kill('SIGTERM');
    await once(reading, 'exit');
    const ids = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).request_id);
    expect(ids).to.deep.equal(Array.from({ length: 2_000 }, (_, index) => `r${index}`));
  }).timeout(60_000);

  it('to standard output, a file on a full disk: every line is whole in the end', async function () {
    const disk = join(directory, 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100k', 'none', disk], { stdio: 'ignore' });
    } catch {
      // It takes root to have a small disk.
      this.skip();
    }
    const path = join(disk, 'out');
    try {
      const out = openSync(path, 'a');
      mkdirSync(audits);
      const args = [join(ROOT, 'test/unit/observability/stdout-child.ts'), directory];
      const child = spawn(process.execPath, args, { stdio: ['ignore', out, 'pipe'] });
      closeSync(out);
      child.stderr?.resume();
      const audit = await AuditLog.open(audits, '', log, SETTINGS);
      // One by one: the line that the disk has half of is the first of its piece.
      const printed = (): string => readFileSync(path, 'utf8');
      for (let before = -1; before !== printed().length && statfsSync(disk).bfree > 0; ) {
        before = printed().length;
        audit.append(auditRecord('r', { dropped_fields: ['x'.repeat(9_000)] }));
        await audit.flush();
        await waitFor('a line, or half of it', undefined, async () => printed().length > before);
      }
      await audit.close();
      expect(printed().endsWith('\n')).to.equal(false);
      execFileSync('mount', ['-o', 'remount,size=8m', disk], { stdio: 'ignore' });
      const whole = (): Set<string> =>
        new Set(
          readFileSync(path, 'utf8')
            .split('\n')
            .filter((line) => linkOf(line)),
        );
      const [name = ''] = segments();
      const lines = readFileSync(join(audits, name), 'utf8').split('\n').slice(0, -1);
      try {
        await waitFor('all lines', undefined, async () => lines.every((line) => whole().has(line)));
      } finally {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
    } finally {
      execFileSync('umount', [disk]);
    }
  }).timeout(60_000);

  it('ends soon with a backlog, and the next one has the rest', async () => {
    const audit = await AuditLog.open(audits, '', log, SETTINGS);
    for (let index = 0; index < 5_000; index++) audit.append(auditRecord(`r${index}`));
    await audit.close();
    const sink = new MemorySink();
    const slow: AuditSink = {
      async send(chain, lines) {
        await new Promise((resolve) => setTimeout(resolve, 700));
        return sink.send(chain, lines);
      },
      close: () => undefined,
    };
    const first = exporting(slow);
    await waitFor('a piece', undefined, async () => first.counts.exported > 0);
    const began = performance.now();
    await first.close();
    expect(performance.now() - began).to.be.lessThan(5_000);
    expect(first.lag().records).to.be.greaterThan(0);
    const next = exporting(sink);
    await caughtUp(next, 5_000 - first.counts.exported);
    expect(sink.ids()).to.deep.equal(Array.from({ length: 5_000 }, (_, index) => `r${index}`));
  }).timeout(30_000);

  it('two of one name at once lose nothing, and leave a note that the next one can use', async () => {
    const sinks = [new MemorySink(), new MemorySink()];
    const both = sinks.map((sink) => exporting(sink));
    const ids: string[] = [];
    for (let round = 0; round < 15; round++) {
      ids.push(`r${round}`);
      await written([`r${round}`], { segmentBytes: round % 2 === 0 ? 1 : SETTINGS.segmentBytes });
    }
    // One may begin where the other has noted that it is: what both have sent counts.
    const sent = (): Set<string> => new Set(sinks.flatMap((sink) => sink.ids()));
    await waitFor('all records', undefined, async () => ids.every((id) => sent().has(id)));
    for (const exporter of both) await exporter.close();
    const last = new MemorySink();
    await written(['last']);
    await caughtUp(exporting(last), 1);
    expect(last.ids().at(-1)).to.equal('last');
  }).timeout(20_000);

  it('over OTLP: outlives 503s, silence and broken connections; what is too large goes in halves, and what never fits is told', async () => {
    const collector = await startOtlpCollector();
    const client = createOtlpClient({
      url: `${collector.url}/v1/logs`,
      headers: {},
      protocol: 'http/protobuf',
      timeoutMs: 200,
      tls: {},
    });
    collector.mishaps.push({ status: 503, headers: { 'retry-after': '1' } }, 'hang', 'drop', { status: 401 });
    const ids = Array.from({ length: 50 }, (_, index) => `r${index}`);
    await written(ids);
    const exporter = exporting(otlpSink(client, { 'service.name': 's' }));
    await caughtUp(exporter, 50);
    expect(exporter.counts).to.include({ failures: 4, rejected: 0 });
    expect(collector.logs.map(({ body }) => JSON.parse(body).request_id)).to.deep.equal(ids);
    const [first] = collector.logs;
    expect(first).to.deep.include({ traceId: '0af7651916cd43dd8448eb211c80319c', severity: 9 });
    expect(first?.attributes).to.include({ 'gateway.audit.chain': 'filter', 'gateway.audit.seq': 1, 'gateway.tenant': 't' });
    collector.mishaps.push({ status: 413 }, { status: 413 }, { status: 413 });
    const audit = await AuditLog.open(audits, '', log, SETTINGS);
    for (const id of ['x', 'y', 'z', 'w']) audit.append(auditRecord(id));
    await audit.close();
    await caughtUp(exporter, 53);
    expect(exporter.counts.rejected).to.equal(1);
    expect(collector.logs.slice(50).map(({ body }) => JSON.parse(body).request_id)).to.deep.equal(['y', 'z', 'w']);
    await exporter.close();
    await collector.close();
    expect(collector.violations).to.deep.equal([]);
  }).timeout(60_000);

  it('over OTLP: a collector that rejects more than it was sent does not break the metrics', async () => {
    const collector = await startOtlpCollector();
    const client = createOtlpClient({
      url: `${collector.url}/v1/logs`,
      headers: {},
      protocol: 'http/json',
      timeoutMs: 500,
      tls: {},
    });
    collector.mishaps.push({ status: 200, body: '{"partialSuccess":{"rejectedLogRecords":"7"}}' });
    await written(['a']);
    const exporter = exporting(otlpSink(client, { 'service.name': 's' }));
    await waitFor('the rejection', undefined, async () => exporter.counts.rejected > 0);
    expect(exporter.counts).to.include({ exported: 0, rejected: 1 });
    const registry = new Registry();
    registerExportMetrics(registry, [exporter]);
    expect(await registry.metrics()).to.include('gateway_audit_export_rejected_records_total{exporter="test"} 1');
    await exporter.close();
    await collector.close();
  });

  it('over OTLP: a damaged line, and half a surrogate pair that a provider named, hold nothing up', async () => {
    const collector = await startOtlpCollector();
    const client = createOtlpClient({
      url: `${collector.url}/v1/logs`,
      headers: {},
      protocol: 'http/json',
      timeoutMs: 500,
      tls: {},
    });
    const audit = await AuditLog.open(audits, '', log, SETTINGS);
    for (const id of ['a', 'b', 'c', 'd', 'e']) audit.append(auditRecord(id, id === 'c' ? { alias: 'x\ud800' } : {}));
    await audit.close();
    const path = join(audits, segments()[0] ?? '');
    const lines = readFileSync(path, 'utf8').split('\n');
    const broken = lines.map((line, index) => {
      if (index === 1) return line.replace('"request_id":', '"request_id";');
      if (index === 4) return line.replace(/"trace_id":"./, '"trace_id":"V').replace(/"span_id":"./, '"span_id":"');
      return index === 3 ? line.replace(/"time":"[^"]*"/, '"time":"soon"') : line;
    });
    writeFileSync(path, broken.join('\n'));
    const exporter = exporting(otlpSink(client, { 'service.name': 's' }));
    await caughtUp(exporter, 5);
    expect(collector.logs.map(({ body }) => body)).to.deep.equal(broken.slice(0, 5));
    expect(collector.logs[4]).to.deep.include({ traceId: '', spanId: '', severity: 9 });
    expect(collector.logs[1]).to.deep.include({ traceId: '', severity: 17 });
    expect(collector.logs[1]?.attributes).to.deep.equal({ 'gateway.audit.chain': 'filter', 'gateway.audit.seq': 2 });
    expect(collector.logs[2]?.attributes['gateway.alias']).to.equal('x\ufffd');
    await exporter.close();
    await collector.close();
    expect(collector.violations).to.deep.equal([]);
    expect(exporter.counts.failures).to.equal(0);
  }).timeout(10_000);
});
