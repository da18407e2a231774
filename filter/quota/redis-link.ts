/** The connection to Redis: one server, a cluster, or a master that sentinels name. Commands fail at once where there is no connection. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Cluster, Redis, type RedisOptions } from 'ioredis';

export interface RedisSettings {
  readonly mode: 'standalone' | 'cluster' | 'sentinel';
  /** redis:// or rediss://, with a user where ACLs ask for one, never with a password. One, or several nodes or sentinels. */
  readonly urls: readonly [string, ...string[]];
  /** The master's name, for sentinels. */
  readonly sentinelName: string | undefined;
  readonly passwordFile: string | undefined;
  /** PEM; absent: the system's authorities. */
  readonly caFile: string | undefined;
}

export type ScriptName = keyof typeof SCRIPTS;

export interface RedisLink {
  /** Is there a connection now? One that waits to be needed begins. */
  isReady(): boolean;
  /** All keys in one slot. Rejects for whatever reason there is no answer of the script. */
  run(script: ScriptName, keys: readonly string[], values: readonly (string | number)[]): Promise<unknown>;
  /** Fields of a hash; null for those that are not there. Rejects as `run` does. */
  fields(key: string, names: readonly string[]): Promise<readonly (string | null)[]>;
  /** Can be written where this key lies? Rejects if not. */
  probe(key: string): Promise<unknown>;
  close(): void;
}

const SCRIPTS = {
  ...{ admit: script('admit'), settle: script('settle'), renew: script('renew'), share: script('share') },
  ...{ revoke: script('../identity/revoke'), revocations: script('../identity/revocations') },
};

function script(name: string): { readonly text: string; readonly sha: string } {
  const text = readFileSync(new URL(`./${name}.lua`, import.meta.url), 'utf8');
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

export interface ConnectOptions {
  readonly begin?: 'now' | 'when_needed';
  /** Why there is no connection. By default it is not told: it shows in the commands that fail. */
  readonly failed?: (error: Error) => void;
}

/**
 * Begins to connect, now or when it is first needed, and goes on trying for ever.
 * @param lost a connection was lost, so that what was sent may or may not have been done
 * @throws Error when the password or the authorities cannot be read
 */
export function connectRedis(
  settings: RedisSettings,
  lost: () => void,
  { begin = 'now', failed = () => undefined }: ConnectOptions = {},
): RedisLink {
  const client = createClient(settings);
  client.on('error', failed);
  client.on('close', lost);
  const connect = (): void => {
    client.connect().catch(() => {});
  };
  if (begin === 'now') connect();
  return {
    isReady() {
      if (client.status === 'wait') connect();
      return client.status === 'ready';
    },
    async run(name, keys, values) {
      const { sha, text } = SCRIPTS[name];
      try {
        return await client.evalsha(sha, keys.length, ...keys, ...values);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return client.eval(text, keys.length, ...keys, ...values);
      }
    },
    fields: (key, names) => client.hmget(key, ...names),
    probe: (key) => client.set(key, '1', 'PX', 1000),
    close: () => client.disconnect(),
  };
}

/** A server that says nothing for this long while it is asked is left, and connected to anew. */
const SILENCE_MS = 1_000;

/** Not connected yet. @throws Error when the password or the authorities cannot be read */
export function createClient(settings: RedisSettings): Redis | Cluster {
  const urls = settings.urls.map((url) => new URL(url));
  const [first] = urls;
  if (first === undefined) throw new Error('no URL of Redis');
  const ca = settings.caFile === undefined ? {} : { ca: readFileSync(settings.caFile, 'utf8') };
  const tls = first.protocol === 'rediss:' ? { tls: ca } : {};
  const password =
    settings.passwordFile === undefined ? {} : { password: readFileSync(settings.passwordFile, 'utf8').trim() };
  const user = first.username === '' ? {} : { username: decodeURIComponent(first.username) };
  const options: RedisOptions = {
    ...{ ...user, ...password, ...tls },
    protocol: 2,
    lazyConnect: true,
    disableClientInfo: true,
    // Nothing waits inside the client and nothing is sent again by it: the store does both, and knows what is safe.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: SILENCE_MS,
    socketTimeout: SILENCE_MS,
    retryStrategy: pauseMs,
    // A master that was made a replica.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
  const nodes = urls.map(({ hostname, port }) => ({ host: hostname, port: Number(port || 6379) }));
  switch (settings.mode) {
    case 'standalone': {
      const db = Number(first.pathname.slice(1));
      return new Redis({ ...options, ...nodes[0], db });
    }
    case 'sentinel':
      return new Redis({
        ...options,
        ...(first.protocol === 'rediss:' ? { sentinelTLS: ca, enableTLSForSentinelMode: true } : {}),
        sentinels: nodes,
        name: settings.sentinelName ?? 'mymaster',
        sentinelRetryStrategy: pauseMs,
        failoverDetector: true,
      });
    case 'cluster':
      return new Cluster(nodes, {
        redisOptions: options,
        lazyConnect: true,
        enableOfflineQueue: false,
        slotsRefreshTimeout: SILENCE_MS,
        clusterRetryStrategy: pauseMs,
        ...{ retryDelayOnFailover: 50, retryDelayOnClusterDown: 50, retryDelayOnTryAgain: 50, maxRedirections: 4 },
      });
  }
}

function pauseMs(times: number): number {
  return Math.min(50 * times, 500);
}
