/** What became of requests' spans, as Prometheus sees it. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { TraceExporter } from './trace-exporter.ts';

/** @param exporter undefined: nothing is exported, and nothing told */
export function registerTraceMetrics(
  registry: Registry,
  exporter: Pick<TraceExporter, 'counts' | 'failedSends' | 'queued'> | undefined,
): void {
  if (exporter === undefined) return;
  const registers = [registry];
  new Counter({
    name: 'gateway_traced_requests_total',
    help: 'Requests whose spans a collector took, or that were given up.',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(exporter.counts)) this.inc({ result }, count);
    },
  });
  new Counter({
    name: 'gateway_trace_failed_sends_total',
    help: 'Batches of spans that the collector did not take, each try.',
    registers,
    collect() {
      this.reset();
      this.inc(exporter.failedSends);
    },
  });
  new Gauge({
    name: 'gateway_trace_queued_requests',
    help: 'Requests whose spans wait for the collector.',
    registers,
    collect() {
      this.set(exporter.queued);
    },
  });
}
