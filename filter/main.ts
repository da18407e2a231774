/** The filter's entry: reads the settings and serves, in this process or in several workers, until it is told to end. */
import { type Logger, pino } from 'pino';
import { startAdminServer } from './admin/admin-server.ts';
import { CredentialError } from './credentials/credentials.ts';
import { PolicyError } from './policy/load.ts';
import { readSettings, type Settings, SettingsError } from './settings.ts';
import { type FromWorker, supervise, type ToWorker, WORKER_VARIABLE } from './supervisor.ts';
import { startWorker, type WorkerOptions } from './worker.ts';

const index = Number(process.env[WORKER_VARIABLE] ?? 0);
const log = pino({
  base: { process: 'filter', ...(index === 0 ? {} : { worker: index }) },
  timestamp: pino.stdTimeFunctions.isoTime,
});

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  if (index > 0) await serveAsWorker(settings);
  else if (settings.workers === 1) await serveAlone(settings);
  else await serveWithWorkers(settings);
}

async function serveAlone(settings: Settings): Promise<void> {
  const address = settings.advertise ?? settings.listen;
  const worker = await startWorker({
    ...{ settings, log, address, index, auditName: '', onHint: () => undefined },
    ...{ socketPath: settings.socketPath, listen: settings.listen },
  });
  let draining = false;
  const admin = await startAdminServer({
    ...{ host: settings.adminHost, port: settings.adminPort },
    metrics: () => worker.registry.metrics(),
    isReady: () => !draining,
  });
  log.info({ socket: settings.socketPath, adminPort: admin.port, policy: worker.policyVersion() }, 'filter is ready');
  process.on('SIGHUP', () => void worker.reload());
  endOnSignal(log, async () => {
    draining = true;
    await worker.stop();
    await admin.close();
  });
}

async function serveWithWorkers(settings: Settings): Promise<void> {
  const supervisor = await supervise(settings.workers, log);
  const admin = await startAdminServer({
    ...{ host: settings.adminHost, port: settings.adminPort },
    metrics: supervisor.metrics,
    isReady: supervisor.isReady,
  });
  log.info({ workers: settings.workers, adminPort: admin.port }, 'filter is ready');
  process.on('SIGHUP', supervisor.reload);
  endOnSignal(log, async () => {
    await supervisor.stop();
    await admin.close();
  });
}

async function serveAsWorker(settings: Settings): Promise<void> {
  const worker = await startWorker({
    ...{ settings, log, index },
    ...placeOf(settings),
    onHint: (hint) => tell({ kind: 'hint', hint }),
  });
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'hint') worker.hear(message.hint);
    else
      void worker.registry
        .getMetricsAsJSON()
        .then((metrics) => tell({ kind: 'metrics', question: message.question, metrics }));
  });
  process.on('SIGHUP', () => void worker.reload());
  endOnSignal(log, worker.stop);
  // Nobody is left to start it again, or to ask it for its metrics.
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  tell({ kind: 'ready' });
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** Each worker has its own addresses: `filter.sock` is `filter-1.sock` for the first, and ports count up. */
function placeOf({
  socketPath,
  listen,
  advertise,
}: Settings): Pick<WorkerOptions, 'socketPath' | 'listen' | 'address' | 'auditName'> {
  const own = socketPath.replace(/(\.[^./]*)?$/, (extension) => `-${index}${extension}`);
  const counted = (address: string | undefined): string | undefined =>
    address?.replace(/\d+$/, (port) => String(Number(port) + index - 1));
  const at = counted(listen);
  return { socketPath: own, listen: at, address: counted(advertise) ?? at ?? `unix:${own}`, auditName: `-${index}` };
}

function endOnSignal(log: Logger, stop: () => Promise<void>): void {
  let ending = false;
  const end = async (signal: string): Promise<void> => {
    if (ending) return;
    ending = true;
    log.info({ signal }, 'the filter is told to end');
    await stop();
    log.info('filter has stopped');
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end(signal));
}

try {
  await main();
} catch (error) {
  // What the operator has to mend is said in plain lines; everything else with its stack.
  if (error instanceof PolicyError || error instanceof CredentialError || error instanceof SettingsError)
    console.error(error.message);
  else log.fatal({ error }, 'filter could not start');
  process.exit(1);
}
