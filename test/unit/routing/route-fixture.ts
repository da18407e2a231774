/** A policy of a few targets, a gateway that has it, and requests for its alias `a`. */
import { loadCredentials } from '../../../filter/credentials/credentials.ts';
import { choose } from '../../../filter/exchange/choose.ts';
import { type Exchange, type Gateway, openExchange } from '../../../filter/exchange/exchange.ts';
import { Ruleset } from '../../../filter/exchange/ruleset.ts';
import { ClusterView } from '../../../filter/fallback/clusters.ts';
import { TargetHealth } from '../../../filter/fallback/health.ts';
import { TargetLatency } from '../../../filter/fallback/latency.ts';
import { NO_STALE_ANSWERS } from '../../../filter/fallback/stale-answers.ts';
import { Fault } from '../../../filter/fault.ts';
import { hashCallerKey } from '../../../filter/identity/key-format.ts';
import { compile } from '../../../filter/policy/compile.ts';
import type { AliasName, RegionName } from '../../../filter/policy/compiled/names.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import type { PolicyDocument } from '../../../filter/policy/document.ts';
import { ALONE } from '../../../filter/quota/limit-shares.ts';
import { createMemoryStore } from '../../../filter/quota/memory-store.ts';
import { ProviderLimits } from '../../../filter/quota/provider-limits.ts';
import { type CanaryStop, CanaryWatch } from '../../../filter/routing/canary.ts';
import { planFor } from '../../../filter/routing/plan.ts';
import { demandsOf } from '../../../filter/routing/route-key.ts';
import { openAiChatCaller } from '../../../filter/transform/callers/openai-chat/caller.ts';
import { makeIdentity } from '../identity/identity-fixture.ts';

export const KEY = hashCallerKey('gk-one');

/** Nobody asks it anything here, and its caches are large: one does for all worlds. */
const { identity } = makeIdentity();

function compiled(document: PolicyDocument): Policy {
  const result = compile(document, { version: 'v', baseDirectory: '/' });
  if (!result.ok) throw new Error(result.problems.map(({ at, message }) => `${at.join('.')}: ${message}`).join('\n'));
  return result.policy;
}

export type Parts = Partial<Omit<PolicyDocument, 'targets'>> & {
  targets: Record<string, Partial<PolicyDocument['targets'][string]>>;
};

export function policyOf({ targets, ...parts }: Parts): Policy {
  const whole = Object.entries(targets).map(([id, target]) => [
    id,
    { cluster: `c-${id}`, schema: 'openai-chat', model: `m-${id}`, max_output_tokens: 100, ...target },
  ]);
  return compiled({
    version: 1,
    targets: Object.fromEntries(whole),
    aliases: { a: { chain: Object.keys(targets) } },
    tenants: { t: { caller_keys: [{ name: 'k', sha256: KEY }] } },
    ...parts,
  });
}

export interface World {
  readonly policy: Policy;
  readonly gateway: Gateway;
  now: number;
  readonly stops: CanaryStop[];
}

export function world(policy: Policy, region?: string): World {
  const made: World = {
    policy,
    now: 1000,
    stops: [],
    gateway: {
      identity,
      ruleset: () => new Ruleset(policy, loadCredentials(policy, { A: 'a', B: 'b' })),
      health: new TargetHealth({ now: () => made.now, inForce: (id) => policy.targets.get(id) }),
      latency: new TargetLatency(() => true),
      clusters: new ClusterView(() => made.now),
      canaries: new CanaryWatch({ onStop: (stop) => made.stops.push(stop), now: () => made.now }),
      staleAnswers: NO_STALE_ANSWERS,
      quotas: createMemoryStore({ now: () => made.now }),
      limits: new ProviderLimits({ now: () => made.now, processes: ALONE, maxWaiting: 10 }),
      address: undefined,
      region: region as RegionName | undefined,
      exchanges: new Map(),
      mayServe: () => true,
      bodies: undefined,
      record: () => undefined,
      onInternalError: () => undefined,
      maxRequestBytes: 1_000_000,
    },
  };
  return made;
}

/** A request for alias `a`, as far as its plan. */
export function request({ policy, gateway }: World, headers: Readonly<Record<string, string>> = {}): Exchange {
  const exchange = openExchange(gateway);
  const caller = policy.callerKeys.get(KEY)?.caller;
  const alias = policy.aliases.get('a' as AliasName);
  if (caller === undefined || alias === undefined) throw new Error('the policy has no such caller or alias');
  const demands = demandsOf((name) => headers[name], policy);
  exchange.caller = caller;
  exchange.alias = alias;
  exchange.callerSchema = openAiChatCaller;
  exchange.head = { alias: 'a', stream: false };
  const json = { model: 'a', messages: [{ role: 'user', content: 'x' }] };
  const line = { path: '/v1/chat/completions', query: '' };
  exchange.original = { line, bytes: Buffer.from(JSON.stringify(json)), json, header: () => undefined };
  exchange.plan = planFor({ policy, caller, alias, operation: 'other', demands, region: gateway.region });
  const budget = exchange.plan.key.latencyBudgetMs;
  if (budget !== undefined) exchange.deadlineAt = exchange.startedAt + budget;
  return exchange;
}

export const chosen = (exchange: Exchange): string =>
  choose(exchange, exchange.plan ?? fail())
    .map(({ id }) => id)
    .join(' ');

export function fail(): never {
  throw new Error('no plan');
}

export const fault = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault) return `${error.status} ${error.code}: ${error.message}`;
    throw error;
  }
  return 'none';
};

export const excludedOf = ({ excluded }: Pick<Exchange, 'excluded'>): string[] =>
  excluded.map(({ target, rule }) => `${target.id} ${rule}`);
