import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';
import { startAdminServer } from '../../../filter/admin/admin-server.ts';
import { AuditLog } from '../../../filter/observability/audit-log.ts';
import { estimateTokens } from '../../../filter/observability/estimate.ts';
import { createMetrics } from '../../../filter/observability/metrics.ts';
import { record, sources } from './observed.ts';

const log = pino({ level: 'silent' });

describe('metrics', () => {
  it('count a request, its attempts and its tokens; an unknown alias is one label', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'audit-test-'));
    const auditLog = await AuditLog.open(directory, '', log);
    const { registry, observe } = createMetrics({ ...sources(auditLog), inFlight: () => 7 });
    observe(record('a'));
    for (let index = 0; index < 50; index++)
      observe(record('b', { alias: `guess-${index}`, outcome: 'caller_error', attempts: [], usage: null }));
    const text = await registry.metrics();
    expect(text).to.include(
      'gateway_requests_total{caller_schema="openai-chat",alias="fast",outcome="ok",workload_class="unknown"} 1',
    );
    expect(text).to.include(
      'gateway_requests_total{caller_schema="openai-chat",alias="unknown",outcome="caller_error",workload_class="unknown"} 50',
    );
    expect(text).to.include(
      'gateway_attempts_total{target="gpt",cluster="openai",model="m",outcome="ok",error_class="none"} 1',
    );
    expect(text).to.include('gateway_tokens_total{target="gpt",cluster="openai",model="m",kind="input"} 5');
    expect(text).to.include('gateway_tokens_total{target="gpt",cluster="openai",model="m",kind="cache_read"} 2');
    expect(text).to.include('gateway_requests_in_flight 7');
    expect(text).to.not.include('guess-');
    rmSync(directory, { recursive: true });
  });

  it('estimates about four characters a token', () => {
    expect([estimateTokens(0), estimateTokens(1), estimateTokens(8), estimateTokens(9)]).to.deep.equal([0, 1, 2, 3]);
  });
});

describe('admin server', () => {
  it('answers health, readiness and metrics, and says what is taken', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'audit-test-'));
    const auditLog = await AuditLog.open(directory, '', log);
    const { registry } = createMetrics(sources(auditLog));
    let ready = true;
    const options = {
      host: '127.0.0.1',
      port: 0,
      metrics: () => registry.metrics(),
      isReady: () => ready,
      console: undefined,
    };
    const admin = await startAdminServer(options);
    const get = async (path: string, method = 'GET') => {
      const response = await fetch(`http://127.0.0.1:${admin.port}${path}`, { method });
      return { status: response.status, text: await response.text() };
    };
    expect(await get('/healthz')).to.deep.equal({ status: 200, text: 'ok\n' });
    expect((await get('/readyz')).status).to.equal(200);
    ready = false;
    expect(await get('/readyz')).to.deep.include({ status: 503 });
    expect((await get('/metrics')).text).to.include('process_resident_memory_bytes');
    expect((await get('/nope')).status).to.equal(404);
    expect((await get('/metrics', 'POST')).status).to.equal(405);
    const taken = await startAdminServer({ ...options, port: admin.port }).then(() => '', String);
    expect(taken).to.include(`127.0.0.1:${admin.port} is in use; set GATEWAY_ADMIN_PORT`);
    await admin.close();
    rmSync(directory, { recursive: true });
  });
});
