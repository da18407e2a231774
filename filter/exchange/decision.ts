/** Why a request went where it went, and who refused it: the words of the audit record. */
import type { FaultCode } from '../fault.ts';
import type { AuditRefusal } from '../observability/audit-record.ts';
import { CHAIN_ORDERS, type ChainOrder } from '../policy/compiled/alias.ts';
import type { Detour } from '../routing/plan.ts';
import type { Exchange } from './exchange.ts';

const ORDINARY = Object.freeze(
  Object.fromEntries(CHAIN_ORDERS.map((order) => [order, Object.freeze([order])])) as Record<ChainOrder, [ChainOrder]>,
);
const NOBODY: readonly [] = Object.freeze([]);

/** The alias's order first, then what made it another target. @returns empty: nobody was asked */
export function decisionOf(exchange: Exchange): readonly (ChainOrder | Detour)[] {
  const { alias, attempts, plan, slice, targets, detours, excluded } = exchange;
  const [first] = attempts;
  if (alias === undefined || first === undefined) return NOBODY;
  const isCanary = slice === 'canary' && first.target === plan?.canary?.target;
  const isExcluded = excluded.length > 0 && excluded.some(({ target }) => target === alias.chain[0]);
  if (!isCanary && !isExcluded && targets === 'any' && detours.length === 0) return ORDINARY[alias.order];
  return [
    alias.order,
    ...(isCanary ? ['canary' as const] : []),
    ...(targets === 'cheaper' ? ['cheaper' as const] : []),
    ...(isExcluded ? ['excluded' as const] : []),
    ...detours,
  ];
}

const REFUSERS: Readonly<Partial<Record<FaultCode, AuditRefusal['kind']>>> = {
  caller_key_missing: 'identity',
  caller_key_invalid: 'identity',
  caller_key_expired: 'identity',
  caller_token_invalid: 'identity',
  caller_network_refused: 'identity',
  caller_certificate_refused: 'identity',
  too_many_failures: 'identity',
  feature_refused: 'identity',
  on_behalf_of_refused: 'identity',
  explain_refused: 'policy',
  alias_unknown: 'policy',
  no_eligible_target: 'policy',
  zone_unavailable: 'zone',
  quota_exceeded: 'quota',
  budget_spent: 'budget',
  no_capacity: 'limit',
};

/** @returns null: nobody refused it, or a provider did */
export function refusalOf({ fault }: Exchange): AuditRefusal | null {
  const kind = fault === undefined ? undefined : REFUSERS[fault.code];
  return kind === undefined ? null : { kind, name: fault?.rule ?? null };
}
