/** Appends records without end and exports them to Redis: `audit-export-child.ts DIRECTORY RUN REDIS_URL`. It is killed. */
import { join } from 'node:path';
import { pino } from 'pino';
import { AuditExporter } from '../../filter/observability/audit-exporter.ts';
import { AuditLog } from '../../filter/observability/audit-log.ts';
import { redisSink } from '../../filter/observability/redis-sink.ts';
import { createClient } from '../../filter/quota/redis-link.ts';
import { record } from '../unit/observability/observed.ts';

const [, , directory = '', run = '', url = ''] = process.argv;
const log = pino({ level: 'silent' });
const auditDirectory = join(directory, 'audit');
const audit = await AuditLog.open(auditDirectory, '', log, {
  ...{ syncMs: 1, queueBytes: 64 << 20, segmentBytes: 100_000, segmentAgeMs: 3_600_000 },
  ...{ retainMs: undefined, retainBytes: undefined, outage: 'serve' as const, kind: 'audit' as const },
});
const client = createClient({
  mode: 'standalone',
  urls: [url],
  sentinelName: undefined,
  passwordFile: undefined,
  caFile: undefined,
});
const sink = redisSink(client, { stream: 'audit', maxLength: 0 });
new AuditExporter({ name: 'redis', sink, auditDirectory, stateDirectory: directory, log }).start();
let next = 0;
setInterval(() => {
  for (let count = 0; count < 5; count++) audit.append(record(`${run}-${next++}`));
}, 2);
