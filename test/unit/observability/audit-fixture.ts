/** A record with every field, for tests that need one. */
import type { AuditRecord } from '../../../filter/observability/audit-record.ts';
import { auditUsage } from '../../../filter/observability/estimate.ts';
import { NO_USAGE } from '../../../filter/transform/unified.ts';

export function auditRecord(id: string, changes: Partial<AuditRecord> = {}): AuditRecord {
  return {
    ...{
      schema_version: 1,
      request_id: id,
      time: '2026-11-24T00:00:00.000Z',
      policy_version: 'p',
      tenant: 't',
      caller_key: 'k',
      caller_key_id: 'k_1',
      on_behalf_of: null,
    },
    ...{
      feature: 'f',
      agent: 'a',
      caller_schema: 'openai-chat',
      alias: 'fast',
      stream: false,
      route_key: null,
      excluded: [],
      degraded: null,
      canary_slice: null,
      cache: 'off' as const,
      cost_nano_usd: null,
      price_book: 'p',
      budgets: [],
      response_model: 'm',
      provider_request_id: null,
    },
    attempts: [
      {
        number: 1,
        target: 'gpt',
        cluster: 'openai',
        provider_schema: 'openai-chat',
        model: 'm',
        outcome: 'ok',
        status: 200,
        credential: 'openai',
        credential_fingerprint: '0a1b2c3d',
        duration_ms: 5,
      },
    ],
    usage: auditUsage({ ...NO_USAGE, inputUncached: 3, cacheRead: 2, outputVisible: 4 }, 'provider'),
    ...{ dropped_fields: [], outcome: 'ok', status: 200, fault: null, request_bytes: 1, response_bytes: 1 },
    duration_ms: { total: 10, queue: 0, gateway: 0.2, to_headers: 5, to_first_byte: 6 },
    ...changes,
  };
}
