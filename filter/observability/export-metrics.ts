/** Exporters of audit records, as Prometheus sees them. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { AuditExporter } from './audit-exporter.ts';

export type ExporterFigures = Pick<AuditExporter, 'name' | 'counts' | 'lag'>;

export function registerExportMetrics(registry: Registry, exporters: readonly ExporterFigures[]): void {
  const counters: readonly (readonly [name: string, help: string, count: keyof ExporterFigures['counts']])[] = [
    ['gateway_audit_export_records_total', 'Audit records that the sink took; doubles count.', 'exported'],
    ['gateway_audit_export_failures_total', 'Tries that failed; the records wait.', 'failures'],
    ['gateway_audit_export_lost_records_total', 'Audit records that were gone from disk before they were exported.', 'lost'],
    ['gateway_audit_export_rejected_records_total', 'Audit records that the sink will never take.', 'rejected'],
  ];
  for (const [name, help, count] of counters)
    new Counter({
      ...{ name, help, labelNames: ['exporter'], registers: [registry] },
      collect() {
        this.reset();
        for (const exporter of exporters) this.inc({ exporter: exporter.name }, exporter.counts[count]);
      },
    });
  const gauges: readonly (readonly [name: string, help: string, lag: keyof ReturnType<ExporterFigures['lag']>])[] = [
    ['gateway_audit_export_lag_records', 'Audit records on disk that are not exported, as far as was looked.', 'records'],
    ['gateway_audit_export_lag_bytes', 'Bytes of audit records on disk that are not exported.', 'bytes'],
    ['gateway_audit_export_lag_seconds', 'Age of the oldest audit record that is not exported; 0: none waits.', 'seconds'],
  ];
  for (const [name, help, lag] of gauges)
    new Gauge({
      ...{ name, help, labelNames: ['exporter'], registers: [registry] },
      collect() {
        for (const exporter of exporters) this.set({ exporter: exporter.name }, exporter.lag()[lag]);
      },
    });
}
