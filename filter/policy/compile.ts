/** Resolves every name of a policy document and freezes the result. */
import { parseDuration } from '../quantities.ts';
import { type Capabilities, type ModelRow, readModelTable, UNKNOWN_MODEL } from '../transform/capabilities/capabilities.ts';
import { providerSchema, providerSchemaNames } from '../transform/registry.ts';
import { compileCredential, refuseForeignHost } from './compile-credential.ts';
import {
  checkPlace,
  compileDegraded,
  compileNearness,
  compileRules,
  compileSteps,
  compileZones,
  type RouteNames,
  routeNames,
} from './compile-route.ts';
import type { AliasDocument, CallerKeyDocument, PolicyDocument, Problem, TargetDocument } from './document.ts';
import {
  type Alias,
  type AliasName,
  type Caller,
  type CallerKeyHash,
  type ClusterName,
  type CredentialName,
  type CredentialSource,
  type FallbackCondition,
  type Policy,
  type RegionName,
  type RouteRules,
  signedHost,
  type Target,
  type TargetId,
  type TenantId,
  type ZoneName,
} from './policy.ts';
import { suggest } from './suggest.ts';

/** Long enough for the slowest whole answer; callers' SDKs give up after ten minutes as well. */
const DEFAULT_PLAIN_DEADLINE_MS = 600_000;
const DEFAULT_STREAM_DEADLINE_MS = 30_000;
const DEFAULT_STREAM_IDLE_MS = 60_000;
const DEFAULT_FIRST_CONTENT_MS = 20_000;
const DEFAULT_RETRY_AFTER_MS = 5_000;

export type Compiled =
  | { readonly ok: true; readonly policy: Policy }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export function compile(document: PolicyDocument, about: { version: string; baseDirectory: string }): Compiled {
  const problems: Problem[] = [];
  const credentials = new Map<CredentialName, CredentialSource>();
  for (const [name, credential] of Object.entries(document.credentials ?? {})) {
    const place = { at: ['credentials', name], baseDirectory: about.baseDirectory, problems };
    credentials.set(name as CredentialName, Object.freeze(compileCredential(credential, place)));
  }
  const { models } = readModelTable();
  const targets = new Map<TargetId, Target>();
  for (const [id, target] of Object.entries(document.targets)) {
    const compiled = compileTarget(id, target, credentials, models, problems);
    checkPlace(document, id, problems);
    if (compiled !== undefined) targets.set(compiled.id, compiled);
  }
  const names = routeNames(document, problems);
  const declared = new Set(Object.keys(document.targets));
  const aliases = new Map<AliasName, Alias>();
  for (const [name, alias] of Object.entries(document.aliases)) {
    const compiled = compileAlias(name, alias, { targets, declared, names, problems });
    if (compiled !== undefined) aliases.set(compiled.name, compiled);
  }
  const callers = new Map<CallerKeyHash, Caller>();
  for (const [tenant, { caller_keys, route }] of Object.entries(document.tenants)) {
    const tenantRules = compileRules(route, names, ['tenants', tenant, 'route'], problems);
    for (const [index, key] of caller_keys.entries()) {
      const at = ['tenants', tenant, 'caller_keys', index];
      const hash = key.sha256 as CallerKeyHash;
      const taken = callers.get(hash);
      if (taken !== undefined)
        problems.push({ at: [...at, 'sha256'], message: `the same key as ${taken.tenant}/${taken.keyName}` });
      callers.set(
        hash,
        compileCaller(tenant, key, { aliases: Object.keys(document.aliases), tenantRules, names, at, problems }),
      );
    }
  }
  const zones = compileZones(document, names, targets, problems);
  if (problems.length > 0) return { ok: false, problems };
  const nearness = compileNearness(document);
  return {
    ok: true,
    policy: Object.freeze({ version: about.version, callers, aliases, targets, credentials, zones, nearness }),
  };
}

