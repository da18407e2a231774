/**
 * `node filter/cli/explain.ts --policy FILE --caller TENANT/KEY_NAME --alias NAME [--header 'NAME: VALUE']… [--region R] [--embeddings] [--admin URL] [--json]`:
 * how a request's route comes about: each target, the rule that lets it in or keeps it out, and its place. With --admin what a running filter knows of the
 * targets' health and clusters now is part of it.
 */
import { parseArgs } from 'node:util';
import { Fault } from '../fault.ts';
import { compileKeys, readKeyFile } from '../policy/caller-keys.ts';
import type { Caller } from '../policy/compiled/caller.ts';
import type { AliasName, RegionName } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import { loadPolicy } from '../policy/load.ts';
import { suggest } from '../policy/suggest.ts';
import { CanaryWatch } from '../routing/canary.ts';
import { routeKeyHeader } from '../routing/explain.ts';
import { planFor } from '../routing/plan.ts';
import { demandsOf } from '../routing/route-key.ts';
import { explained } from './explained.ts';
import { readLiveState } from './live-state.ts';
import { table } from './table.ts';

const USAGE =
  "usage: node filter/cli/explain.ts --policy FILE --caller TENANT/KEY_NAME --alias NAME [--header 'NAME: VALUE']… [--user ID] [--region R] [--embeddings] [--admin URL] [--json]";

function callerOf(policy: Policy, name: string): Caller {
  const { callerKeys, callerKeysFile } = policy;
  const issued = callerKeysFile === undefined ? [] : compileKeys(readKeyFile(callerKeysFile), policy).keys.values();
  const callers = new Map(
    [...callerKeys.values(), ...issued].map(({ caller }) => [`${caller.tenant}/${caller.keyName}`, caller]),
  );
  const caller = callers.get(name);
  if (caller === undefined) throw new Error(`no caller key ${JSON.stringify(name)}; ${suggest(name, callers.keys())}`);
  return caller;
}

function headersOf(lines: readonly string[]): Map<string, string> {
  return new Map(
    lines.map((line) => {
      const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? [];
      if (name === undefined || value === undefined)
        throw new Error(`--header takes "name: value", found ${JSON.stringify(line)}`);
      return [name.toLowerCase(), value];
    }),
  );
}

try {
  const { values } = parseArgs({
    options: {
      ...{ policy: { type: 'string' }, caller: { type: 'string' }, alias: { type: 'string' }, user: { type: 'string' } },
      ...{ header: { type: 'string', multiple: true }, region: { type: 'string' }, admin: { type: 'string' } },
      ...{ embeddings: { type: 'boolean' }, json: { type: 'boolean' } },
    },
  });
  if (values.policy === undefined || values.caller === undefined || values.alias === undefined)
    throw new Error('--policy, --caller and --alias are needed');
  const policy = loadPolicy(values.policy);
  const caller = callerOf(policy, values.caller);
  const alias = policy.aliases.get(values.alias as AliasName);
  if (alias === undefined)
    throw new Error(`no alias ${JSON.stringify(values.alias)}; ${suggest(values.alias, policy.aliases.keys())}`);
  if (caller.aliases !== 'all' && !caller.aliases.has(alias.name))
    throw new Error(`the alias ${alias.name} is not open to ${values.caller}: callers get 404`);
  const headers = headersOf(values.header ?? []);
  const plan = planFor({
    ...{ policy, caller, alias, operation: values.embeddings === true ? 'embeddings' : 'other' },
    demands: demandsOf((name) => headers.get(name), policy),
    region: values.region as RegionName | undefined,
  });
  const live = values.admin === undefined ? undefined : await readLiveState(values.admin);
  const watch = new CanaryWatch({ onStop: () => undefined, now: Date.now });
  const unit = { tenant: caller.tenant, callerKey: caller.keyName, user: values.user };
  const slice = plan.canary === undefined ? undefined : watch.sliceOf(plan.canary, unit);
  const rows = explained(plan, slice, live);
  if (values.json === true) {
    const targets = rows.map(({ target, place, rule }) => ({ target: target.id, place: place ?? null, rule }));
    console.log(JSON.stringify({ policy: policy.version, route_key: plan.key, canary_slice: slice ?? null, targets }));
  } else {
    console.log(`route key: ${routeKeyHeader(plan.key)}`);
    if (slice !== undefined) console.log(`canary ${plan.canary?.target.id}: this caller is in the slice "${slice}"`);
    console.log();
    const cells = rows.map(({ target, place, rule }) => [
      ...[place === undefined ? '-' : String(place), target.id, target.model, target.cluster],
      ...[target.region ?? '-', [...target.zones].join(' ') || '-', rule],
    ]);
    console.log(table(['place', 'target', 'model', 'cluster', 'region', 'zones', 'rule'], cells));
  }
  if (rows.every(({ place }) => place === undefined)) process.exitCode = 1;
} catch (error) {
  const own = error instanceof Fault ? `${error.status} ${error.code}: ${error.message}` : undefined;
  console.error(`${own ?? (error instanceof Error ? error.message : String(error))}\n${USAGE}`);
  process.exitCode = 2;
}
