/** Routing: from what a caller asked for to the ordered chain of targets that may answer it. */
import { Fault } from '../fault.ts';
import type { Alias } from '../policy/compiled/alias.ts';
import type { Caller } from '../policy/compiled/caller.ts';
import type { AliasName } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';

/** @throws Fault `alias_unknown`, whether it does not exist or is not open to this caller: neither learns more */
export function route(policy: Policy, caller: Caller, requested: string): Alias {
  const alias = policy.aliases.get(requested as AliasName);
  const allowed = alias !== undefined && (caller.aliases === 'all' || caller.aliases.has(alias.name));
  if (alias !== undefined && allowed) return alias;
  const shown = requested.length > 64 ? `${requested.slice(0, 64)}…` : requested;
  throw new Fault(
    'alias_unknown',
    `The model alias ${JSON.stringify(shown)} does not exist or is not open to this caller key. Ask for one of: ${told(openTo(policy, caller))}.`,
    { param: 'model' },
  );
}

/** The aliases that a caller may ask for, sorted. */
export function openTo(policy: Policy, caller: Caller): AliasName[] {
  const names = caller.aliases === 'all' ? policy.aliases.keys() : caller.aliases;
  return [...names].sort();
}

function told(names: readonly AliasName[]): string {
  return names.length === 0 ? '(none)' : names.slice(0, 20).join(', ') + (names.length > 20 ? ', …' : '');
}
