/** A policy with quotas and budgets, each for a tenant of its own; and how its tenants ask. */
import { hashCallerKey } from '../../filter/identity/key-format.ts';
import type { PolicyDocument } from '../../filter/policy/document.ts';
import type { changedPolicy } from '../stack/policy.ts';
import { priceFile } from '../stack/prices.ts';
import type { Stack } from '../stack/stack.ts';
import { post, type RawAnswer } from './callers.ts';

const TENANTS = [
  'calm',
  'few',
  'mute',
  'tokens',
  'flight',
  'poor',
  'thrifty',
  'ledger',
  'one',
  'two',
  'three',
  'four',
] as const;
export const keyOf = (tenant: string): string => `gk-quota-${tenant}`;

type Change = Parameters<typeof changedPolicy>[0];

export const withQuotas: Change = (policy) => {
  policy.prices = { file: priceFile({ dear: { input: '10', output: '100' }, cheap: { input: '0.1', output: '0.1' } }) };
  Object.assign(policy.targets['gpt-luna'] ?? {}, { price_id: 'dear' });
  Object.assign(policy.targets['claude-haiku'] ?? {}, { price_id: 'cheap' });
  policy.aliases['product'] = { chain: ['gpt-luna', 'claude-haiku'], expected_output_tokens: 100 };
  policy.targets['speaker'] = {
    ...{ cluster: 'openai', schema: 'openai-pass-through', model: 'gpt-speech', credential: 'openai' },
    ...{ price_id: 'dear', max_output_tokens: 1000 },
  };
  policy.aliases['voice'] = { chain: ['speaker'] };
  for (const tenant of TENANTS)
    policy.tenants[tenant] = { caller_keys: [{ name: tenant, sha256: hashCallerKey(keyOf(tenant)), aliases: 'all' }] };
  const quotas: NonNullable<PolicyDocument['quotas']> = {
    few: { match: { tenants: ['few'] }, requests: { rate: '60/m', burst: 5 } },
    tokens: { match: { tenants: ['tokens'] }, tokens: { rate: '60/m', burst: 1000 } },
    flight: { match: { tenants: ['flight'] }, concurrency: 2 },
  };
  const budgets: NonNullable<PolicyDocument['budgets']> = {
    poor: { match: { tenants: ['poor'] }, usd: '0.11', period: 'day', when_spent: 'refuse' },
    mute: { match: { tenants: ['mute'] }, usd: '0.25', period: 'day', when_spent: 'refuse' },
    thrifty: { match: { tenants: ['thrifty'] }, usd: '0.000001', period: 'month', when_spent: 'degrade' },
    ledger: { match: { tenants: ['ledger'] }, usd: '1000', period: 'day', when_spent: 'refuse', warn_at: 0.000001 },
  };
  Object.assign(policy, { quotas, budgets });
};

export const ask = (
  stack: Stack,
  tenant: string,
  {
    path = '/v1/chat/completions',
    headers = {},
    ...body
  }: Record<string, unknown> & { path?: string; headers?: object } = {},
): Promise<RawAnswer> =>
  post(
    stack,
    path,
    { model: 'product', max_tokens: 100, messages: [{ role: 'user', content: 'hello' }], ...body },
    { authorization: `Bearer ${keyOf(tenant)}`, ...headers },
  );
