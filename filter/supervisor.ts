/**
 * Several workers in one place: starts them, starts again what dies, passes on what one has learnt. node:cluster is here for its processes and their messages
 * (prom-client gathers metrics over them); no socket is shared: every worker has one of its own, because Envoy keeps one connection per thread and socket.
 */
import cluster, { type Worker as ClusterWorker } from 'node:cluster';
import type { Logger } from 'pino';
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import type { SickTarget } from './fallback/health.ts';

/** What workers tell the supervisor, and it passes on. */
export type WorkerMessage =
  | { readonly kind: 'ready'; readonly policy: string }
  | { readonly kind: 'sick'; readonly target: SickTarget };

/** Which of the workers a process is, from 1; told by the supervisor. */
export const WORKER_VARIABLE = 'FILTER_WORKER';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 10_000;
/** A worker that has lived so long did not die of its beginning. */
const STABLE_MS = 10_000;

export interface Supervisor {
  /** Does any worker take requests? */
  isReady(): boolean;
  metrics(): Promise<string>;
  reload(): void;
  stop(): Promise<void>;
}

/** @returns when all workers take requests @throws Error when one ends before that: it has said why */
export async function supervise(workers: number, log: Logger): Promise<Supervisor> {
  const registry = new Registry();
  const aggregator = new AggregatorRegistry();
  const ready = new Set<number>();
  const running = new Map<number, ClusterWorker>();
  let stopping = false;
  let begun = false;
  new Gauge({
    name: 'gateway_workers',
    help: 'Workers that take requests.',
    registers: [registry],
    collect() {
      this.set(ready.size);
    },
  });
  const restarts = new Counter({
    name: 'gateway_worker_restarts_total',
    help: 'Workers started again.',
    registers: [registry],
  });
  const { promise: allReady, resolve, reject } = Promise.withResolvers<void>();

  const start = (index: number, pauseMs: number): void => {
    const startedAt = Date.now();
    const worker = cluster.fork({ [WORKER_VARIABLE]: String(index) });
    running.set(index, worker);
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'ready') {
        ready.add(index);
        if (ready.size === workers) resolve();
      } else if (message.kind === 'sick') {
        for (const [other, process] of running) if (other !== index && process.isConnected()) process.send(message);
      }
    });
    worker.on('exit', (code, signal) => {
      ready.delete(index);
      running.delete(index);
      if (stopping) return;
      if (!begun) {
        reject(new Error(`worker ${index} could not start`));
        return;
      }
      const pause = Date.now() - startedAt > STABLE_MS ? FIRST_PAUSE_MS : pauseMs;
      log.error({ worker: index, code, signal, pause }, 'a worker has died; it is started again');
      restarts.inc();
      setTimeout(() => {
        if (!stopping) start(index, Math.min(pause * 2, MAX_PAUSE_MS));
      }, pause);
    });
  };
  for (let index = 1; index <= workers; index++) start(index, FIRST_PAUSE_MS);
  try {
    await allReady;
  } catch (error) {
    stopping = true;
    for (const worker of running.values()) worker.process.kill('SIGKILL');
    throw error;
  }
  begun = true;
  return {
    isReady: () => !stopping && ready.size > 0,
    metrics: async () => (await aggregator.clusterMetrics()) + (await registry.metrics()),
    reload() {
      for (const worker of running.values()) worker.process.kill('SIGHUP');
    },
    async stop() {
      stopping = true;
      const exits = [...running.values()].map((worker) => new Promise((ended) => worker.once('exit', ended)));
      for (const worker of running.values()) worker.process.kill('SIGTERM');
      await Promise.all(exits);
    },
  };
}
