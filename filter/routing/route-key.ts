/**
 * The route key: what a request demands of the targets that may answer it. Tenant, caller key and alias set it, headers add to it; nothing takes anything
 * away, so a caller can only narrow its own way.
 */
import { Fault } from '../fault.ts';
import type { Alias } from '../policy/compiled/alias.ts';
import type { Caller } from '../policy/compiled/caller.ts';
import type { ZoneName } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import type { RouteRules, WorkloadClass } from '../policy/compiled/route-rules.ts';
import { parseDuration, parseUsd } from '../quantities.ts';

export interface RouteKey {
  readonly workloadClass: WorkloadClass;
  readonly latencyBudgetMs: number | undefined;
  readonly costCeilingNanoUsd: number | undefined;
  /** A target must lie in all of them. */
  readonly zones: readonly ZoneName[];
  readonly degradation: 'allowed' | 'refused';
}

export type RoutedOperation = 'embeddings' | 'other';

/** What is demanded of every request of `caller` for `alias`. */
export function routeKeyOf(caller: Caller, alias: Alias, operation: RoutedOperation): RouteKey {
  let key: RouteKey = {
    workloadClass: operation === 'embeddings' ? 'embeddings' : 'interactive',
    latencyBudgetMs: undefined,
    costCeilingNanoUsd: undefined,
    zones: [],
    degradation: 'allowed',
  };
  for (const rules of [...caller.rules, alias.rules]) key = narrowed(key, rules);
  return key;
}

export function narrowed(key: RouteKey, rules: RouteRules): RouteKey {
  return {
    workloadClass: lessUrgent(key.workloadClass, rules.workloadClass),
    latencyBudgetMs: least(key.latencyBudgetMs, rules.latencyBudgetMs),
    costCeilingNanoUsd: least(key.costCeilingNanoUsd, rules.costCeilingNanoUsd),
    zones: rules.zones.every((zone) => key.zones.includes(zone))
      ? key.zones
      : [...new Set([...key.zones, ...rules.zones])].sort(),
    degradation: rules.degradation === 'refused' ? 'refused' : key.degradation,
  };
}

const URGENCY: Readonly<Record<WorkloadClass, number>> = {
  interactive: 0,
  tool_call: 1,
  background: 2,
  batch: 3,
  embeddings: 4,
};

function lessUrgent(a: WorkloadClass, b: WorkloadClass | undefined): WorkloadClass {
  return b === undefined || URGENCY[a] >= URGENCY[b] ? a : b;
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}

type Header = (name: string) => string | undefined;

const DEMANDS: ReadonlySet<string> = new Set([
  'x-gateway-workload-class',
  'x-gateway-latency-budget',
  'x-gateway-cost-ceiling',
  'x-gateway-privacy-zone',
  'x-gateway-degradation',
]);

/**
 * A second line of the same header would go unread, and a zone in it unkept.
 * @param received names of a request's headers, one for each line @throws Fault `route_demand_invalid`
 */
export function refuseRepeated(received: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of received) {
    if (!DEMANDS.has(name)) continue;
    if (seen.has(name)) throw new Fault('route_demand_invalid', `${name} stands in the request twice; send it once.`);
    seen.add(name);
  }
}

/** A day. A timer of more than 24 of them would be over at once. */
const MOST_BUDGET_MS = 86_400_000;

const DEMANDABLE: ReadonlySet<string> = new Set(['interactive', 'tool_call', 'background', 'batch']);

/**
 * What a request's headers demand. @returns undefined for nothing
 * @throws Fault `route_demand_invalid` naming the header; `zone_unavailable` for a zone that nothing here lies in
 */
export function demandsOf(header: Header, policy: Policy): RouteRules | undefined {
  const workloadClass = header('x-gateway-workload-class');
  const budget = header('x-gateway-latency-budget');
  const ceiling = header('x-gateway-cost-ceiling');
  const zones = header('x-gateway-privacy-zone');
  const degradation = header('x-gateway-degradation');
  if ((workloadClass ?? budget ?? ceiling ?? zones ?? degradation) === undefined) return undefined;
  if (workloadClass !== undefined && !DEMANDABLE.has(workloadClass))
    throw invalid('x-gateway-workload-class', 'interactive, tool_call, background or batch');
  if (degradation !== undefined && degradation !== 'refused' && degradation !== 'allowed')
    throw invalid('x-gateway-degradation', 'refused or allowed');
  const latencyBudgetMs = parseDuration(budget);
  if (budget !== undefined && (latencyBudgetMs === undefined || latencyBudgetMs === 0 || latencyBudgetMs > MOST_BUDGET_MS))
    throw invalid('x-gateway-latency-budget', 'a duration such as 700ms, 20s or 10m, of 1440m at most');
  const costCeilingNanoUsd = ceiling === undefined ? undefined : parseUsd(ceiling);
  if (ceiling !== undefined && costCeilingNanoUsd === undefined)
    throw invalid('x-gateway-cost-ceiling', 'US dollars as a decimal, such as 0.05');
  return {
    workloadClass: workloadClass as WorkloadClass | undefined,
    latencyBudgetMs,
    costCeilingNanoUsd,
    zones: zones === undefined ? [] : zones.split(',').map((zone) => served(zone.trim(), policy)),
    degradation: degradation ?? 'allowed',
  };
}

function invalid(header: string, expected: string): Fault {
  return new Fault('route_demand_invalid', `${header} takes ${expected}.`);
}

/** A zone that the gateway does not know, or whose audit records would lie outside it, cannot be kept: fail closed. */
function served(name: string, policy: Policy): ZoneName {
  const zone = policy.zones.get(name as ZoneName);
  if (zone?.audit === 'inside') return zone.name;
  const why = zone === undefined ? 'is not known to this gateway' : 'is not one that the audit log of this gateway lies in';
  throw new Fault('zone_unavailable', `The privacy zone ${JSON.stringify(name.slice(0, 64))} ${why}.`, {
    rule: name.slice(0, 64),
  });
}
