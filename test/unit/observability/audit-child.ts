/** Appends without end, and says how many records it was told are on disk: `audit-child.ts DIRECTORY RUN`. It is killed. */
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { AuditLog } from '../../../filter/observability/audit-log.ts';
import { record as auditRecord } from './observed.ts';

const [, , directory = '', run = ''] = process.argv;
const audit = await AuditLog.open(directory, '', pino({ level: 'silent' }), {
  ...{ syncMs: 1, queueBytes: 64 << 20, segmentBytes: 200_000, segmentAgeMs: 3_600_000 },
  ...{ retainMs: undefined, retainBytes: undefined, outage: 'serve', kind: 'audit' },
});
let told = 0;
let next = 0;

function step(): void {
  if (audit.queuedBytes < 1 << 20) for (let count = 0; count < 50; count++) audit.append(auditRecord(`${run}-${next++}`));
  if (audit.written > told) {
    told = audit.written;
    writeSync(1, `${told}\n`);
  }
  setImmediate(step);
}

step();
