/** What the process above several workers tells of them. */
import { Counter, Gauge, type Registry } from 'prom-client';

/** @param ready workers that take requests @returns to be counted up when a worker is started again */
export function registerWorkerMetrics(registry: Registry, ready: () => number): Counter {
  const registers = [registry];
  new Gauge({
    name: 'gateway_workers',
    help: 'Workers that take requests.',
    registers,
    collect() {
      this.set(ready());
    },
  });
  return new Counter({
    name: 'gateway_worker_restarts_total',
    help: 'Workers started again.',
    registers,
  });
}
