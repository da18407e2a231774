/** Who calls in the outage, by which aliases, and what is told of it. */
import type { AuditRecord } from '../../filter/observability/audit-record.ts';
import type { Sent, Tenant } from './traffic.ts';

export const PRIMARY = 'gpt-luna';

const tenant = (name: string, about: Omit<Tenant, 'tenant' | 'key'>): Tenant => ({
  ...{ tenant: name, key: `gk-outage-${name}` },
  ...about,
});

export const TENANTS: readonly Tenant[] = [
  tenant('shop', { feature: 'product-help', share: 0.45, alias: 'product', schema: 'openai', streams: 0.8 }),
  tenant('support', { feature: 'reply-drafts', share: 0.3, alias: 'product', schema: 'anthropic', streams: 0.5 }),
  tenant('research', { feature: 'summaries', share: 0.15, alias: 'product', schema: 'openai', streams: 0 }),
  tenant('legal', { feature: 'contract-review', share: 0.08, alias: 'contracts', schema: 'anthropic', streams: 0.5 }),
  tenant('court', { feature: 'verdicts', share: 0.02, alias: 'verdicts', schema: 'openai', streams: 0 }),
];

/** They differ in what their callers have when the primary is away. */
export const ALIASES = {
  product: { chain: [PRIMARY, 'claude-haiku'] },
  /** No lesser answer; but there is an equal. */
  contracts: {
    ...{ chain: [PRIMARY, 'gpt-terra', 'claude-haiku'], equivalents: ['gpt-terra'] },
    route: { degradation: 'refused' as const },
  },
  /** No lesser answer, and no equal: a refusal is what they want. */
  verdicts: { chain: [PRIMARY, 'claude-haiku'], route: { degradation: 'refused' as const }, retry_after: '3s' },
};

export interface OutageOptions {
  readonly seed: number;
  readonly perSecond: number;
  readonly beforeMs: number;
  readonly outageMs: number;
  readonly afterMs: number;
  readonly onPhase?: (phase: Phase) => void;
}

export interface Phase {
  readonly name: 'before' | 'outbreak' | 'outage' | 'recovery' | 'after';
  /** Milliseconds since the start. */
  readonly from: number;
  to: number;
}

export interface Outage {
  readonly options: OutageOptions;
  readonly phases: readonly Phase[];
  readonly sent: readonly Sent[];
  readonly records: readonly AuditRecord[];
  /** Requests that reached the primary: when, and whose. `tenant` is in the text of each. */
  readonly primaryAsked: readonly { readonly at: number; readonly tenant: string }[];
  /** The states of the primary's health, by the filter's metrics, each from when it was seen. */
  readonly states: readonly { readonly at: number; readonly state: string }[];
}

/** Callers that accept nobody but the primary. */
export function isAlone(alias: string): boolean {
  return alias === 'verdicts';
}
