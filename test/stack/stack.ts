/** A whole gateway on this machine: mock providers, the filter, Envoy. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditRecord } from '../../filter/observability/audit-record.ts';
import { type MockName, type MockProvider, startMockProvider } from '../providers/mock-provider.ts';
import { type EnvoyConfigOptions, writeEnvoyConfig } from './envoy-config.ts';
import { withFixedOrder } from './policy.ts';
import { type EnvoyProcess, type FilterProcess, ROOT, startEnvoy, startFilter, waitFor } from './processes.ts';

export const CALLER_KEYS = { alpha: 'gk-demo-alpha', beta: 'gk-demo-beta' } as const;

/** What the mock providers take as the gateway's key: no secret. Bedrock's is the secret of a signature. */
const GATEWAY_KEYS: Readonly<Record<MockName, string>> = {
  openai: 'mock-openai-gateway-key',
  anthropic: 'mock-anthropic-gateway-key',
  azure: 'mock-azure-gateway-key',
  bedrock: 'mock-bedrock-secret-access-key',
  google: 'mock-google-gateway-key',
};

export interface StackOptions {
  readonly policyPath?: string;
  readonly ports?: { gateway: number; filterAdmin: number; envoyAdmin: number; openai: number; anthropic: number };
  readonly auditDirectory?: string;
  /** Where files of this run go; a new temporary directory when absent, removed at the end. */
  readonly directory?: string;
  readonly bootstrapText?: string;
  /** Stand-ins for providers other than the mocks: cluster name -> port. */
  readonly overlay?: EnvoyConfigOptions['overlay'];
  /** More clusters, each with a mock of its own: name -> the mock that it is like, whose cluster has the same name. */
  readonly copies?: Readonly<Record<string, 'openai' | 'anthropic'>>;
  readonly concurrency?: number;
  /** Worker processes of a filter; default 1. */
  readonly workers?: number;
  /** Filters that know nothing of each other, at TCP ports, as in several pods; default 1, at a socket. */
  readonly pods?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Pods that have files of their own: the policy of each, from 1. */
  readonly policyPathOf?: (pod: number) => string;
  /** `fixed` (the default): every alias keeps its chain's order, so that one test's failures are not the next one's. */
  readonly order?: 'fixed' | 'as_written';
  /** What mocks take instead of the usual keys. */
  readonly keys?: Partial<Readonly<Record<MockName, string>>>;
}

export interface Stack {
  readonly url: string;
  readonly openai: MockProvider;
  readonly anthropic: MockProvider;
  readonly azure: MockProvider;
  readonly bedrock: MockProvider;
  readonly google: MockProvider;
  /** By the names of their clusters. */
  readonly copies: ReadonlyMap<string, MockProvider>;
  /** All of them. */
  readonly mocks: readonly MockProvider[];
  readonly filter: FilterProcess;
  /** All of them, one a pod. */
  readonly filters: readonly FilterProcess[];
  readonly envoy: EnvoyProcess;
  readonly directory: string;
  /** Audit records on disk now, in order. */
  audit(): AuditRecord[];
  /** Starts a pod that has ended again, where it was. @param pod from 1 */
  restart(pod: number): Promise<void>;
  /** Waits for the record of a request. @throws Error when it does not come */
  auditOf(requestId: string | null): Promise<AuditRecord>;
  stop(): Promise<void>;
}

