/** Every audit record arrives, whoever is killed: in a Redis stream, at a collector, on standard output. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { pino } from 'pino';
import { verifyChains } from '../../filter/cli/audit-verify.ts';
import { AuditExporter } from '../../filter/observability/audit-exporter.ts';
import { linkOf } from '../../filter/observability/audit-line.ts';
import { redisSink } from '../../filter/observability/redis-sink.ts';
import { createClient } from '../../filter/quota/redis-link.ts';
import { post } from '../envoy/callers.ts';
import { startOtlpCollector } from '../stack/otlp-collector.ts';
import { ROOT, waitFor } from '../stack/processes.ts';
import { type RedisServer, startRedis } from '../stack/redis.ts';
import { startStack } from '../stack/stack.ts';

/** Chain and number -> the line; chains are those of the files' names. */
function onDisk(directory: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(directory).sort()) {
    const chain = /^audit\.(.+)\.\d{15}\.jsonl$/.exec(name)?.[1];
    if (chain === undefined) continue;
    for (const line of readFileSync(join(directory, name), 'utf8').split('\n')) {
      const link = linkOf(line);
      if (link !== undefined) found.set(`${chain}:${link.seq}`, line);
    }
  }
  return found;
}

interface Arrived {
  readonly records: Map<string, string>;
  readonly doubles: number;
}

/** @throws Error when two different records have one number */
function arrived(entries: Iterable<readonly [key: string, line: string]>): Arrived {
  const records = new Map<string, string>();
  let doubles = 0;
  for (const [key, line] of entries) {
    const before = records.get(key);
    if (before !== undefined && before !== line) throw new Error(`two records are ${key}`);
    if (before !== undefined) doubles += 1;
    records.set(key, line);
  }
  return { records, doubles };
}

async function inStream(redis: RedisServer, stream: string): Promise<Arrived> {
  const entries = await redis.client.xrange(stream, '-', '+');
  return arrived(entries.map(([, [, chain, , seq, , record]]) => [`${chain}:${seq}`, record ?? ''] as const));
}

/** Numbers rather than lists: thousands of lines tell nobody anything. */
function missing(disk: Map<string, string>, { records }: Arrived): number {
  return [...disk].filter(([key, line]) => records.get(key) !== line).length;
}