function compileTarget(
  id: string,
  target: TargetDocument,
  credentials: ReadonlyMap<CredentialName, CredentialSource>,
  models: Readonly<Record<string, ModelRow>>,
  problems: Problem[],
): Target | undefined {
  const credential = target.credential as CredentialName | undefined;
  const source = credential === undefined ? undefined : credentials.get(credential);
  if (credential !== undefined && !credentials.has(credential)) {
    problems.push({
      at: ['targets', id, 'credential'],
      message: `no credential ${JSON.stringify(credential)}; ${suggest(credential, credentials.keys())}`,
    });
  }
  refuseForeignHost(target.host, source, ['targets', id, 'host'], problems);
  const schema = providerSchema(target.schema);
  if (schema === undefined) {
    const message = `no schema ${JSON.stringify(target.schema)}; ${suggest(target.schema, providerSchemaNames)}`;
    problems.push({ at: ['targets', id, 'schema'], message });
    return undefined;
  }
  const { maxOutputTokens: known, contextWindow: _window, ...row } = models[target.base_model ?? target.model] ?? {};
  const maxOutputTokens = target.max_output_tokens ?? known ?? (schema.chat === undefined ? 1 : undefined);
  if (maxOutputTokens === undefined) {
    problems.push({
      at: ['targets', id, 'max_output_tokens'],
      message: `is missing, and nothing is known of the model ${JSON.stringify(target.base_model ?? target.model)}: set it, or base_model`,
    });
    return undefined;
  }
  return Object.freeze({
    id: id as TargetId,
    cluster: target.cluster as ClusterName,
    schema,
    model: target.model,
    baseModel: target.base_model ?? target.model,
    region: target.region as RegionName | undefined,
    zones: new Set(target.zones as readonly ZoneName[] | undefined),
    workloadClasses: target.workload_classes === undefined ? 'all' : new Set(target.workload_classes),
    basePath: target.base_path?.replace(/\/$/, ''),
    query: target.query ?? '',
    host: target.host ?? (source?.kind === 'aws' ? signedHost(source) : undefined),
    capabilities: Object.freeze({ ...UNKNOWN_MODEL, ...row, ...camelCased(target.capabilities ?? {}) }),
    credential,
    maxOutputTokens,
  });
}

/** The document's words are snake_case; its schema has checked names and values. */
function camelCased(overrides: Readonly<Record<string, unknown>>): Partial<Capabilities> {
  return Object.fromEntries(
    Object.entries(overrides).map(([name, value]) => [
      name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}

interface AliasContext {
  readonly targets: ReadonlyMap<TargetId, Target>;
  /** Targets of the document, those that are wrong in themselves too. */
  readonly declared: ReadonlySet<string>;
  readonly names: RouteNames;
  readonly problems: Problem[];
}

const DEFAULT_FALL_BACK_ON: readonly FallbackCondition[] = ['throttled', 'credential', 'model_gone'];
/** A guard reads what providers say, so that this costs nothing more. */
const GUARDED: readonly FallbackCondition[] = ['context_too_long'];

function compileAlias(name: string, alias: AliasDocument, context: AliasContext): Alias | undefined {
  const { targets, declared, names, problems } = context;
  const steps = compileSteps(name, alias, targets, declared, problems);
  const rules = compileRules(alias.route, names, ['aliases', name, 'route'], problems);
  const degraded = compileDegraded(name, alias, steps, targets, problems);
  const [first, ...rest] = steps.flat();
  if (first === undefined) return undefined;
  return Object.freeze({
    name: name as AliasName,
    chain: Object.freeze([first, ...rest] as const),
    steps,
    degraded,
    rules,
    fallBackOn: new Set(alias.fall_back_on ?? [...DEFAULT_FALL_BACK_ON, ...(alias.guard === undefined ? [] : GUARDED)]),
    guardMs: alias.guard === undefined ? undefined : (parseDuration(alias.guard.first_content) ?? DEFAULT_FIRST_CONTENT_MS),
    order: alias.order ?? 'as_written',
    strict: alias.strict ?? false,
    attemptDeadlineMs: Object.freeze({
      plain: parseDuration(alias.attempt_deadline?.plain) ?? DEFAULT_PLAIN_DEADLINE_MS,
      stream: parseDuration(alias.attempt_deadline?.stream) ?? DEFAULT_STREAM_DEADLINE_MS,
    }),
    streamIdleMs: parseDuration(alias.stream_idle) ?? DEFAULT_STREAM_IDLE_MS,
    retryAfterSeconds: Math.ceil((parseDuration(alias.retry_after) ?? DEFAULT_RETRY_AFTER_MS) / 1000),
  });
}

interface CallerContext {
  readonly aliases: readonly string[];
  readonly tenantRules: RouteRules;
  readonly names: RouteNames;
  readonly at: readonly (string | number)[];
  readonly problems: Problem[];
}

function compileCaller(tenant: string, key: CallerKeyDocument, context: CallerContext): Caller {
  const { aliases, tenantRules, names, at, problems } = context;
  const listed = key.aliases ?? 'all';
  if (listed !== 'all') {
    listed.forEach((name, index) => {
      if (aliases.includes(name)) return;
      problems.push({
        at: [...at, 'aliases', index],
        message: `no alias ${JSON.stringify(name)}; ${suggest(name, aliases)}`,
      });
    });
  }
  return Object.freeze({
    tenant: tenant as TenantId,
    keyName: key.name,
    feature: key.feature ?? 'default',
    agent: key.agent ?? 'default',
    onBehalfOf: key.on_behalf_of ?? 'refused',
    aliases: listed === 'all' ? 'all' : new Set(listed as readonly AliasName[]),
    rules: Object.freeze([tenantRules, compileRules(key.route, names, [...at, 'route'], problems)]),
    explain: key.explain ?? 'refused',
  });
}
