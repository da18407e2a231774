/** A worker's snapshot, and a console behind a real HTTP server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { startAdminServer } from '../../../filter/admin/admin-server.ts';
import { createConsole } from '../../../filter/admin/console/console.ts';
import type { WorkerSnapshot } from '../../../filter/admin/console/snapshot.ts';
import { openLog } from '../../../filter/log.ts';
import { seal } from '../../../filter/observability/audit-line.ts';
import type { AuditRecord } from '../../../filter/observability/audit-record.ts';
import { segmentName } from '../../../filter/observability/audit-segments.ts';
import type { RedisSettings } from '../../../filter/quota/redis-link.ts';

export const silent = pino({ level: 'silent' });
export const ANA = 'ana-token-0123456789abcdef';
export const BEN = 'ben-token-0123456789abcdef';
export const PAGES = [
  '/console/',
  '/console/moves',
  '/console/spend',
  '/console/audit',
  '/console/policy',
  '/console/deprecations',
];
export const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
export const NOW = Date.parse('2026-11-27T18:00:00Z');

export function snapshot(changes: Partial<WorkerSnapshot> = {}): WorkerSnapshot {
  return {
    ...{ worker: 0, startedAt: NOW - 3_600_000, at: NOW, inFlight: 3, clusterProblems: [] },
    traffic: {
      ...{ from: NOW - 300_000, since: NOW - 3_600_000, outcomes: { ok: 98, failed: 2 }, moves: [], beats: [], spend: [] },
      targets: [
        {
          ...{ target: 'gpt', cluster: 'openai', model: 'gpt-5', outcomes: { ok: 90, overloaded: 10 } },
          ...{ answer: [[40, 90]], firstByte: [], lastFailure: undefined },
        },
      ],
    },
    targets: [
      {
        ...{ target: 'gpt', cluster: 'openai', model: 'gpt-5', schema: 'openai-chat', region: undefined, priced: 'priced' },
        ...{ credentials: ['openai'], health: 'well', until: undefined, headroom: [], waiting: 0 },
      },
    ],
    keys: [
      { credential: 'openai', fingerprint: '0a1b2c3d', condition: 'active', refusals: 0, until: undefined, targets: [] },
    ],
    policy: {
      ...{ version: 'abc', loadedAt: NOW - 60_000, edit: 'in_force', problems: [], reloads: { ok: 0, refused: 0 } },
      ...{ priceBook: 'p', aliases: [{ alias: 'fast', order: 'as_written', chain: ['gpt'] }] },
    },
    canaries: [],
    quotas: { limits: 'own', outages: 0, timeouts: 0 },
    audit: { state: 'writing', queuedBytes: 0, dropped: 0 },
    ...{ budgets: undefined, latencies: undefined, deprecations: undefined },
    ...changes,
  };
}

export interface TestConsole {
  readonly url: string;
  readonly directory: string;
  readonly tokenFile: string;
  /** @returns what `fetch` does, with redirects left alone */
  get(path: string, init?: RequestInit): Promise<Response>;
  /** What it has logged. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** As a process that is started again: of what was in memory nothing is left. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startConsole(
  snapshots: () => readonly WorkerSnapshot[],
  expected = 1,
  redis?: RedisSettings,
): Promise<TestConsole> {
  const directory = mkdtempSync(join(tmpdir(), 'console-'));
  const tokenFile = join(directory, 'tokens');
  writeFileSync(tokenFile, `# people\nana:${ANA}\nben:${BEN}\n`);
  const lines: Readonly<Record<string, unknown>>[] = [];
  const log = openLog(0, { write: (line) => lines.push(JSON.parse(line)) });
  const open = () =>
    createConsole({
      ...{ tokenFile, auditDirectory: directory, stateDirectory: join(directory, 'state'), host: 'pod-1', log, redis },
      snapshots: async () => ({ snapshots: snapshots(), expected }),
    });
  let pages = open();
  await pages.ready;
  const admin = await startAdminServer({
    ...{ host: '127.0.0.1', port: 0, metrics: () => pages.metrics(), isReady: () => true },
    console: (request, response) => pages.answer(request, response),
  });
  const url = `http://127.0.0.1:${admin.port}`;
  return {
    ...{ url, directory, tokenFile, lines },
    get: (path, init) => fetch(url + path, { redirect: 'manual', ...init }),
    async restart() {
      await pages.close();
      pages = open();
      await pages.ready;
    },
    async close() {
      await admin.close();
      await pages.close();
      rmSync(directory, { recursive: true });
    },
  };
}

/** Writes records as the filter does. @returns the segment's path */
export function writeSegment(directory: string, chain: string, firstSeq: number, records: readonly AuditRecord[]): string {
  let link = { seq: firstSeq - 1, chain: '0'.repeat(64) };
  const lines = records.map((record) => {
    const sealed = seal(JSON.stringify(record), link);
    link = sealed.link;
    return sealed.line;
  });
  const path = join(directory, segmentName(chain, firstSeq));
  writeFileSync(path, lines.join(''));
  return path;
}