describe('audit export', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await startRedis();
  });
  afterEach(() => redis.stop());

  it('to Redis: nothing is lost when the exporting process and Redis are killed at any moment; what comes twice is the same', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'export-kill-'));
    const audits = join(directory, 'audit');
    mkdirSync(audits);
    let seed = 11;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    for (let run = 0; run < 12; run++) {
      const child: ChildProcess = spawn(
        process.execPath,
        [join(ROOT, 'test/redis/audit-export-child.ts'), directory, String(run), redis.url],
        { stdio: ['ignore', 'inherit', 'inherit'] },
      );
      const ended = once(child, 'exit');
      const before = onDisk(audits).size;
      await waitFor('records of this run', undefined, async () => onDisk(audits).size > before);
      if (run % 3 === 1) {
        await sleep(random(200));
        await redis.kill();
        await sleep(random(300));
        await redis.start();
      }
      await sleep(random(400));
      child.kill('SIGKILL');
      expect((await ended)[1]).to.equal('SIGKILL');
    }
    const [report] = await verifyChains(audits, []);
    const client = createClient({
      mode: 'standalone',
      urls: [redis.url],
      sentinelName: undefined,
      passwordFile: undefined,
      caFile: undefined,
    });
    const sink = redisSink(client, { stream: 'audit', maxLength: 0 });
    const log = pino({ level: 'silent' });
    const last = new AuditExporter({ name: 'redis', sink, auditDirectory: audits, stateDirectory: directory, log });
    last.start();
    // A half line that the last kill left is no record, and never will be.
    const disk = onDisk(audits);
    await waitFor('the rest', undefined, async () => missing(disk, await inStream(redis, 'audit')) === 0);
    await last.close();
    const stream = await inStream(redis, 'audit');
    expect(disk.size).to.be.greaterThan(500);
    expect(last.counts.lost).to.equal(0);
    expect(stream.records.size).to.equal(disk.size);
    expect(report).to.include({ lost: 0 });
    rmSync(directory, { recursive: true });
  }).timeout(180_000);

  it('of a whole gateway: to three sinks, while workers, Redis and the collector fail under load', async () => {
    const collector = await startOtlpCollector();
    const stack = await startStack({
      workers: 2,
      environment: {
        GATEWAY_AUDIT_EXPORT: 'stdout, redis,otlp',
        GATEWAY_AUDIT_REDIS_URL: redis.url,
        GATEWAY_AUDIT_REDIS_STREAM: 'records',
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${collector.url}/v1/logs`,
        OTEL_EXPORTER_OTLP_TIMEOUT: '300',
      },
    });
    const audits = join(stack.directory, 'audit');
    try {
      // A worker that was there before the last start.
      const dead =
        '{"schema_version":1,"request_id":"r","time":"2026-11-24T00:00:00.000Z","outcome":"ok","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b9c7c989f97918e1"';
      writeFileSync(join(audits, 'audit.filter-7.000000000000001.jsonl'), `${dead},"seq":1,"chain":"${'a'.repeat(64)}"}\n`);
      const mishaps = ['hang', 'drop', { status: 503 }] as const;
      let loading = true;
      const load = Array.from({ length: 4 }, async () => {
        while (loading) {
          const messages = [{ role: 'user', content: 'x' }];
          await post(stack, '/v1/chat/completions', { model: 'fast-summariser', messages }).catch(() => undefined);
        }
      });
      for (let round = 0; round < 3; round++) {
        const before = onDisk(audits).size;
        await waitFor('load', stack.filter, async () => onDisk(audits).size > before + 100);
        process.kill(childOf(stack.filter.pid), 'SIGKILL');
        await redis.kill();
        collector.mishaps.push(...mishaps.slice(round, round + 1));
        await waitFor('more load', stack.filter, async () => onDisk(audits).size > before + 200);
        await redis.start();
      }
      loading = false;
      await Promise.all(load);
      const all = (): Promise<Arrived[]> =>
        Promise.all([
          inStream(redis, 'records'),
          arrived(
            collector.logs.map(({ body, attributes }) => [
              `${attributes['gateway.audit.chain']}:${linkOf(body)?.seq}`,
              body,
            ]),
          ),
        ]);
      await waitFor('all records', stack.filter, async () =>
        (await all()).every((found) => missing(onDisk(audits), found) === 0),
      );
      const disk = onDisk(audits);
      expect(new Set([...disk.keys()].map((key) => key.split(':')[0]))).to.deep.equal(
        new Set(['filter-1', 'filter-2', 'filter-7']),
      );
      await waitFor(
        'all lines',
        stack.filter,
        async () => readFileSync(stack.filter.stdoutPath, 'utf8').split('\n').length > disk.size,
      );
      // Nothing but records, each whole.
      const printed = readFileSync(stack.filter.stdoutPath, 'utf8').split('\n').slice(0, -1);
      const known = new Set(disk.values());
      expect(printed.filter((line) => !known.has(line))).to.deep.equal([]);
      expect(new Set(printed).size).to.equal(known.size);
      expect(readFileSync(stack.filter.logPath, 'utf8')).to.include('filter is ready');

      const metrics = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
      for (const exporter of ['stdout', 'redis', 'otlp']) {
        expect(metrics).to.include(`gateway_audit_export_lag_bytes{exporter="${exporter}"} 0`);
        expect(metrics).to.include(`gateway_audit_export_lost_records_total{exporter="${exporter}"} 0`);
      }
      expect(collector.violations).to.deep.equal([]);
    } finally {
      await stack.stop();
      await collector.close();
    }
  }).timeout(180_000);
});

/** Any one of the workers. */
function childOf(pid: number): number {
  const [first] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return Number(first);
}
