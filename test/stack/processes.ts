/** The two processes of a gateway, started and stopped: for the demo, the tests and the benchmark alike. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Running } from './running.ts';

export const ROOT = join(import.meta.dirname, '../..');

function running(child: ChildProcess, name: string): Running {
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`${name} could not start: ${error.message}`));
    child.once('exit', (code, signal) => resolve(`${name} ended (${signal ?? `exit code ${code}`})`));
  });
  return {
    pid: child.pid ?? 0,
    exited,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Waits for a condition; fails early when the process it depends on ends. @throws Error naming what did not come */
export async function waitFor(
  what: string,
  process: Pick<Running, 'exited'> | undefined,
  condition: () => Promise<boolean>,
): Promise<void> {
  let ended: string | undefined;
  process?.exited.then((how) => {
    ended = how;
  });
  const deadline = Date.now() + 30_000;
  while (!(await condition().catch(() => false))) {
    if (ended !== undefined) throw new Error(`waiting for ${what}: ${ended}`);
    if (Date.now() > deadline) throw new Error(`waiting for ${what}: it did not come in 30 s`);
    await sleep(20);
  }
}

/** A small young generation: under load it keeps the process below 200 MiB, for about 3 % more CPU (test/load/RESULTS.md). */
export const FILTER_FLAGS = ['--max-semi-space-size=4'] as const;

export interface FilterOptions {
  readonly directory: string;
  readonly policyPath: string;
  readonly auditDirectory: string;
  readonly adminPort: number;
  /** Processes that take streams; default 1. */
  readonly workers?: number;
  /** Tells several filters of one directory apart. */
  readonly name?: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** What a process of ours gets of this one's environment: nothing that it could be set up with by mistake. */
export function childEnvironment(): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return { PATH, NODE_COMPILE_CACHE };
}

export interface FilterProcess extends Running {
  /** One for each worker. */
  readonly socketPaths: readonly string[];
  readonly adminPort: number;
  readonly logPath: string;
  /** What it wrote to standard output: its log, or audit records. */
  readonly stdoutPath: string;
}

export async function startFilter(options: FilterOptions): Promise<FilterProcess> {
  mkdirSync(options.directory, { recursive: true });
  const { workers = 1, name = 'filter' } = options;
  const socketPath = join(options.directory, `${name}.sock`);
  const logPath = join(options.directory, `${name}.log`);
  const child = spawn(process.execPath, [...FILTER_FLAGS, join(ROOT, 'filter/main.ts')], {
    env: {
      ...childEnvironment(),
      ...options.environment,
      GATEWAY_POLICY: options.policyPath,
      GATEWAY_SOCKET: socketPath,
      GATEWAY_AUDIT_DIR: options.auditDirectory,
      GATEWAY_STATE_DIR: join(options.directory, `${name}-state`),
      GATEWAY_ADMIN_PORT: String(options.adminPort),
      FILTER_WORKERS: String(workers),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A Ctrl-C goes to the launcher alone; it stops its processes in order.
    detached: true,
  });
  const log = createWriteStream(logPath, { flags: 'a' });
  const stdoutPath = join(options.directory, `${name}.out`);
  child.stdout.pipe(createWriteStream(stdoutPath, { flags: 'a' }));
  let adminPort: number | undefined;
  const heard = (line: string): void => {
    log.write(`${line}\n`);
    if (adminPort !== undefined || !line.includes('"filter is ready"')) return;
    adminPort = Number(JSON.parse(line).adminPort);
  };
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', heard);
  const started = running(child, 'the filter');
  try {
    await waitFor('the filter', started, async () => adminPort !== undefined);
  } catch (error) {
    await started.stop('SIGKILL');
    throw new Error(`${String(error)}\n${tail(logPath)}`);
  }
  const socketPaths =
    workers === 1
      ? [socketPath]
      : Array.from({ length: workers }, (_, index) => socketPath.replace('.sock', `-${index + 1}.sock`));
  return { ...started, socketPaths, adminPort: adminPort ?? 0, logPath, stdoutPath };
}

export interface EnvoyProcess extends Running {
  readonly port: number;
  readonly adminUrl: string;
  readonly logPath: string;
}

export async function startEnvoy(
  bootstrapPath: string,
  directory: string,
  concurrency = 2,
  name = 'envoy',
): Promise<EnvoyProcess> {
  const logPath = join(directory, `${name}.log`);
  const addressPath = join(directory, `${name}-admin.txt`);
  const args = [
    ...['-c', bootstrapPath, '--concurrency', String(concurrency), '--disable-hot-restart'],
    ...[
      '--log-level',
      process.env['ENVOY_LOG_LEVEL'] ?? 'warning',
      '--log-path',
      logPath,
      '--admin-address-path',
      addressPath,
    ],
  ];
  const started = await startEnvoyProcess(args, directory);
  let adminUrl = '';
  try {
    await waitFor('Envoy', started, async () => {
      if (!existsSync(addressPath)) return false;
      adminUrl = `http://${readFileSync(addressPath, 'utf8').trim()}`;
      return (await fetch(`${adminUrl}/ready`)).ok;
    });
  } catch (error) {
    await started.stop('SIGKILL');
    throw new Error(`${String(error)}\n${tail(logPath)}`);
  }
  const listeners = (await (await fetch(`${adminUrl}/listeners?format=json`)).json()) as {
    listener_statuses: { local_address: { socket_address: { port_value: number } } }[];
  };
  const port = listeners.listener_statuses[0]?.local_address.socket_address.port_value ?? 0;
  return { ...started, port, adminUrl, logPath };
}

/** The one switch: the same tests on a local binary or, with Docker, in a container. */
async function startEnvoyProcess(args: readonly string[], directory: string): Promise<Running> {
  if (process.env['TEST_ENVOY'] === 'container') {
    const { startEnvoyContainer } = await import('./envoy-container.ts');
    return startEnvoyContainer(args, directory);
  }
  // Envoy asks the kernel to end it when its parent dies, so nothing is left behind even after a kill -9 of the launcher.
  return running(spawn(envoyBinary(), [...args], { stdio: 'ignore', detached: true }), 'Envoy');
}

export function envoyBinary(): string {
  return process.env['ENVOY_BIN'] ?? join(ROOT, '.tools/envoy/envoy');
}

function tail(path: string): string {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(-15).join('\n');
  } catch {
    return '(no log)';
  }
}
