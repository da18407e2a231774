/** Zones, route rules and chains of a policy document, with every name resolved. */
import { parseDuration, parseUsd } from '../quantities.ts';
import type { RegionName, TargetId, ZoneName } from './compiled/names.ts';
import type { RouteRules } from './compiled/route-rules.ts';
import type { Target, Zone } from './compiled/target.ts';
import type { AliasDocument, Place, PolicyDocument, Problem, RouteDocument } from './document.ts';
import { suggest } from './suggest.ts';

export interface RouteNames {
  readonly zones: ReadonlySet<string>;
  /** Zones that the audit log lies in. */
  readonly audited: ReadonlySet<string>;
}

export function routeNames({ zones = {}, audit = {} }: PolicyDocument, problems: Problem[]): RouteNames {
  const names = new Set(Object.keys(zones));
  (audit.zones ?? []).forEach((zone, index) => {
    knownZone(zone, names, ['audit', 'zones', index], problems);
  });
  return { zones: names, audited: new Set(audit.zones) };
}

function knownZone(zone: string, zones: ReadonlySet<string>, at: Place, problems: Problem[]): void {
  if (!zones.has(zone)) problems.push({ at, message: `no zone ${JSON.stringify(zone)}; ${suggest(zone, zones)}` });
}

export interface AliasContext {
  readonly targets: ReadonlyMap<TargetId, Target>;
  /** Targets of the document, those that are wrong in themselves too. */
  readonly declared: ReadonlySet<string>;
  readonly names: RouteNames;
  readonly problems: Problem[];
}

export const NO_RULES: RouteRules = Object.freeze({
  workloadClass: undefined,
  latencyBudgetMs: undefined,
  costCeilingNanoUsd: undefined,
  zones: Object.freeze([]),
  degradation: 'allowed',
});

export function compileRules(
  rules: RouteDocument | undefined,
  names: RouteNames,
  at: Place,
  problems: Problem[],
): RouteRules {
  if (rules === undefined) return NO_RULES;
  const zones = rules.privacy_zones ?? [];
  zones.forEach((zone, index) => {
    const place = [...at, 'privacy_zones', index];
    knownZone(zone, names.zones, place, problems);
    if (names.zones.has(zone) && !names.audited.has(zone)) {
      const message = `the audit log does not lie in ${JSON.stringify(zone)}, so no request of it can be served; name it in audit.zones if it does`;
      problems.push({ at: place, message });
    }
  });
  const costCeilingNanoUsd = rules.cost_ceiling === undefined ? undefined : parseUsd(String(rules.cost_ceiling));
  if (rules.cost_ceiling !== undefined && costCeilingNanoUsd === undefined)
    problems.push({ at: [...at, 'cost_ceiling'], message: 'expected US dollars as a decimal, such as "0.05"' });
  return Object.freeze({
    workloadClass: rules.workload_class,
    latencyBudgetMs: parseDuration(rules.latency_budget),
    costCeilingNanoUsd,
    zones: Object.freeze([...zones] as ZoneName[]),
    degradation: rules.degradation ?? 'allowed',
  });
}

/** What a target says of its place, checked against what its zones say of theirs. */
export function checkPlace(document: PolicyDocument, id: string, problems: Problem[]): void {
  const { zones = [], region } = document.targets[id] ?? {};
  const names = new Set(Object.keys(document.zones ?? {}));
  zones.forEach((zone, index) => {
    const at = ['targets', id, 'zones', index];
    knownZone(zone, names, at, problems);
    const regions = document.zones?.[zone]?.regions;
    if (regions === undefined) return;
    if (region === undefined)
      problems.push({
        at,
        message: `the zone ${zone} is made of regions (${regions.join(', ')}): say which one this target is in`,
      });
    else if (!regions.includes(region))
      problems.push({ at, message: `the target's region ${region} is not one of the zone's: ${regions.join(', ')}` });
  });
}

export function compileZones(
  { zones = {} }: PolicyDocument,
  { audited }: RouteNames,
  targets: ReadonlyMap<TargetId, Target>,
  problems: Problem[],
): Map<ZoneName, Zone> {
  const compiled = new Map<ZoneName, Zone>();
  for (const [name, { last_resort = [] }] of Object.entries(zones)) {
    const lastResort = resolve(placed(last_resort, ['zones', name, 'last_resort']), targets, problems);
    lastResort.forEach((target, index) => {
      if (target.zones.has(name as ZoneName)) return;
      const message = `the target ${target.id} does not lie in this zone; add it to targets.${target.id}.zones if it does`;
      problems.push({ at: ['zones', name, 'last_resort', index], message });
    });
    const zone: Zone = {
      name: name as ZoneName,
      audit: audited.has(name) ? 'inside' : 'outside',
      lastResort: Object.freeze(lastResort),
    };
    compiled.set(zone.name, Object.freeze(zone));
  }
  return compiled;
}

export function compileNearness({ nearness = {} }: PolicyDocument): Map<RegionName, readonly RegionName[]> {
  return new Map(
    Object.entries(nearness).map(([own, others]) => [own as RegionName, Object.freeze([...others] as RegionName[])]),
  );
}

/** Attempts are counted by Envoy, whose bootstrap allows seven retries. */
export const MAX_ATTEMPTS = 8;

/** @returns the chain's steps; targets that are not there are told and left out */
export function compileSteps(
  name: string,
  { chain }: AliasDocument,
  targets: ReadonlyMap<TargetId, Target>,
  declared: ReadonlySet<string>,
  problems: Problem[],
): readonly (readonly Target[])[] {
  const at = ['aliases', name, 'chain'];
  if (chain.flat().length > MAX_ATTEMPTS)
    problems.push({ at, message: `has ${chain.flat().length} targets; at most ${MAX_ATTEMPTS} can be asked` });
  const steps = chain.map((step, index) => {
    const named = typeof step === 'string' ? [{ id: step, at: [...at, index] }] : placed(step, [...at, index]);
    // What is wrong with a target is told at the target.
    return resolve(
      named.filter(({ id }) => targets.has(id as TargetId) || !declared.has(id)),
      targets,
      problems,
    );
  });
  return Object.freeze(steps.filter((step) => step.length > 0).map((step) => Object.freeze(step)));
}

export function compileDegraded(
  name: string,
  { equivalents = [], canary }: AliasDocument,
  steps: readonly (readonly Target[])[],
  targets: ReadonlyMap<TargetId, Target>,
  problems: Problem[],
): ReadonlySet<TargetId> {
  const equals = new Set(resolve(placed(equivalents, ['aliases', name, 'equivalents']), targets, problems));
  // A canary is to be as good as the stable target, or better: that is what its bounds watch.
  const candidate = targets.get(canary?.target as TargetId);
  if (candidate !== undefined) equals.add(candidate);
  const [first = []] = steps;
  const models = new Set(first.map(({ baseModel }) => baseModel));
  const lesser = [...targets.values()].filter((target) => !equals.has(target) && !models.has(target.baseModel));
  return new Set(lesser.map(({ id }) => id));
}

interface Named {
  readonly id: string;
  readonly at: Place;
}

function placed(ids: readonly string[], at: Place): Named[] {
  return ids.map((id, index) => ({ id, at: [...at, index] }));
}

function resolve(named: readonly Named[], targets: ReadonlyMap<TargetId, Target>, problems: Problem[]): Target[] {
  return named.flatMap(({ id, at }) => {
    const target = targets.get(id as TargetId);
    if (target !== undefined) return [target];
    problems.push({ at, message: `no target ${JSON.stringify(id)}; ${suggest(id, targets.keys())}` });
    return [];
  });
}