const FREE_PORTS = { gateway: 0, filterAdmin: 0, envoyAdmin: 0, openai: 0, anthropic: 0 };

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const ports = options.ports ?? FREE_PORTS;
  // Unix socket paths have about 100 characters: the system's own temporary directory is short.
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'gw-'));
  mkdirSync(directory, { recursive: true });
  const auditDirectory = options.auditDirectory ?? join(directory, 'audit');
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) await end();
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
  };
  try {
    const mock = async (name: MockName, port = 0): Promise<MockProvider> => {
      const started = await startMockProvider({ name, port, key: options.keys?.[name] ?? GATEWAY_KEYS[name] });
      stops.push(started.close);
      return started;
    };
    const openai = await mock('openai', ports.openai);
    const anthropic = await mock('anthropic', ports.anthropic);
    const azure = await mock('azure');
    const bedrock = await mock('bedrock');
    const google = await mock('google');
    const copies = new Map<string, MockProvider>();
    for (const [cluster, name] of Object.entries(options.copies ?? {})) copies.set(cluster, await mock(name));
    const { pods = 1, workers = 1 } = options;
    const filters: FilterProcess[] = [];
    const listens: (string | undefined)[] = [];
    const startPod = async (pod: number): Promise<void> => {
      const policyPath = policyIn({ ...options, policyPath: options.policyPathOf?.(pod) ?? options.policyPath });
      const listen = listens[pod - 1];
      filters[pod - 1] = await startFilter({
        ...{ directory, policyPath, workers, auditDirectory: pod === 1 ? auditDirectory : `${auditDirectory}-${pod}` },
        ...{ adminPort: pod === 1 ? ports.filterAdmin : 0, name: pod === 1 ? 'filter' : `filter-pod-${pod}` },
        environment: {
          MOCK_OPENAI_KEY: GATEWAY_KEYS.openai,
          MOCK_ANTHROPIC_KEY: GATEWAY_KEYS.anthropic,
          MOCK_AZURE_KEY: GATEWAY_KEYS.azure,
          MOCK_GOOGLE_KEY: GATEWAY_KEYS.google,
          MOCK_AWS_ACCESS_KEY_ID: 'AKIDMOCK',
          MOCK_AWS_SECRET_ACCESS_KEY: GATEWAY_KEYS.bedrock,
          ...(listen === undefined ? {} : { GATEWAY_LISTEN: listen }),
          ...options.environment,
        },
      });
    };
    const addresses: string[] = [];
    for (let pod = 1; pod <= pods; pod++) {
      const listen = pods === 1 ? undefined : `127.0.0.1:${await freePorts(workers)}`;
      listens.push(listen);
      await startPod(pod);
      stops.push(async () => filters[pod - 1]?.stop());
      // Workers of a pod count its port up.
      const listening = Array.from({ length: workers }, (_, index) => Number(listen?.split(':')[1]) + index);
      const sockets = filters[pod - 1]?.socketPaths ?? [];
      addresses.push(...(listen === undefined ? sockets : listening.map((port) => `127.0.0.1:${port}`)));
    }
    const [filter] = filters;
    if (filter === undefined) throw new Error('a stack without a filter');
    const bootstrap = writeEnvoyConfig({
      directory,
      port: ports.gateway,
      adminPort: ports.envoyAdmin,
      filterAddresses: addresses,
      overlay: {
        openai: openai.port,
        anthropic: anthropic.port,
        azure: azure.port,
        bedrock: bedrock.port,
        vertex: google.port,
        gemini: google.port,
        local: openai.port,
        ...Object.fromEntries([...copies].map(([cluster, { port }]) => [cluster, port])),
        ...options.overlay,
      },
      ...(options.copies === undefined ? {} : { copies: options.copies }),
      ...(options.bootstrapText === undefined ? {} : { bootstrapText: options.bootstrapText }),
    });
    const envoy = await startEnvoy(bootstrap, directory, options.concurrency);
    stops.push(() => envoy.stop());
    const audits = filters.map((_, index) => (index === 0 ? auditDirectory : `${auditDirectory}-${index + 1}`));
    const audit = (): AuditRecord[] => audits.flatMap(readAudit);
    return {
      url: `http://127.0.0.1:${envoy.port}`,
      ...{ openai, anthropic, azure, bedrock, google, copies },
      mocks: [openai, anthropic, azure, bedrock, google, ...copies.values()],
      ...{ filter, filters, envoy, directory, audit, stop },
      restart: startPod,
      async auditOf(requestId) {
        let found: AuditRecord | undefined;
        await waitFor(`the audit record of ${requestId}`, filter, async () => {
          found = audit().find((record) => record.request_id === requestId);
          return found !== undefined;
        });
        if (found === undefined) throw new Error('no record');
        return found;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Below those that the system gives to connections of its own accord, which take a port between a look and its use. */
const PORTS = 6_000;
/** Files that run side by side look for theirs apart. */
const FIRST_PORT = 20_000 + PORTS * (Number(process.env['MOCHA_WORKER_ID'] ?? 0) % 2);

/** None is given twice: between a look and its use it is free for everybody. */
let given = Math.floor(Math.random() * PORTS);

/** @returns the first of `count` ports in a row that are free now: workers count up from it */
async function freePorts(count: number): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    if (given + count > PORTS) given = 0;
    const first = FIRST_PORT + given;
    given += count;
    const free = await Promise.all(Array.from({ length: count }, (_, index) => isFree(first + index)));
    if (free.every(Boolean)) return first;
  }
  throw new Error(`no ${count} free ports in a row`);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  const listening = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => resolve(true));
  });
  if (listening) await new Promise((resolve) => probe.close(resolve));
  return listening;
}

/** A port that is free now. */
export function freePort(): Promise<number> {
  return freePorts(1);
}

function policyIn({ policyPath = join(ROOT, 'test/demo/policy.yaml'), order = 'fixed' }: StackOptions): string {
  return order === 'fixed' ? withFixedOrder(policyPath) : policyPath;
}

function readAudit(directory: string): AuditRecord[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line): AuditRecord => JSON.parse(line));
}
