/** The filter's entry: reads the settings and serves, in this process or in several workers, until it is told to end. */
import { hostname } from 'node:os';
import { type Logger, pino } from 'pino';
import { startAdminServer } from './admin/admin-server.ts';
import type { Console, ConsoleOptions } from './admin/console/console.ts';
import { ConsoleTokenError } from './admin/console/tokens.ts';
import { startAuditExport } from './audit-export.ts';
import { CredentialError } from './credentials/credentials.ts';
import { openLog } from './log.ts';
import { PolicyError } from './policy/load.ts';
import { createPodExchange } from './quota/pod-exchange.ts';
import { readSettings, type Settings, SettingsError } from './settings.ts';
import { type FromWorker, supervise, type ToWorker, WORKER_VARIABLE } from './supervisor.ts';
import { startWorker, type WorkerOptions } from './worker.ts';

const index = Number(process.env[WORKER_VARIABLE] ?? 0);
const STDOUT = 1;
const STDERR = 2;

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  // Where audit records go to standard output, nothing else does.
  const fd = settings.auditExport.exporters.has('stdout') ? STDERR : STDOUT;
  const log = openLog(index, pino.destination({ fd, sync: true }));
  if (index > 0) await serveAsWorker(settings, log);
  else if (settings.workers === 1) await serveAlone(settings, log);
  else await serveWithWorkers(settings, log);
}

async function serveAlone(settings: Settings, log: Logger): Promise<void> {
  const address = settings.advertise ?? settings.listen;
  let serving = true;
  const pages = await openConsole(settings, log, async (forMs) => {
    const snapshot = worker.snapshot(forMs);
    return { snapshots: snapshot === undefined ? [] : [snapshot], expected: 1 };
  });
  const worker = await startWorker({
    ...{ settings, log, address, index: 0, pod: undefined, auditName: '', onHint: () => undefined },
    onServing(now) {
      serving = now;
    },
    ...{ socketPath: settings.socketPath, listen: settings.listen },
  });
  const exports = await startAuditExport(settings, log);
  await pages?.ready;
  let draining = false;
  const admin = await startAdminServer({
    ...{ host: settings.adminHost, port: settings.adminPort },
    metrics: async () => (await worker.registry.metrics()) + (await exports.metrics()) + ((await pages?.metrics()) ?? ''),
    isReady: () => !draining && serving,
    console: pages?.answer,
  });
  log.info({ socket: settings.socketPath, adminPort: admin.port, policy: worker.policyVersion() }, 'filter is ready');
  process.on('SIGHUP', () => void worker.reload());
  endOnSignal(log, async () => {
    draining = true;
    await worker.stop();
    await exports.close();
    await admin.close();
    await pages?.close();
  });
}

async function serveWithWorkers(settings: Settings, log: Logger): Promise<void> {
  // First: what is wrong with its tokens is told before there are workers to end.
  const pages = await openConsole(settings, log, (forMs) => supervisor.snapshots(forMs));
  const supervisor = await supervise(settings.workers, log);
  const exports = await startAuditExport(settings, log);
  await pages?.ready;
  const admin = await startAdminServer({
    ...{ host: settings.adminHost, port: settings.adminPort },
    metrics: async () => (await supervisor.metrics()) + (await exports.metrics()) + ((await pages?.metrics()) ?? ''),
    isReady: supervisor.isReady,
    console: pages?.answer,
  });
  log.info({ workers: settings.workers, adminPort: admin.port }, 'filter is ready');
  process.on('SIGHUP', supervisor.reload);
  endOnSignal(log, async () => {
    await supervisor.stop();
    await exports.close();
    await admin.close();
    await pages?.close();
  });
}

async function serveAsWorker(settings: Settings, log: Logger): Promise<void> {
  const pod = createPodExchange(
    (round, question) => tell({ kind: 'share', round, question }),
    () => process.connected,
  );
  const early: ToWorker[] = [];
  let hear = (message: ToWorker): void => void early.push(message);
  // From the first request on, which may come before the worker is told to be ready.
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'shared') pod.hear(message.round, message.answer);
    else if (message.kind === 'share_wanted') pod.hearWanted();
    else hear(message);
  });
  const worker = await startWorker({
    ...{ settings, log, index, pod },
    ...placeOf(settings),
    onHint: (hint) => tell({ kind: 'hint', hint }),
    onServing: (serving) => tell({ kind: 'serving', serving }),
  });
  hear = (message) => {
    switch (message.kind) {
      case 'hint':
        worker.hear(message.hint);
        return;
      case 'snapshot':
        tell({ kind: 'snapshot', question: message.question, snapshot: worker.snapshot(message.forMs) });
        return;
      case 'metrics':
        void worker.registry
          .getMetricsAsJSON()
          .then((metrics) => tell({ kind: 'metrics', question: message.question, metrics }));
    }
  };
  for (const message of early) hear(message);
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
}: Settings): Pick<WorkerOptions, 'socketPath' | 'listen' | 'address' | 'index' | 'auditName'> {
  const own = socketPath.replace(/(\.[^./]*)?$/, (extension) => `-${index}${extension}`);
  const counted = (address: string | undefined): string | undefined =>
    address?.replace(/\d+$/, (port) => String(Number(port) + index - 1));
  const at = counted(listen);
  return { socketPath: own, listen: at, address: counted(advertise) ?? at ?? `unix:${own}`, index, auditName: `-${index}` };
}

/** Where there is none, none of its code is loaded. @throws ConsoleTokenError */
async function openConsole(
  { consoleTokenFile, auditDirectory, stateDirectory, redis }: Settings,
  log: Logger,
  snapshots: ConsoleOptions['snapshots'],
): Promise<Console | undefined> {
  if (consoleTokenFile === undefined) return undefined;
  const { createConsole } = await import('./admin/console/console.ts');
  return createConsole({
    ...{ tokenFile: consoleTokenFile, auditDirectory, stateDirectory, redis, host: hostname(), log, snapshots },
  });
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
  if (
    error instanceof PolicyError ||
    error instanceof CredentialError ||
    error instanceof SettingsError ||
    error instanceof ConsoleTokenError
  )
    console.error(error.message);
  else openLog(index, pino.destination({ fd: STDERR, sync: true })).fatal({ error }, 'filter could not start');
  process.exit(1);
}
