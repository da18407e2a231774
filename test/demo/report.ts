/** An outage in tables: what callers felt, who was moved where, and what the sick target was asked. */
import type { AuditRecord } from '../../filter/observability/audit-record.ts';
import { ALIASES, isAlone, type Outage, PRIMARY } from './scenario.ts';
import type { Sent } from './traffic.ts';

interface PhaseRow {
  readonly phase: string;
  readonly seconds: number;
  readonly requests: number;
  /** Per cent of those that accept, or have, somebody else than the primary. */
  readonly succeeded: number;
  /** Of those that accept nobody else. */
  readonly refused: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

export interface Move {
  readonly tenant: string;
  readonly feature: string;
  readonly from: string;
  readonly reason: string;
  readonly to: string;
  readonly degraded: string;
  requests: number;
}

interface OutageJson {
  readonly seed: number;
  readonly phases: readonly PhaseRow[];
  readonly answeredBy: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly moves: readonly Move[];
  readonly health: Outage['states'];
  readonly primaryAskedPerSecond: readonly AskedRow[];
}

export function reportOf(outage: Outage): { readonly text: string; readonly json: OutageJson } {
  const phases = phaseRows(outage);
  const answeredBy = answers(outage);
  const moves = movesOf(outage.records);
  const asked = askedPerSecond(outage);
  const json = {
    ...{ seed: outage.options.seed, phases, answeredBy, moves, health: outage.states, primaryAskedPerSecond: asked },
  };
  const text = [
    section('What callers felt', [
      ['phase', 'seconds', 'requests', 'succeeded', 'refused as they ask', 'p50 ms', 'p95 ms', 'p99 ms'],
      ...phases.map(({ phase, seconds, requests, succeeded, refused, p50Ms, p95Ms, p99Ms }) => [
        ...[phase, seconds.toFixed(1), requests, `${succeeded.toFixed(2)} %`, refused],
        ...[p50Ms.toFixed(1), p95Ms.toFixed(1), p99Ms.toFixed(1)],
      ]),
    ]),
    section('Who answered', [
      ['phase', 'target', 'requests', 'share'],
      ...Object.entries(answeredBy).flatMap(([phase, counts]) => {
        const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
        return Object.entries(counts).map(([target, count], index) => [
          ...[index === 0 ? phase : '', target, count, `${bar(count / all)} ${Math.round((count / all) * 100)} %`],
        ]);
      }),
    ]),
    section('Who was moved where (from the audit records)', [
      ['tenant', 'feature', 'from', 'reason', 'to', 'requests', 'degraded'],
      ...moves.map(({ tenant, feature, from, reason, to, requests, degraded }) => [
        ...[tenant, feature, from, reason, to, requests, degraded],
      ]),
    ]),
    section(`The health of ${PRIMARY} (from /metrics)`, [
      ['at', 'state'],
      ...outage.states.map(({ at, state }) => [seconds(at), state]),
    ]),
    section(`Requests to ${PRIMARY} while it was sick, per second`, [
      ['from', 'probes and first victims', 'by callers with nobody else', ''],
      ...asked.map(({ from, others, alone }) => [seconds(from), others, alone, bar(Math.min(others / 40, 1))]),
    ]),
  ].join('\n\n');
  return { text, json };
}

function phaseRows({ phases, sent }: Outage): PhaseRow[] {
  return phases.map(({ name, from, to }) => {
    const those = sent.filter(({ phase }) => phase === name);
    const others = those.filter(({ from: { alias } }) => !isAlone(alias));
    const times = those.filter(({ ok }) => ok).map(({ ms }) => ms);
    return {
      ...{ phase: name, seconds: (to - from) / 1000, requests: those.length },
      succeeded: others.length === 0 ? 100 : (others.filter(({ ok }) => ok).length / others.length) * 100,
      refused: those.filter(isRefusal).length,
      ...{ p50Ms: quantile(times, 0.5), p95Ms: quantile(times, 0.95), p99Ms: quantile(times, 0.99) },
    };
  });
}

/** An honest no, with the time to come back. */
export function isRefusal({ from, status, retryAfter }: Sent): boolean {
  return isAlone(from.alias) && status === 503 && retryAfter !== null;
}

function answers({ phases, sent }: Outage): Record<string, Record<string, number>> {
  const rows: Record<string, Record<string, number>> = {};
  for (const { name } of phases) {
    const counts: Record<string, number> = {};
    for (const { target } of sent.filter(({ phase }) => phase === name)) {
      const key = target ?? 'nobody';
      counts[key] = (counts[key] ?? 0) + 1;
    }
    rows[name] = Object.fromEntries(Object.entries(counts).sort(([, a], [, b]) => b - a));
  }
  return rows;
}

/** Every request that its first choice did not answer. */
export function movesOf(records: readonly AuditRecord[]): Move[] {
  const moves = new Map<string, Move>();
  for (const { tenant, feature, alias, attempts, degraded, outcome } of records) {
    const first = ALIASES[alias as keyof typeof ALIASES]?.chain[0] ?? '';
    const last = attempts.at(-1);
    if (last?.target === first && last.outcome === 'ok') continue;
    const failed = attempts.find(({ target }) => target === first);
    const move: Move = {
      ...{ tenant: tenant ?? '', feature: feature ?? '', from: first, requests: 0 },
      reason: failed === undefined ? 'unwell, not asked' : `${failed.outcome} (${failed.status ?? 'no answer'})`,
      to: outcome === 'ok' ? (last?.target ?? '') : 'refused',
      degraded: degraded === null ? '-' : degraded ? 'yes' : 'no',
    };
    const key = Object.values(move).join('|');
    const known = moves.get(key) ?? move;
    known.requests += 1;
    moves.set(key, known);
  }
  return [...moves.values()].sort((a, b) => a.tenant.localeCompare(b.tenant) || b.requests - a.requests);
}

interface AskedRow {
  /** Milliseconds since the start. */
  readonly from: number;
  readonly others: number;
  readonly alone: number;
}

function askedPerSecond({ phases, primaryAsked, sent }: Outage): AskedRow[] {
  const begin = phases.find(({ name }) => name === 'outbreak')?.from ?? 0;
  const end = phases.find(({ name }) => name === 'outage')?.to ?? 0;
  const alone = new Set(sent.filter(({ from }) => isAlone(from.alias)).map(({ from }) => from.tenant));
  return Array.from({ length: Math.ceil((end - begin) / 1000) }, (_, index) => {
    const from = begin + index * 1000;
    const those = primaryAsked.filter(({ at }) => at >= from && at < Math.min(from + 1000, end));
    const byAlone = those.filter(({ tenant }) => alone.has(tenant)).length;
    return { from, others: those.length - byAlone, alone: byAlone };
  });
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

const BAR = 24;

function bar(share: number): string {
  return '█'.repeat(Math.round(share * BAR)).padEnd(BAR, '·');
}

/** Numbers to the right, words to the left. */
function section(title: string, rows: readonly (readonly (string | number)[])[]): string {
  const [head = [], ...body] = rows;
  const isNumber = (cell: string | number | undefined): boolean => /^[\d.]+( %| s)?$/.test(String(cell ?? ''));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        const width = Math.max(...rows.map((one) => String(one[column] ?? '').length));
        const right = body.length > 0 && body.every((one) => isNumber(one[column]));
        return right ? String(cell).padStart(width) : String(cell).padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
  const rule = '─'.repeat(Math.max(...lines.map((line) => line.length), head.length));
  return [title, rule, ...lines].join('\n');
}
