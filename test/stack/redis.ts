/** Real Redis servers for the tests: one, with a replica and sentinels, a cluster, with TLS and ACLs; and a line between that can stall. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { waitFor } from './processes.ts';
import type { Running } from './running.ts';
import { freePort } from './stack.ts';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** For the tests' own questions. */
  readonly client: Redis;
  /** kill -9, when it runs. */
  kill(): Promise<void>;
  /** On the same port, with what is on disk. */
  start(): Promise<void>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** Lines of redis.conf. */
  readonly config?: readonly string[];
  readonly mode?: 'server' | 'sentinel';
  readonly port?: number;
  /** How the tests' own client gets in. */
  readonly client?: { readonly username?: string; readonly password?: string; readonly tls?: { readonly ca: string } };
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { config = [], mode = 'server', client: access = {} } = options;
  const port = options.port ?? (await freePort());
  const directory = mkdtempSync(join(tmpdir(), 'redis-test-'));
  const file = join(directory, 'redis.conf');
  const listen = access.tls === undefined ? [`port ${port}`] : ['port 0', `tls-port ${port}`];
  const disk = mode === 'sentinel' ? [] : ['appendonly yes', 'appendfsync everysec', 'save ""'];
  const lines = ['bind 127.0.0.1', ...listen, `dir ${directory}`, `logfile ${join(directory, 'log')}`, ...disk, ...config];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const client = new Redis({
    ...{ host: '127.0.0.1', port, lazyConnect: true, maxRetriesPerRequest: 0, protocol: 2, ...access },
    retryStrategy: () => 50,
  });
  client.on('error', () => {});
  let child: ChildProcess | undefined;
  let exited: Promise<string> = Promise.resolve('not started');

  const kill = async (): Promise<void> => {
    child?.kill('SIGKILL');
    await exited;
    child = undefined;
  };
  const start = async (): Promise<void> => {
    const started = spawn('redis-server', [file, ...(mode === 'sentinel' ? ['--sentinel'] : [])], { stdio: 'ignore' });
    child = started;
    // Of a run that ends in the middle, nothing is left behind.
    const end = (): boolean => started.kill('SIGKILL');
    process.once('exit', end);
    started.once('exit', () => process.removeListener('exit', end));
    exited = new Promise((resolve) => {
      started.once('error', (error) => resolve(error.message));
      started.once('exit', (code, signal) => resolve(`redis-server ended (${signal ?? code})`));
    });
    await waitFor('Redis', { exited }, async () => {
      if (client.status === 'wait') await client.connect();
      return (await client.ping()) === 'PONG';
    });
  };
  const stop = async (): Promise<void> => {
    client.disconnect();
    await kill();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, url: `redis${access.tls === undefined ? '' : 's'}://127.0.0.1:${port}`, client, kill, start, stop };
}

export interface RedisGroup {
  readonly servers: readonly RedisServer[];
  readonly urls: readonly [string, ...string[]];
  stop(): Promise<void>;
}

export interface WatchedRedis extends RedisGroup {
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** The master's name. */
  readonly name: string;
}

/** A master, its replica, and three sentinels that fail over within a second or two. `urls` are the sentinels'. */
export async function startWatchedRedis(): Promise<WatchedRedis> {
  const name = 'quota';
  const servers: RedisServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    const master = await startRedis();
    servers.push(master);
    const replica = await startRedis({ config: [`replicaof 127.0.0.1 ${master.port}`, 'repl-diskless-sync-delay 0'] });
    servers.push(replica);
    await waitFor('the replica', undefined, async () =>
      (await replica.client.info('replication')).includes('master_link_status:up'),
    );
    const sentinels: RedisServer[] = [];
    for (let count = 0; count < 3; count++) {
      const config = [
        `sentinel monitor ${name} 127.0.0.1 ${master.port} 2`,
        `sentinel down-after-milliseconds ${name} 500`,
        `sentinel failover-timeout ${name} 2000`,
      ];
      const sentinel = await startRedis({ mode: 'sentinel', config });
      servers.push(sentinel);
      sentinels.push(sentinel);
    }
    for (const { client } of sentinels) {
      await waitFor('the sentinels to know each other', undefined, async () => {
        const told = String(await client.call('INFO', 'sentinel'));
        return told.includes('slaves=1') && told.includes('sentinels=3');
      });
    }
    const [first, ...rest] = sentinels.map(({ url }) => url);
    if (first === undefined) throw new Error('no sentinel');
    return { servers, urls: [first, ...rest], stop, master, replica, name };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Three masters, without replicas. */
export async function startRedisCluster(): Promise<RedisGroup> {
  const servers: RedisServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    for (let count = 0; count < 3; count++) {
      const config = ['cluster-enabled yes', `cluster-port ${await freePort()}`, 'cluster-require-full-coverage no'];
      servers.push(await startRedis({ config }));
    }
    const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
    execFileSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'], { stdio: 'ignore' });
    for (const { client } of servers)
      await waitFor('the cluster', undefined, async () =>
        String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
      );
    const [first, ...rest] = servers.map(({ url }) => url);
    if (first === undefined) throw new Error('no node');
    return { servers, urls: [first, ...rest], stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export interface TlsFiles {
  readonly directory: string;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** An authority of our own, and a certificate of it for 127.0.0.1. */
export function makeTlsFiles(): TlsFiles {
  const directory = mkdtempSync(join(tmpdir(), 'redis-tls-'));
  mkdirSync(directory, { recursive: true });
  const at = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: 'ignore' });
  };
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...ec, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-days', '2', '-subj', '/CN=test authority');
  openssl('req', ...ec, '-keyout', at('key.pem'), '-out', at('request.pem'), '-subj', '/CN=redis');
  writeFileSync(at('names'), 'subjectAltName=IP:127.0.0.1\n');
  const authority = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-extfile', at('names')];
  openssl('x509', '-req', '-in', at('request.pem'), ...authority, '-out', at('certificate.pem'), '-days', '2');
  return { directory, ca: at('ca.pem'), certificate: at('certificate.pem'), key: at('key.pem') };
}

export interface Line extends Pick<Running, 'stop'> {
  readonly url: string;
  /** `stalled`: bytes wait, in both directions. `deaf`: what the server says is thrown away, what it is told arrives. */
  mode: 'open' | 'stalled' | 'deaf';
  /** Breaks the connections that there are. */
  cut(): void;
}

/** A line to a server, through which everything passes until it does not. */
export async function startLine(port: number): Promise<Line> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const waiting: (() => void)[] = [];
  let mode: Line['mode'] = 'open';
  const pass = (from: Socket, to: Socket, direction: 'told' | 'said'): void => {
    from.on('data', (bytes) => {
      const write = (): void => {
        if (!to.destroyed) to.write(bytes);
      };
      if (mode === 'stalled') waiting.push(write);
      else if (mode === 'open' || direction === 'told') write();
    });
  };
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        pairs.delete(pair);
        for (const end of pair) end.destroy();
      });
    }
    pass(near, far, 'told');
    pass(far, near, 'said');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const cut = (): void => {
    for (const pair of [...pairs]) for (const socket of pair) socket.destroy();
  };
  return {
    url: `redis://127.0.0.1:${address.port}`,
    get mode() {
      return mode;
    },
    set mode(next) {
      mode = next;
      if (mode === 'open') for (const write of waiting.splice(0)) write();
    },
    cut,
    async stop() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
