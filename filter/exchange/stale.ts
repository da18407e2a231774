/** Before a chain ends in a refusal: an older answer to the same request, where the alias allows one and the caller has not set a floor. */
import { Fault, type FaultCode } from '../fault.ts';
import { answerKind } from './choose.ts';
import type { Exchange } from './exchange.ts';
import type { OwnAnswer } from './http.ts';
import { gatewayHeaders } from './refuse.ts';

/** Faults that another answer can stand in for: nobody could answer in time. */
const REPLACED: ReadonlySet<FaultCode> = new Set(['chain_exhausted', 'deadline_exceeded']);

/** @returns undefined: the fault is what the caller gets */
export function staleAnswer(exchange: Exchange, fault: unknown): OwnAnswer | undefined {
  const { alias, plan, gateway, caller, callerSchema, original } = exchange;
  if (!(fault instanceof Fault) || !REPLACED.has(fault.code) || alias?.staleAnswers !== 'allowed') return undefined;
  if (plan === undefined || plan.key.degradation === 'refused') return undefined;
  if (caller === undefined || callerSchema === undefined || original === undefined) return undefined;
  const found = gateway.staleAnswers.find({
    ...{ tenant: caller.tenant, alias, zones: plan.key.zones },
    ...{ schema: callerSchema, original, kind: answerKind(exchange) },
  });
  if (found === undefined) return undefined;
  exchange.fault = undefined;
  exchange.cache = 'stale';
  exchange.status = 200;
  exchange.facts.model = found.model;
  exchange.responseBytes = Buffer.byteLength(found.body);
  exchange.bodies?.keepAnswer(found.body);
  // RFC 9111, 5.1: what a cache gives says how old it is.
  const age = ['age', String(found.ageSeconds)] as const;
  return { status: 200, headers: [...found.headers, age, ...gatewayHeaders(exchange)], body: found.body };
}
