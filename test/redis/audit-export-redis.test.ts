/** The exporter's Redis in all its forms, and what it says when it is not there. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';
import { AuditExporter } from '../../filter/observability/audit-exporter.ts';
import { AuditLog } from '../../filter/observability/audit-log.ts';
import { redisSink } from '../../filter/observability/redis-sink.ts';
import { createClient, type RedisSettings } from '../../filter/quota/redis-link.ts';
import { waitFor } from '../stack/processes.ts';
import { makeTlsFiles, type RedisServer, startRedis, startRedisCluster, startWatchedRedis } from '../stack/redis.ts';
import { record } from '../unit/observability/observed.ts';

const NONE = { sentinelName: undefined, passwordFile: undefined, caFile: undefined };

describe("the audit exporter's Redis", () => {
  let directory: string;
  let audit: AuditLog;
  let logged: string;
  let ends: (() => Promise<unknown>)[];
  let written: number;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'export-redis-'));
    logged = '';
    ends = [];
    written = 0;
    audit = await AuditLog.open(join(directory, 'audit'), '', pino({ level: 'silent' }), {
      ...{ syncMs: 1, queueBytes: 64 << 20, segmentBytes: 1 << 20, segmentAgeMs: 3_600_000 },
      ...{ retainMs: undefined, retainBytes: undefined, outage: 'serve' as const, kind: 'audit' as const },
    });
    ends.push(() => audit.close());
  });
  afterEach(async () => {
    for (const end of ends.reverse()) await end();
    rmSync(directory, { recursive: true });
  });
  const write = (line: string): void => {
    logged += line;
  };
  const exportTo = (settings: RedisSettings): AuditExporter => {
    const exporter = new AuditExporter({
      ...{ name: 'redis', sink: redisSink(createClient(settings), { stream: 'audit', maxLength: 0 }) },
      ...{ auditDirectory: join(directory, 'audit'), stateDirectory: directory },
      log: pino({}, { write }),
    });
    exporter.start();
    ends.push(() => exporter.close());
    return exporter;
  };
  const append = async (count: number, bytes = 0): Promise<void> => {
    for (let index = 0; index < count; index++)
      audit.append(record(`r${written++}`, { dropped_fields: ['x'.repeat(bytes)] }));
    await audit.flush();
  };
  const arrivedAt = async ({ client }: Pick<RedisServer, 'client'>): Promise<number[]> =>
    (await client.xrange('audit', '-', '+')).map(([, [, , , seq]]) => Number(seq));
  const allAt = (server: Pick<RedisServer, 'client'>): Promise<void> =>
    waitFor('all records', undefined, async () => new Set(await arrivedAt(server)).size === written);

  it('takes a batch whole or not at all, so that numbers only ever go back to an earlier one', async () => {
    const redis = await startRedis();
    ends.push(() => redis.stop());
    const used = Number(/used_memory:(\d+)/.exec(await redis.client.info('memory'))?.[1]);
    await redis.client.config('SET', 'maxmemory', String(used + 300_000));
    await append(6, 40_000);
    const exporter = exportTo({ ...NONE, mode: 'standalone', urls: [redis.url] });
    await waitFor('failures', undefined, async () => exporter.counts.failures >= 2);
    expect(await arrivedAt(redis)).to.deep.equal([]);
    expect(logged).to.include('OOM command not allowed');
    await redis.client.config('SET', 'maxmemory', '0');
    await allAt(redis);
    expect(await arrivedAt(redis)).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(logged).not.to.include('xxxx');
  }).timeout(30_000);

  it('over TLS, with a password; why a connection is refused is told, and no secret', async () => {
    const files = makeTlsFiles();
    ends.push(async () => rmSync(files.directory, { recursive: true }));
    const tls = [`tls-cert-file ${files.certificate}`, `tls-key-file ${files.key}`, `tls-ca-cert-file ${files.ca}`];
    const redis = await startRedis({
      config: [...tls, 'tls-auth-clients no', 'requirepass hush-hush'],
      client: { password: 'hush-hush', tls: { ca: readFileSync(files.ca, 'utf8') } },
    });
    ends.push(() => redis.stop());
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, 'hush-hush\n');
    await append(3);
    const right = { ...NONE, mode: 'standalone', urls: [redis.url], caFile: files.ca, passwordFile } as const;
    const wrongFile = join(directory, 'wrong');
    writeFileSync(wrongFile, 'hush-hush-hush\n');
    const wrong: readonly (readonly [settings: RedisSettings, told: RegExp])[] = [
      [{ ...right, caFile: undefined }, /self.signed|unable to (get|verify)/i],
      [{ ...right, passwordFile: wrongFile }, /WRONGPASS/],
      [{ ...right, urls: ['rediss://127.0.0.1:1'] }, /ECONNREFUSED/],
    ];
    for (const [settings, told] of wrong) {
      logged = '';
      const refused = exportTo(settings);
      await waitFor('the reason', undefined, async () => told.test(logged));
      await refused.close();
      expect(logged).not.to.include('hush-hush');
    }
    exportTo(right);
    await allAt(redis);
    expect(await arrivedAt(redis)).to.deep.equal([1, 2, 3]);
  }).timeout(60_000);

  it('in a cluster: the stream lies on one node; when that one is away, records wait for it', async () => {
    const cluster = await startRedisCluster();
    ends.push(() => cluster.stop());
    const exporter = exportTo({ ...NONE, mode: 'cluster', urls: cluster.urls });
    await append(10);
    await waitFor('the first ones', undefined, async () => exporter.counts.exported === 10);
    const lengths = await Promise.all(cluster.servers.map(({ client }) => client.xlen('audit').catch(() => -1)));
    expect(lengths.filter((length) => length >= 0)).to.deep.equal([10]);
    const owner = cluster.servers[lengths.indexOf(10)];
    if (owner === undefined) throw new Error('no owner');
    await owner.kill();
    await append(10);
    await waitFor('a failure', undefined, async () => exporter.counts.failures > 0);
    await owner.start();
    await allAt(owner);
  }).timeout(60_000);

  it('behind sentinels: goes on at the new master', async () => {
    const watched = await startWatchedRedis();
    ends.push(() => watched.stop());
    exportTo({ ...NONE, mode: 'sentinel', urls: watched.urls, sentinelName: watched.name });
    await append(10);
    await allAt(watched.master);
    await allAt(watched.replica);
    await watched.master.kill();
    await append(10);
    await allAt(watched.replica);
    expect((await arrivedAt(watched.replica)).slice(0, 10)).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  }).timeout(60_000);
});
