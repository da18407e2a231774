import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { Registry } from 'prom-client';
import type { AuditSink } from '../../../filter/observability/audit-sink.ts';
import { registerExportMetrics } from '../../../filter/observability/export-metrics.ts';
import { createOtlpClient, OTLP_PROTOCOLS, type OtlpEndpoint } from '../../../filter/observability/otlp-client.ts';
import { otlpSink } from '../../../filter/observability/otlp-sink.ts';
import { type OtlpCollector, otlpEndpoint, startOtlpCollector } from '../../stack/otlp-collector.ts';
import { waitFor } from '../../stack/processes.ts';
import { caughtUp, ExportFixture, numbered } from './export-fixture.ts';
import { record } from './observed.ts';

describe('audit records over OTLP', () => {
  let fixture: ExportFixture;
  let collector: OtlpCollector;
  beforeEach(async () => {
    fixture = new ExportFixture();
    collector = await startOtlpCollector();
  });
  afterEach(async () => {
    await fixture.close();
    await collector.close();
    expect(collector.violations).to.deep.equal([]);
  });
  const sinkOf = (changes: Partial<OtlpEndpoint>): AuditSink =>
    otlpSink(createOtlpClient(otlpEndpoint(`${collector.url}/v1/logs`, changes)), { 'service.name': 's' });

  for (const protocol of OTLP_PROTOCOLS)
    it(`compresses ${protocol} when it is asked to`, async () => {
      await fixture.writeAll(numbered(50).map((id) => record(id)));
      await caughtUp(fixture.exporting(sinkOf({ protocol, compression: 'gzip' })), 50);
      expect(collector.logs.map(({ body }) => JSON.parse(body).request_id)).to.deep.equal(numbered(50));
      const [request] = collector.requests;
      expect(request?.headers['content-encoding']).to.equal('gzip');
      expect(Number(request?.headers['content-length'])).to.be.below(fixture.read().length / 8);
    });

  it('outlives 503s, silence and broken connections; what is too large goes in halves, and what never fits is told', async () => {
    const sink = sinkOf({ timeoutMs: 200 });
    collector.mishaps.push({ status: 503, headers: { 'retry-after': '1' } }, 'hang', 'drop', { status: 401 });
    await fixture.writeAll(numbered(50).map((id) => record(id)));
    const exporter = fixture.exporting(sink);
    await caughtUp(exporter, 50);
    expect(exporter.counts).to.include({ failures: 4, rejected: 0 });
    expect(collector.logs.map(({ body }) => JSON.parse(body).request_id)).to.deep.equal(numbered(50));
    const [first] = collector.logs;
    expect(first).to.deep.include({ traceId: '0af7651916cd43dd8448eb211c80319c', severity: 9 });
    expect(first?.attributes).to.include({ 'gateway.audit.chain': 'filter', 'gateway.audit.seq': 1, 'gateway.tenant': 't' });
    collector.refuses = ({ body }) => (JSON.parse(body).request_id === 'x' ? 413 : undefined);
    await fixture.writeAll(['x', 'y', 'z', 'w'].map((id) => record(id)));
    await caughtUp(exporter, 53);
    expect(exporter.counts.rejected).to.equal(1);
    const behind = collector.logs.map(({ body }) => JSON.parse(body).request_id).filter((id) => !numbered(50).includes(id));
    expect(behind).to.deep.equal(['y', 'z', 'w']);
  }).timeout(60_000);

  it('a collector that rejects more than it was sent does not break the metrics', async () => {
    const sink = sinkOf({ protocol: 'http/json' });
    collector.mishaps.push({ status: 200, body: '{"partialSuccess":{"rejectedLogRecords":"7"}}' });
    await fixture.write(['a']);
    const exporter = fixture.exporting(sink);
    await waitFor('the rejection', undefined, async () => exporter.counts.rejected > 0);
    expect(exporter.counts).to.include({ exported: 0, rejected: 1 });
    const registry = new Registry();
    registerExportMetrics(registry, [exporter]);
    expect(await registry.metrics()).to.include('gateway_audit_export_rejected_records_total{exporter="test"} 1');
  });

  it('a damaged line, and half a surrogate pair that a provider named, hold nothing up', async () => {
    const sink = sinkOf({ protocol: 'http/json' });
    await fixture.writeAll(['a', 'b', 'c', 'd', 'e'].map((id) => record(id, id === 'c' ? { alias: 'x\ud800' } : {})));
    const lines = fixture.read().split('\n');
    const broken = lines.map((line, index) => {
      if (index === 1) return line.replace('"request_id":', '"request_id";');
      if (index === 4) return line.replace(/"trace_id":"./, '"trace_id":"V').replace(/"span_id":"./, '"span_id":"');
      return index === 3 ? line.replace(/"time":"[^"]*"/, '"time":"soon"') : line;
    });
    writeFileSync(fixture.path(), broken.join('\n'));
    const exporter = fixture.exporting(sink);
    await caughtUp(exporter, 5);
    expect(collector.logs.map(({ body }) => body)).to.deep.equal(broken.slice(0, 5));
    expect(collector.logs[4]).to.deep.include({ traceId: '', spanId: '', severity: 9 });
    expect(collector.logs[1]).to.deep.include({ traceId: '', severity: 17 });
    expect(collector.logs[1]?.attributes).to.deep.equal({ 'gateway.audit.chain': 'filter', 'gateway.audit.seq': 2 });
    expect(collector.logs[2]?.attributes['gateway.alias']).to.equal('x\ufffd');
    expect(exporter.counts.failures).to.equal(0);
  }).timeout(10_000);
});
