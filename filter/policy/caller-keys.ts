/** The file of issued caller keys: read, and compiled against the policy in force. */
import { existsSync, readFileSync } from 'node:fs';
import { BlockList } from 'node:net';
import { type Problem, readSource, type Source } from '../source.ts';
import { callerOf, compileNetworks, compileScope, compileTime } from './compile-caller.ts';
import type { RouteNames } from './compile-route.ts';
import type { Caller, CallerKey, Networks } from './compiled/caller.ts';
import type { CallerKeyHash, CallerKeyId, TenantId } from './compiled/names.ts';
import type { Policy } from './compiled/policy.ts';
import type { CallerKeysDocument, IssuedKeyDocument } from './document.ts';
import { checked, PolicyError, problemsIn, readText } from './load.ts';

const SCHEMA: object = JSON.parse(readFileSync(new URL('./caller-keys.schema.json', import.meta.url), 'utf8'));

/** A whole key, wherever it stands. */
const WHOLE_KEY = /gk-[0-9A-Za-z]{34}/;

export interface KeyFile {
  readonly document: CallerKeysDocument;
  readonly text: string;
  readonly source: () => Source;
  /** By their words: thousands of keys have few networks among them. */
  readonly networks: ReadonlyMap<string, Networks>;
}

/** @throws PolicyError listing every problem with file, line and path */
export function readKeyFile(file: string): KeyFile {
  if (!existsSync(file)) throw new PolicyError(`${file}: is not there; the first "node filter/cli/keys.ts issue" makes it`);
  const text = readText(file);
  // Positions are found out only when a problem needs them: the file may hold thousands of keys.
  const source = (): Source => readSource(file, text);
  const { value, syntaxErrors = [] } = parsed(text, source);
  if (syntaxErrors.length > 0) throw new PolicyError(syntaxErrors.join('\n'));
  const document = checked<CallerKeysDocument>(value, SCHEMA, source);
  const problems: Problem[] = [];
  const ids = new Map<string, string>();
  const networks = new Map<string, Networks>();
  const holdsKey = WHOLE_KEY.test(text);
  document.keys.forEach((key, index) => {
    const at = ['keys', index];
    for (const field of ['id', 'sha256'] as const) {
      const taken = ids.get(key[field]);
      if (taken !== undefined) problems.push({ at: [...at, field], message: `the same as that of ${taken}` });
      ids.set(key[field], key.id);
    }
    for (const field of ['created_at', 'expires_at', 'revoked_at'] as const)
      compileTime(key[field], [...at, field], problems);
    const words = key.networks?.join();
    if (words !== undefined && !networks.has(words))
      networks.set(words, compileNetworks(key.networks, [...at, 'networks'], problems));
    if (holdsKey && WHOLE_KEY.test(JSON.stringify(key)))
      problems.push({ at, message: 'holds a whole key; only its SHA-256 may stand here. Revoke that key' });
  });
  if (problems.length > 0) throw problemsIn(source(), problems);
  return { document, text, source, networks };
}

function parsed(text: string, source: () => Source): { value: unknown; syntaxErrors?: readonly string[] } {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return source();
  }
}

export interface CompiledKeys {
  readonly keys: ReadonlyMap<CallerKeyHash, CallerKey>;
  /** What single keys ask of the policy and do not find there. Such a key can do less, never more. */
  readonly unresolved: readonly string[];
}

/**
 * A key whose tenant or zone the policy does not have is left out, and an alias that it does not have is not open: the rest of the file, where somebody
 * may just have revoked a key, is in force all the same.
 */
export function compileKeys({ document, source, networks }: KeyFile, policy: Policy): CompiledKeys {
  const context = {
    aliases: new Set<string>(policy.aliases.keys()),
    tenantRules: policy.tenantRules,
    names: namesOf(policy),
  };
  const keys = new Map<CallerKeyHash, CallerKey>();
  const unresolved: Problem[] = [];
  document.keys.forEach((key, index) => {
    const at = ['keys', index];
    const problems: Problem[] = [];
    const tenant = key.tenant as TenantId;
    if (!policy.tenantRules.has(tenant))
      problems.push({ at: [...at, 'tenant'], message: `the policy has no tenant ${JSON.stringify(key.tenant)}` });
    if (policy.callerKeys.has(key.sha256 as CallerKeyHash))
      problems.push({ at: [...at, 'sha256'], message: 'stands in the policy as well, which decides' });
    const open = key.aliases?.filter((name) => context.aliases.has(name));
    if (open?.length !== key.aliases?.length)
      unresolved.push({ at: [...at, 'aliases'], message: 'names an alias that the policy does not have' });
    const scope = compileScope(
      {
        ...{ name: key.name, aliases: open ?? 'all', on_behalf_of: key.on_behalf_of ?? 'refused' },
        explain: key.explain ?? 'refused',
        ...(key.zones === undefined ? {} : { route: { privacy_zones: key.zones } }),
      },
      { ...context, problems },
      at,
    );
    unresolved.push(...problems);
    if (problems.length > 0) return;
    const id = key.id as CallerKeyId;
    const of = (feature: string | undefined): Caller =>
      callerOf(scope, { tenant, feature, agent: key.agent, id }, policy.tenantRules);
    const first = of(key.features?.[0]);
    const features = new Map<string, Caller>([[first.feature, first]]);
    for (const feature of key.features?.slice(1) ?? []) features.set(feature, of(feature));
    keys.set(
      key.sha256 as CallerKeyHash,
      Object.freeze({ id, origin: 'issued', caller: first, features, ...terms(key, networks) }),
    );
  });
  const where = unresolved.length === 0 ? undefined : source();
  return { keys, unresolved: unresolved.map((problem) => where?.describe(problem) ?? '') };
}

function terms(
  key: IssuedKeyDocument,
  networks: KeyFile['networks'],
): Pick<CallerKey, 'networks' | 'expiresAt' | 'revokedAt'> {
  return {
    // An empty list lets nobody in.
    networks: key.networks === undefined ? 'all' : (networks.get(key.networks.join()) ?? new BlockList()),
    expiresAt: key.expires_at === undefined ? undefined : Date.parse(key.expires_at),
    revokedAt: key.revoked_at === undefined ? undefined : Date.parse(key.revoked_at),
  };
}

function namesOf({ zones }: Policy): RouteNames {
  const all = [...zones.values()];
  return {
    zones: new Set(all.map(({ name }) => name)),
    audited: new Set(all.filter(({ audit }) => audit === 'inside').map(({ name }) => name)),
  };
}
