/** Audit logs as a busy gateway leaves them: for measuring what reads them. The same seed gives the same records. */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { CHAIN_START, seal } from '../../filter/observability/audit-line.ts';
import type { AuditRecord } from '../../filter/observability/audit-record.ts';
import { segmentName } from '../../filter/observability/audit-segments.ts';
import { auditUsage } from '../../filter/observability/estimate.ts';
import { costNanoUsd } from '../../filter/prices/cost.ts';
import { loadPriceBook } from '../../filter/prices/price-book.ts';
import type { Platform } from '../../filter/prices/rates.ts';
import { NO_USAGE, type ServiceTier, type Usage } from '../../filter/transform/unified.ts';

interface Source {
  readonly target: string;
  readonly cluster: string;
  readonly schema: string;
  readonly model: string;
  readonly platform: Platform | null;
  readonly region: string | null;
}

const SOURCES: readonly Source[] = [
  { target: 'luna', cluster: 'openai', schema: 'openai-chat', model: 'gpt-6-luna', platform: null, region: null },
  { target: 'gpt', cluster: 'openai', schema: 'openai-responses', model: 'gpt-5.5', platform: null, region: 'eu' },
  {
    target: 'haiku',
    cluster: 'anthropic',
    schema: 'anthropic-messages',
    model: 'claude-haiku-5-5',
    platform: null,
    region: null,
  },
  {
    ...{ target: 'haiku-bedrock', cluster: 'bedrock', schema: 'bedrock-converse', model: 'anthropic.claude-haiku-5-5' },
    ...{ platform: 'bedrock', region: 'eu-central-1' },
  },
  {
    target: 'flash',
    cluster: 'vertex',
    schema: 'gemini',
    model: 'gemini-3.8-flash',
    platform: 'vertex',
    region: 'europe-west4',
  },
  { target: 'house-llama', cluster: 'local', schema: 'openai-chat', model: 'house-llama', platform: null, region: null },
];
const TIERS: readonly ServiceTier[] = ['standard', 'standard', 'standard', 'flex', 'priority', 'batch'];

/** Whole numbers from 0 on, below what is asked (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

export interface Generated {
  readonly count: number;
  /** Milliseconds since the epoch: the records are spread evenly over the time from then on. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly seed?: number;
}

export function* auditRecords({ count, fromMs, untilMs, seed = 1 }: Generated): Generator<AuditRecord> {
  const below = numbers(seed);
  const pick = <Value>(values: readonly Value[], otherwise: Value): Value => values[below(values.length)] ?? otherwise;
  const book = loadPriceBook();
  const [first] = SOURCES;
  if (first === undefined) return;
  for (let index = 0; index < count; index += 1) {
    const source = pick(SOURCES, first);
    const serviceTier = pick(TIERS, 'standard');
    const usage = usageOf(below, serviceTier);
    const price = book.priceOf(source.model, source.region ?? undefined, source.platform ?? undefined);
    const refused = below(50) === 0;
    const cost = price === undefined || refused ? null : costNanoUsd(price, usage);
    const counted = refused ? null : auditUsage(usage, below(100) === 0 ? 'estimated' : 'provider');
    const tenant = `tenant-${below(12)}`;
    yield {
      schema_version: 1,
      request_id: `req_${seed}_${index}`,
      time: new Date(fromMs + Math.floor(((untilMs - fromMs) * index) / count)).toISOString(),
      policy_version: '0a1b2c3d4e5f',
      ...{ trace_id: `${'0'.repeat(31)}1`, span_id: `${'0'.repeat(15)}1`, parent_span_id: null, session_id: null },
      ...{ decision: ['as_written'], refused_by: refused ? { kind: 'quota', name: 'default' } : null },
      ...{ tenant, caller_key: `${tenant}-app`, caller_key_id: 'k_1', on_behalf_of: `user-${below(500)}` },
      ...{
        feature: `feature-${below(40)}`,
        agent: below(3) === 0 ? null : `agent-${below(8)}`,
        caller_schema: 'openai-chat',
      },
      ...{ alias: `alias-${below(10)}`, stream: below(2) === 0, route_key: null, excluded: [], canary_slice: null },
      ...{ cache: 'off', degraded: refused ? null : false },
      attempts: refused
        ? []
        : [
            {
              ...{ number: 1, target: source.target, cluster: source.cluster, provider_schema: source.schema },
              ...{ model: source.model, outcome: 'ok', status: 200, credential: source.cluster },
              ...{
                credential_fingerprint: '0a1b2c3d',
                start_ms: 1.2,
                duration_ms: 812.345,
                first_byte_ms: 300.1,
                region: source.region,
              },
              error_class: null,
              price:
                price === undefined
                  ? null
                  : { id: source.model, platform: source.platform, tier: serviceTier, inference_geo: null },
              unpriced:
                price === undefined
                  ? { ids: [source.model], platform: source.platform, tier: serviceTier, inference_geo: null }
                  : null,
              ...{ usage: counted, cost_nano_usd: cost },
            },
          ],
      ...{ response_model: refused ? null : source.model, provider_request_id: refused ? null : `chatcmpl-${index}` },
      ...{ usage: counted, cost_nano_usd: cost, price_book: book.version, budgets: [], dropped_fields: [] },
      ...{ outcome: refused ? 'refused' : 'ok', status: refused ? 429 : 200, fault: refused ? 'quota_exceeded' : null },
      duration_ms: { total: 1204.123, gateway: 1.2, queue: 0, provider: 1201.4, to_headers: 805.2, to_first_byte: 1101.3 },
      ...{ request_bytes: 4000 + below(9000), response_bytes: 900 + below(4000) },
    };
  }
}

function usageOf(below: (limit: number) => number, serviceTier: ServiceTier): Usage {
  return {
    ...NO_USAGE,
    ...{ inputUncached: below(8_000), cacheRead: below(3) === 0 ? below(200_000) : 0 },
    ...(below(5) === 0 ? { cacheWrite5m: below(4_000), cacheWrite1h: below(4_000), cacheWriteOther: below(4_000) } : {}),
    ...{ outputVisible: below(1_500), outputReasoning: below(4) === 0 ? below(3_000) : 0 },
    apart: {
      ...(serviceTier === 'standard' ? {} : { serviceTier }),
      ...(below(20) === 0 ? { audioInput: below(500), audioOutput: below(100), imageInput: below(900) } : {}),
      ...(below(30) === 0 ? { webSearches: 1 + below(3) } : {}),
    },
  };
}

/** Writes one chain in segments of 50,000 records. */
export async function writeAuditLog(directory: string, generated: Generated): Promise<void> {
  let link = CHAIN_START;
  let file: ReturnType<typeof createWriteStream> | undefined;
  for (const record of auditRecords(generated)) {
    if (link.seq % 50_000 === 0) {
      file?.end();
      file = createWriteStream(join(directory, segmentName('filter', link.seq + 1)));
    }
    const sealed = seal(JSON.stringify(record), link);
    link = sealed.link;
    if (file?.write(sealed.line) === false) await once(file, 'drain');
  }
  if (file === undefined) return;
  file.end();
  await once(file, 'finish');
}
