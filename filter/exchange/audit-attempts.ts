/** The attempts of a request as its audit record tells them. */
import type { Attempt } from '../fallback/attempt.ts';
import { errorClassOf } from '../fallback/error-class.ts';
import type { AuditAttempt, AuditPrice, AuditUnpriced, AuditUsage } from '../observability/audit-record.ts';
import type { Target } from '../policy/compiled/target.ts';
import type { Exchange } from './exchange.ts';
import { rounded } from './time-split.ts';
import type { Spent } from './token-use.ts';

/** @param usage what `spent` is in the record */
export function auditAttempts(
  exchange: Exchange,
  spent: Spent | undefined,
  usage: AuditUsage | null,
): readonly AuditAttempt[] {
  const { skipped, attempts } = exchange;
  const last = attempts.at(-1);
  const audit = (attempt: Attempt): AuditAttempt => {
    const { target, credential, endedAt } = attempt;
    const used = attempt === last ? spent : undefined;
    return {
      number: attempt.number,
      target: target.id,
      cluster: target.cluster,
      provider_schema: target.schema.name,
      model: target.model,
      outcome: attempt.outcome,
      status: attempt.status ?? null,
      credential: credential?.name ?? null,
      credential_fingerprint: credential?.fingerprint ?? null,
      start_ms: rounded(attempt.startedAt - exchange.startedAt),
      duration_ms: endedAt === undefined ? null : rounded(endedAt - attempt.startedAt),
      first_byte_ms: attempt === last ? firstByteOf(exchange, last) : null,
      region: target.region ?? null,
      error_class: errorClassOf(attempt),
      price: auditPrice(target, used),
      unpriced: auditUnpriced(target, used),
      usage: used === undefined ? null : usage,
      cost_nano_usd: used?.nanoUsd ?? null,
    };
  };
  return skipped.length === 0 ? attempts.map(audit) : [...skipped, ...attempts].map(audit);
}

function auditPrice({ pricedAs }: Target, used: Spent | undefined): AuditPrice | null {
  if (pricedAs === undefined) return null;
  return { id: pricedAs.id, platform: pricedAs.platform ?? null, ...servingOf(used) };
}

function auditUnpriced({ pricedAs, model, baseModel, platform }: Target, used: Spent | undefined): AuditUnpriced | null {
  if (pricedAs !== undefined) return null;
  return { ids: model === baseModel ? [model] : [model, baseModel], platform: platform ?? null, ...servingOf(used) };
}

function servingOf(used: Spent | undefined): Pick<AuditPrice, 'tier' | 'inference_geo'> {
  if (used === undefined) return { tier: null, inference_geo: null };
  const { serviceTier = 'standard', inferenceGeo = null } = used.usage.apart ?? {};
  return { tier: serviceTier, inference_geo: inferenceGeo };
}

function firstByteOf({ firstByteAt }: Exchange, { outcome, startedAt }: Attempt): number | null {
  return outcome === 'ok' && firstByteAt !== undefined ? rounded(firstByteAt - startedAt) : null;
}
