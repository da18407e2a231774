/** What is told of recorded bodies. */
import { Gauge, type Registry } from 'prom-client';
import type { BodyLog } from './body-log.ts';

type Figures = ReturnType<BodyLog['figures']>;

const GAUGES: readonly (readonly [name: string, help: string, value: (figures: Figures) => number])[] = [
  ['gateway_bodies_written_records', 'Records of bodies on disk.', ({ written }) => written],
  ['gateway_bodies_dropped_records', 'Records of bodies given up.', ({ dropped }) => dropped],
  [
    'gateway_bodies_queued_bytes',
    'Bodies of requests in flight, and those that wait to be redacted or written.',
    ({ queuedBytes }) => queuedBytes,
  ],
  ['gateway_bodies_failing', 'Processes that cannot write bodies now.', ({ failing }) => (failing ? 1 : 0)],
];

export function registerBodyMetrics(registry: Registry, figures: () => Figures): void {
  for (const [name, help, value] of GAUGES)
    new Gauge({
      ...{ name, help, registers: [registry], aggregator: 'sum' },
      collect() {
        this.set(value(figures()));
      },
    });
}
