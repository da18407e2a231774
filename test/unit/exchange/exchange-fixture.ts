/** A gateway without Envoy, and requests of its one caller for alias `a`. */
import { loadCredentials } from '../../../filter/credentials/credentials.ts';
import { type Exchange, type Gateway, openExchange } from '../../../filter/exchange/exchange.ts';
import type { HeaderView } from '../../../filter/exchange/http.ts';
import { Ruleset } from '../../../filter/exchange/ruleset.ts';
import { ClusterView } from '../../../filter/fallback/clusters.ts';
import { TargetHealth } from '../../../filter/fallback/health.ts';
import { TargetLatency } from '../../../filter/fallback/latency.ts';
import { NO_STALE_ANSWERS } from '../../../filter/fallback/stale-answers.ts';
import { hashCallerKey } from '../../../filter/identity/key-format.ts';
import { compile } from '../../../filter/policy/compile.ts';
import type { AliasName, TargetId } from '../../../filter/policy/compiled/names.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import type { Target } from '../../../filter/policy/compiled/target.ts';
import type { PolicyDocument } from '../../../filter/policy/document.ts';
import { createMemoryStore } from '../../../filter/quota/memory-store.ts';
import { ProviderLimits } from '../../../filter/quota/provider-limits.ts';
import { CanaryWatch } from '../../../filter/routing/canary.ts';
import { type Plan, planFor } from '../../../filter/routing/plan.ts';
import { demandsOf } from '../../../filter/routing/route-key.ts';
import { openAiChatCaller } from '../../../filter/transform/callers/openai-chat/caller.ts';
import { makeIdentity } from '../identity/identity-fixture.ts';

/** Gateway keys, for `{ env: 'KEY_1' }`. */
const KEYS = { KEY_1: 'gateway-key-one', KEY_2: 'gateway-key-two' };

export type PlannedExchange = Exchange & { readonly plan: Plan };

export const CALLER_KEY = hashCallerKey('gk-one');

/** Nobody's failures are counted here, and its caches are large: one does for all gateways. */
const { identity } = makeIdentity();

const ALONE = { pods: 1, workers: 1, worker: 0 };

export type Parts = Partial<Omit<PolicyDocument, 'targets'>> & {
  targets: Record<string, Partial<PolicyDocument['targets'][string]>>;
};

export function policyOf({ targets, ...parts }: Parts): Policy {
  const whole = Object.entries(targets).map(([id, target]) => [
    id,
    { cluster: `c-${id}`, schema: 'openai-chat', model: `m-${id}`, max_output_tokens: 100, ...target },
  ]);
  const document: PolicyDocument = {
    version: 1,
    targets: Object.fromEntries(whole),
    aliases: { a: { chain: Object.keys(targets) } },
    tenants: { t: { caller_keys: [{ name: 'k', sha256: CALLER_KEY }] } },
    ...parts,
  };
  const result = compile(document, { version: 'v', baseDirectory: '/' });
  if (!result.ok) throw new Error(result.problems.map(({ at, message }) => `${at.join('.')}: ${message}`).join('\n'));
  return result.policy;
}

export function gatewayOf(
  policy: Policy,
  changes: Partial<Gateway> = {},
  now: () => number = () => performance.now(),
): Gateway {
  return {
    identity,
    ruleset: () => new Ruleset(policy, loadCredentials(policy, KEYS)),
    health: new TargetHealth({ now, inForce: (id) => policy.targets.get(id) }),
    latency: new TargetLatency(() => true),
    clusters: new ClusterView(now),
    canaries: new CanaryWatch({ onStop: () => undefined, now }),
    staleAnswers: NO_STALE_ANSWERS,
    quotas: createMemoryStore({ now }),
    limits: new ProviderLimits({ now, processes: ALONE, maxWaiting: 10 }),
    address: undefined,
    region: undefined,
    exchanges: new Map(),
    mayServe: () => true,
    bodies: undefined,
    record: () => undefined,
    onInternalError: () => undefined,
    maxRequestBytes: 1_000_000,
    ...changes,
  };
}

/** A request as far as its plan. @param headers what it demands of its route */
export function requestOf(gateway: Gateway, headers: Readonly<Record<string, string>> = {}): PlannedExchange {
  const exchange = openExchange(gateway);
  const { policy } = exchange;
  const caller = policy.callerKeys.get(CALLER_KEY)?.caller;
  const alias = policy.aliases.get('a' as AliasName);
  if (caller === undefined || alias === undefined) throw new Error('the policy has no such caller or alias');
  exchange.caller = caller;
  exchange.alias = alias;
  exchange.callerSchema = openAiChatCaller;
  exchange.head = { alias: 'a', stream: false };
  const json = { model: 'a', messages: [{ role: 'user', content: 'x' }] };
  const line = { path: '/v1/chat/completions', query: '' };
  exchange.original = { line, bytes: Buffer.from(JSON.stringify(json)), json, header: () => undefined };
  const demands = demandsOf((name) => headers[name], policy);
  const plan = planFor({ policy, caller, alias, operation: 'other', demands, region: gateway.region });
  const budget = plan.key.latencyBudgetMs;
  if (budget !== undefined) exchange.deadlineAt = exchange.startedAt + budget;
  return Object.assign(exchange, { plan });
}

export function targetOf(policy: Policy, id: string): Target {
  const target = policy.targets.get(id as TargetId);
  if (target === undefined) throw new Error(`no target ${id}`);
  return target;
}

export function headersOf(headers: Readonly<Record<string, string>>): HeaderView {
  return { get: (name) => headers[name], names: () => Object.keys(headers) };
}
