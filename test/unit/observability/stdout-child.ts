/** Exports an audit log to standard output, which nobody may read: `stdout-child.ts DIRECTORY`. Says on standard error that it is alive. */
import { join } from 'node:path';
import { pino } from 'pino';
import { AuditExporter } from '../../../filter/observability/audit-exporter.ts';
import { stdoutSink } from '../../../filter/observability/stdout-sink.ts';

const [, , directory = ''] = process.argv;
const exporter = new AuditExporter({
  ...{ name: 'stdout', sink: stdoutSink(), log: pino({ level: 'silent' }) },
  ...{ auditDirectory: join(directory, 'audit'), stateDirectory: directory },
});
exporter.start();
setInterval(() => console.error('alive'), 20);
process.on('SIGTERM', () => void exporter.close().then(() => process.exit(0)));
