/** What is told of quotas, and of the limits that providers set for us. Tenants and sums of money are no labels. */
import { Counter, Gauge, type Registry } from 'prom-client';

interface Figures {
  readonly limits: 'own' | 'shared' | 'local';
  readonly held: number;
  readonly expired: number;
  readonly outages: number;
  readonly timeouts: number;
  readonly queuedSettlements: number;
  readonly mergedSettlements: number;
  readonly droppedSettlements: number;
}

export interface QuotaSources {
  readonly figures: () => Figures;
  readonly limits: () => Iterable<{
    readonly target: string;
    readonly kind: string;
    /** Of the limit, this process's part; 0 to 1. */
    readonly share: number;
    /** What is left of that; 0 to 1. */
    readonly room: number;
    readonly waiting: number;
  }>;
}

const COUNTERS: readonly (readonly [name: string, help: string, field: keyof Omit<Figures, 'limits'>])[] = [
  ['gateway_quota_expired_holds_total', 'Reservations that expired before they were settled.', 'expired'],
  ['gateway_quota_store_outages_total', 'Times that the shared store was found to be away.', 'outages'],
  ['gateway_quota_store_timeouts_total', 'Admissions that did not wait for the shared store any longer.', 'timeouts'],
  [
    'gateway_quota_merged_settlements_total',
    'Settlements that were added up while the shared store was away.',
    'mergedSettlements',
  ],
  ['gateway_quota_dropped_settlements_total', 'Settlements that were given up.', 'droppedSettlements'],
];

export function registerQuotaMetrics(registry: Registry, { figures, limits }: QuotaSources): void {
  const registers = [registry];
  for (const [name, help, field] of COUNTERS) {
    new Counter({
      ...{ name, help, registers },
      collect() {
        this.reset();
        this.inc(figures()[field]);
      },
    });
  }
  new Gauge({
    name: 'gateway_quota_held',
    help: 'Reservations of requests in flight.',
    registers,
    collect() {
      this.set(figures().held);
    },
  });
  new Gauge({
    name: 'gateway_quota_queued_settlements',
    help: 'Settlements that wait for the shared store.',
    registers,
    collect() {
      this.set(figures().queuedSettlements);
    },
  });
  new Gauge({
    name: 'gateway_quota_limits',
    help: "1 for whose limits hold: each process's own, shared ones, or this process's part of them while the shared store is away.",
    labelNames: ['limits'],
    aggregator: 'max',
    registers,
    collect() {
      this.reset();
      this.set({ limits: figures().limits }, 1);
    },
  });
  new Gauge({
    name: 'gateway_provider_limit_room',
    help: "Part of the share of a provider's limit that is left.",
    labelNames: ['target', 'kind'],
    aggregator: 'average',
    registers,
    collect() {
      this.reset();
      for (const { target, kind, room } of limits()) this.set({ target, kind }, room);
    },
  });
  new Gauge({
    name: 'gateway_provider_limit_share',
    help: "Part of a provider's limit that these processes have.",
    labelNames: ['target', 'kind'],
    registers,
    collect() {
      this.reset();
      for (const { target, kind, share } of limits()) this.set({ target, kind }, share);
    },
  });
  new Gauge({
    name: 'gateway_provider_limit_waiting',
    help: "Requests that wait for their turn at a provider's limit.",
    labelNames: ['target'],
    registers,
    collect() {
      this.reset();
      for (const { target, waiting } of limits()) this.set({ target }, waiting);
    },
  });
}
