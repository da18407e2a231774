/** Resolves every name of a policy document and freezes the result. */
import { resolve } from 'node:path';
import { isDate } from '../lifecycle/date.ts';
import type { PriceBook } from '../prices/price-book.ts';
import { parseDuration } from '../quantities.ts';
import { type Capabilities, type ModelRow, readModelTable, UNKNOWN_MODEL } from '../transform/capabilities/capabilities.ts';
import { providerSchema, providerSchemaNames } from '../transform/registry.ts';
import { checkChainLengths } from './check-chain-length.ts';
import { compileBodies } from './compile-bodies.ts';
import { compilePolicyKeys } from './compile-caller.ts';
import { compileCanary } from './compile-canary.ts';
import { compileCredential, refuseForeignHost } from './compile-credential.ts';
import { compileIdentity } from './compile-identity.ts';
import { type CredentialSources, compileKeys, hostOfSignatures, namedKeys } from './compile-keys.ts';
import { compileLimits, compileWaits } from './compile-limits.ts';
import { compilePrices, platformOf, priceOfTarget } from './compile-price.ts';
import { compileBudgets, compileQuotas } from './compile-quota.ts';
import {
  type AliasContext,
  checkPlace,
  compileDegraded,
  compileNearness,
  compileRules,
  compileSteps,
  compileZones,
  routeNames,
} from './compile-route.ts';
import type { Alias, FallbackCondition } from './compiled/alias.ts';
import type { CredentialSource } from './compiled/credential.ts';
import type { AliasName, ClusterName, CredentialName, RegionName, TargetId, TenantId, ZoneName } from './compiled/names.ts';
import type { Policy } from './compiled/policy.ts';
import type { RouteRules } from './compiled/route-rules.ts';
import type { Target } from './compiled/target.ts';
import type { AliasDocument, PolicyDocument, Problem, TargetDocument } from './document.ts';
import { suggest } from './suggest.ts';

/** Long enough for the slowest whole answer; callers' SDKs give up after ten minutes as well. */
const DEFAULT_PLAIN_DEADLINE_MS = 600_000;
const DEFAULT_STREAM_DEADLINE_MS = 30_000;
const DEFAULT_STREAM_IDLE_MS = 60_000;
const DEFAULT_FIRST_CONTENT_MS = 20_000;
const DEFAULT_RETRY_AFTER_MS = 5_000;
const DEFAULT_EXPECTED_OUTPUT_TOKENS = 1_000;

export type Compiled =
  | { readonly ok: true; readonly policy: Policy }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export function compile(document: PolicyDocument, about: { version: string; baseDirectory: string }): Compiled {
  const problems: Problem[] = [];
  const sources = new Map<CredentialName, CredentialSource>();
  for (const [name, credential] of Object.entries(document.credentials ?? {})) {
    const place = { name, at: ['credentials', name], baseDirectory: about.baseDirectory, problems };
    sources.set(name as CredentialName, Object.freeze(compileCredential(credential, place)));
  }
  const { models } = readModelTable();
  const book = compilePrices(document, about.baseDirectory, problems);
  const targets = new Map<TargetId, Target>();
  for (const [id, target] of Object.entries(document.targets)) {
    const compiled = compileTarget(id, target, { sources, models, book, problems });
    checkPlace(document, id, problems);
    if (compiled !== undefined) targets.set(compiled.id, compiled);
  }
  const credentials = compileKeys(document, sources, problems);
  const names = routeNames(document, problems);
  const declared = new Set(Object.keys(document.targets));
  const aliases = new Map<AliasName, Alias>();
  for (const [name, alias] of Object.entries(document.aliases)) {
    const compiled = compileAlias(name, alias, { targets, declared, names, problems });
    if (compiled !== undefined) aliases.set(compiled.name, compiled);
  }
  const tenants = Object.entries(document.tenants).map(
    ([tenant, { route }]) =>
      [tenant as TenantId, compileRules(route, names, ['tenants', tenant, 'route'], problems)] as const,
  );
  const tenantRules = new Map<TenantId, RouteRules>(tenants);
  const callerContext = { aliases: new Set(Object.keys(document.aliases)), tenantRules, names, problems };
  const callerKeys = compilePolicyKeys(document, callerContext);
  const identity = compileIdentity(document.identity, { ...callerContext, baseDirectory: about.baseDirectory });
  const zones = compileZones(document, names, targets, problems);
  checkChainLengths(aliases, zones, problems);
  const quotas = compileQuotas(document, problems);
  const budgets = compileBudgets(document, problems);
  if (problems.length > 0) return { ok: false, problems };
  const nearness = compileNearness(document);
  return {
    ok: true,
    policy: Object.freeze({
      ...{ version: about.version, callerKeys, identity, tenantRules, aliases, targets, credentials, zones, nearness },
      priceBookVersion: book.version,
      recordedBodies: compileBodies(document),
      tenantWeights: new Map(
        Object.entries(document.tenants).map(([tenant, { weight = 1 }]) => [tenant as TenantId, weight] as const),
      ),
      waitMs: compileWaits(document),
      callerKeysFile:
        document.caller_keys === undefined ? undefined : resolve(about.baseDirectory, document.caller_keys.file),
      ...{ quotas, budgets },
    }),
  };
}

