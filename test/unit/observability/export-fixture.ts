/** An audit log in a directory of its own, and exporters that read it and tell what they log. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { AuditExporter } from '../../../filter/observability/audit-exporter.ts';
import { AuditLog, type AuditSettings } from '../../../filter/observability/audit-log.ts';
import type { AuditRecord } from '../../../filter/observability/audit-record.ts';
import { type AuditSink, SinkError } from '../../../filter/observability/audit-sink.ts';
import { waitFor } from '../../stack/processes.ts';
import { record } from './observed.ts';

const SETTINGS: AuditSettings = {
  ...{ syncMs: 1, queueBytes: 64 << 20, segmentBytes: 64 << 20, segmentAgeMs: 3_600_000 },
  ...{ retainMs: undefined, retainBytes: undefined, outage: 'serve', kind: 'audit' },
};

/** Takes everything, unless it is told otherwise. */
export class MemorySink implements AuditSink {
  readonly taken: { chain: string; line: string }[] = [];
  mode: 'takes' | 'fails' | 'takes_and_fails' = 'takes';
  closed = false;

  async send(chain: string, lines: readonly string[]): Promise<number> {
    if (this.mode !== 'fails') this.taken.push(...lines.map((line) => ({ chain, line })));
    if (this.mode !== 'takes') throw new SinkError('away');
    return 0;
  }

  close(): void {
    this.closed = true;
  }

  ids(): string[] {
    return this.taken.map(({ line }) => JSON.parse(line).request_id);
  }
}

/** Of one test. */
export class ExportFixture {
  readonly directory = mkdtempSync(join(tmpdir(), 'export-test-'));
  readonly audits = join(this.directory, 'audit');
  /** What exporters logged, a line of JSON each. */
  logged = '';
  readonly #exporters: AuditExporter[] = [];

  constructor() {
    mkdirSync(this.audits);
  }

  /** @param name of the exporter */
  exporting(sink: AuditSink, name = 'test'): AuditExporter {
    const log = pino({}, { write: (line: string) => this.#tell(line) });
    const places = { auditDirectory: this.audits, stateDirectory: this.directory };
    const exporter = new AuditExporter({ name, sink, ...places, log });
    this.#exporters.push(exporter);
    exporter.start();
    return exporter;
  }

  #tell(line: string): void {
    this.logged += line;
  }

  /** In the order given, each on disk before the next. @param name of the chain, behind `filter` */
  async write(ids: readonly string[], settings: Partial<AuditSettings> = {}, name = ''): Promise<void> {
    const audit = await this.log(settings, name);
    for (const id of ids) {
      audit.append(record(id));
      await audit.flush();
    }
    await audit.close();
  }

  /** To the chain `filter`, together. */
  async writeAll(records: Iterable<AuditRecord>): Promise<void> {
    const audit = await this.log();
    for (const each of records) audit.append(each);
    await audit.close();
  }

  log(settings: Partial<AuditSettings> = {}, name = ''): Promise<AuditLog> {
    return AuditLog.open(this.audits, name, pino({ level: 'silent' }), { ...SETTINGS, ...settings });
  }

  /** Names, in order. */
  segments(): string[] {
    return readdirSync(this.audits)
      .filter((name) => name.endsWith('.jsonl'))
      .sort();
  }

  /** Of the first segment. */
  path(): string {
    return join(this.audits, this.segments()[0] ?? '');
  }

  /** What is in all segments. */
  read(): string {
    return this.segments()
      .map((name) => readFileSync(join(this.audits, name), 'utf8'))
      .join('');
  }

  async close(): Promise<void> {
    for (const exporter of this.#exporters) await exporter.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Ids. */
export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `r${index}`);
}

/** All that is on disk is exported, and so many are. */
export function caughtUp(exporter: AuditExporter, exported: number): Promise<void> {
  return waitFor(
    `${exported} records`,
    undefined,
    async () => exporter.counts.exported >= exported && exporter.lag().bytes === 0,
  );
}