interface TargetContext {
  readonly sources: CredentialSources;
  readonly models: Readonly<Record<string, ModelRow>>;
  readonly book: PriceBook;
  readonly problems: Problem[];
}

function compileTarget(
  id: string,
  target: TargetDocument,
  { sources, models, book, problems }: TargetContext,
): Target | undefined {
  const credentials = namedKeys(target, sources, ['targets', id, 'credential'], problems);
  for (const name of credentials) refuseForeignHost(target.host, sources.get(name), ['targets', id, 'host'], problems);
  const signed = hostOfSignatures(credentials, sources, ['targets', id, 'credential'], problems);
  const schema = providerSchema(target.schema);
  if (schema === undefined) {
    const message = `no schema ${JSON.stringify(target.schema)}; ${suggest(target.schema, providerSchemaNames)}`;
    problems.push({ at: ['targets', id, 'schema'], message });
    return undefined;
  }
  const { maxOutputTokens: known, contextWindow, ...row } = models[target.base_model ?? target.model] ?? {};
  const maxOutputTokens = target.max_output_tokens ?? known ?? (schema.chat === undefined ? 1 : undefined);
  if (maxOutputTokens === undefined) {
    problems.push({
      at: ['targets', id, 'max_output_tokens'],
      message: `is missing, and nothing is known of the model ${JSON.stringify(target.base_model ?? target.model)}: set it, or base_model`,
    });
    return undefined;
  }
  const { deprecated_on: deprecatedOn } = target;
  if (deprecatedOn !== undefined && deprecatedOn !== 'never' && !isDate(deprecatedOn))
    problems.push({ at: ['targets', id, 'deprecated_on'], message: 'is no day of the calendar' });
  const pricedAs = target.base_model === undefined ? [target.model] : [target.model, target.base_model];
  return Object.freeze({
    id: id as TargetId,
    cluster: target.cluster as ClusterName,
    schema,
    model: target.model,
    baseModel: target.base_model ?? target.model,
    region: target.region as RegionName | undefined,
    zones: new Set(target.zones as readonly ZoneName[] | undefined),
    workloadClasses: target.workload_classes === undefined ? 'all' : new Set(target.workload_classes),
    platform: platformOf(target),
    deprecatedOn,
    ...priceOfTarget(id, target, pricedAs, book, problems),
    contextWindow: target.context_window ?? contextWindow,
    limits: compileLimits(target.limits),
    basePath: target.base_path?.replace(/\/$/, ''),
    query: target.query ?? '',
    host: target.host ?? signed,
    capabilities: Object.freeze({ ...UNKNOWN_MODEL, ...row, ...camelCased(target.capabilities ?? {}) }),
    credentials,
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

const DEFAULT_FALL_BACK_ON: readonly FallbackCondition[] = ['throttled', 'credential', 'model_gone'];
/** A guard reads what providers say, so that this costs nothing more. */
const GUARDED: readonly FallbackCondition[] = ['context_too_long'];

function compileAlias(name: string, alias: AliasDocument, context: AliasContext): Alias | undefined {
  const { targets, declared, names, problems } = context;
  const steps = compileSteps(name, alias, targets, declared, problems);
  const rules = compileRules(alias.route, names, ['aliases', name, 'route'], problems);
  const canary = compileCanary(name, alias, context);
  const degraded = compileDegraded(name, alias, steps, targets, problems);
  const [first, ...rest] = steps.flat();
  if (first === undefined) return undefined;
  return Object.freeze({
    name: name as AliasName,
    chain: Object.freeze([first, ...rest] as const),
    steps,
    degraded,
    rules,
    canary,
    expectedOutputTokens: alias.expected_output_tokens ?? DEFAULT_EXPECTED_OUTPUT_TOKENS,
    staleAnswers: alias.stale_answers ?? 'refused',
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
