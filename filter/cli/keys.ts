/**
 * `node filter/cli/keys.ts issue|list|rotate|revoke|expire …`: caller keys, from their making to their end. A new key stands on stdout, alone, once; all that
 * is said besides goes to stderr. Exit code 1: it cannot be done; 2: it was asked for wrongly.
 */
import { parseArgs } from 'node:util';
import { compileKeys, readKeyFile } from '../policy/caller-keys.ts';
import type { TenantId } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import { callerKeysFileOf, loadPolicy, PolicyError } from '../policy/load.ts';
import { suggest } from '../policy/suggest.ts';
import type { RedisSettings } from '../quota/redis-link.ts';
import { readRedis } from '../redis-settings.ts';
import { expireKey, issueKey, KeyCommandError, type Made, rotateKey, type Terms } from './key-commands.ts';
import { readKeys } from './key-file.ts';
import { revokedThere } from './key-revocation.ts';
import { mergedUses, shown, table } from './key-table.ts';
import { isDone, revocationLines, revokeEverywhere } from './revoke-key.ts';

const USAGE = `usage: node filter/cli/keys.ts COMMAND [options]
  issue --tenant T --name N [--feature F …] [--agent A] [--alias A …] [--zone Z …] [--network CIDR …] [--expires 90d]
        [--on-behalf-of trusted] [--explain allowed]
  list [--tenant T] [--state DIR …]
  rotate ID|PREFIX [--overlap 24h]      a new key; the old one ends after the overlap
  revoke ID|PREFIX                      the key ends now, for good; - reads what was found from stdin. With Redis all filters are told
  expire ID|PREFIX [--at 7d]            the key ends then; default now
where: --policy FILE (GATEWAY_POLICY, or policy.yaml) names the file of keys; --file FILE names it itself. --json: answers as JSON.
  --redis URL (GATEWAY_REDIS_URL, and the variables beside it) is the filters' Redis`;

class UsageError extends Error {}

const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true } as const;

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        ...{
          policy: text,
          file: text,
          redis: text,
          json: { type: 'boolean' },
          state: texts,
          tenant: text,
          name: text,
          agent: text,
        },
        ...{ feature: texts, alias: texts, zone: texts, network: texts, expires: text, overlap: text, at: text },
        ...{ 'on-behalf-of': text, explain: text },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

type Options = ReturnType<typeof readArguments>['values'];

/** Ends of keys are days away: other units than a policy's durations. */
function duration(option: string, value: string): number {
  const match = /^(\d{1,6})(s|m|h|d)$/.exec(value);
  const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match?.[2] ?? ''];
  if (unitMs === undefined)
    throw new UsageError(`--${option}: expected a time such as 90d, 24h, 30m or 10s, found ${JSON.stringify(value)}`);
  return Number(match?.[1]) * unitMs;
}

function needed(options: Options, option: 'tenant' | 'name'): string {
  const value = options[option];
  if (value === undefined) throw new UsageError(`--${option} is needed`);
  return value;
}

function oneOf<Word extends string>(option: string, value: string | undefined, words: readonly Word[]): Word | undefined {
  const word = words.find((one) => one === value);
  if (value !== undefined && word === undefined) throw new UsageError(`--${option}: expected one of ${words.join(', ')}`);
  return word;
}

/** The keys' file is found in a policy that is bad otherwise, too: a leak does not wait. */
function fileOf({ file, policy }: Options): string {
  if (file !== undefined) return file;
  const found = callerKeysFileOf(policyOf(policy));
  if (found === undefined)
    throw new KeyCommandError(
      `${policyOf(policy)}: caller_keys.file: is missing: name a file for issued keys there, or give --file`,
    );
  return found;
}

function policyOf(policy: string | undefined): string {
  return policy ?? process.env['GATEWAY_POLICY'] ?? 'policy.yaml';
}

function redisOf({ redis }: Options): RedisSettings | undefined {
  return readRedis(redis === undefined ? process.env : { ...process.env, GATEWAY_REDIS_URL: redis });
}

function termsOf(options: Options, now: number): Terms {
  const { feature, agent, alias, zone, network, expires } = options;
  const onBehalfOf = oneOf('on-behalf-of', options['on-behalf-of'], ['trusted', 'refused']);
  const explain = oneOf('explain', options.explain, ['allowed', 'refused']);
  return {
    name: needed(options, 'name'),
    tenant: needed(options, 'tenant'),
    ...(feature === undefined ? {} : { features: feature }),
    ...(agent === undefined ? {} : { agent }),
    ...(onBehalfOf === undefined ? {} : { on_behalf_of: onBehalfOf }),
    ...(explain === undefined ? {} : { explain }),
    ...(alias === undefined ? {} : { aliases: alias }),
    ...(zone === undefined ? {} : { zones: zone }),
    ...(network === undefined ? {} : { networks: network }),
    ...(expires === undefined ? {} : { expires_at: new Date(now + duration('expires', expires)).toISOString() }),
  };
}

/** @throws KeyCommandError for names that the policy does not have: such a key would be no good */
function checkNames({ tenant, aliases = [], zones = [] }: Terms, policy: Policy): void {
  const check = (option: string, value: string, known: Iterable<string>): void => {
    const names = new Set(known);
    if (!names.has(value))
      throw new KeyCommandError(
        `--${option}: the policy has no ${option} ${JSON.stringify(value)}; ${suggest(value, names)}`,
      );
  };
  check('tenant', tenant, policy.tenantRules.keys() satisfies Iterable<TenantId>);
  for (const alias of aliases) check('alias', alias, policy.aliases.keys());
  for (const zone of zones) {
    check('zone', zone, policy.zones.keys());
    if ([...policy.zones.values()].some(({ name, audit }) => name === zone && audit === 'outside'))
      throw new KeyCommandError(
        `--zone: the audit log does not lie in ${JSON.stringify(zone)}, so no request of it can be served`,
      );
  }
}

function tellMade({ made, key }: Made, { json }: Options, notes: readonly string[], fields: object = {}): void {
  const { sha256: _unseen, ...rest } = made;
  if (json === true) console.log(JSON.stringify({ key, ...rest, ...fields }));
  else console.log(key);
  for (const note of [
    `${made.id} of ${made.tenant}/${made.name}. The key is shown this once; it is kept nowhere.`,
    ...notes,
  ])
    console.error(note);
}

async function run(): Promise<void> {
  const { values: options, positionals } = readArguments();
  const [command, wanted, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`only one key at a time, found ${more.length + 1}`);
  const now = Date.now();
  const tell = (done: string, fields: object): void => console.log(options.json === true ? JSON.stringify(fields) : done);
  switch (command) {
    case 'issue': {
      const terms = termsOf(options, now);
      if (options.file === undefined || options.policy !== undefined)
        checkNames(terms, loadPolicy(policyOf(options.policy)));
      tellMade(await issueKey(fileOf(options), terms, now), options, []);
      return;
    }
    case 'list': {
      const uses = mergedUses(options.state ?? [process.env['GATEWAY_STATE_DIR'] ?? 'var/state']);
      const file = fileOf(options);
      const redis = redisOf(options);
      const revoked = redis === undefined ? undefined : await revokedThere(redis);
      if (revoked?.outcome === 'failed') console.error(`Redis says nothing of revocations (${revoked.reason})`);
      const keys = readKeys(file)
        .keys.filter(({ tenant }) => options.tenant === undefined || tenant === options.tenant)
        .map((key) => shown(key, { uses, now, revoked: revoked?.outcome === 'read' ? revoked.revoked : undefined }));
      console.log(options.json === true ? JSON.stringify(keys) : table(keys));
      if (options.file === undefined) tellUnresolved(file, policyOf(options.policy));
      return;
    }
    case 'rotate': {
      const overlapMs = duration('overlap', options.overlap ?? '24h');
      const rotated = await rotateKey(fileOf(options), await named(wanted), overlapMs, now);
      const { id, expires_at } = rotated.old;
      tellMade(rotated, options, [`${id} goes on until ${expires_at}.`], { rotated: { id, expires_at } });
      return;
    }
    case 'revoke': {
      const file = fileOf(options);
      const revocation = await revokeEverywhere(file, await named(wanted), redisOf(options), now);
      const { key, edit, distribution } = revocation;
      const { id, tenant, name } = key;
      const done = edit.outcome === 'written' ? { revoked_at: edit.revoked_at } : {};
      if (options.json === true)
        console.log(JSON.stringify({ id, tenant, name, ...done, file: edit, redis: distribution ?? null }));
      else console.log(revocationLines(file, revocation).join('\n'));
      if (!isDone(revocation)) process.exitCode = 1;
      return;
    }
    case 'expire': {
      const at = now + (options.at === undefined ? 0 : duration('at', options.at));
      const { id, tenant, name, expires_at } = await expireKey(fileOf(options), await named(wanted), at);
      if (at <= now)
        console.error('filters learn it from their copies of the file; revoke tells all at once, through Redis');
      tell(`${id} of ${tenant}/${name} ends at ${expires_at}`, { id, tenant, name, expires_at });
      return;
    }
    default:
      throw new UsageError(command === undefined ? 'a command is needed' : `no command ${JSON.stringify(command)}`);
  }
}

/** Arguments are seen in lists of processes and in shell histories; a whole key may come on stdin instead. */
async function named(wanted: string | undefined): Promise<string> {
  if (wanted === undefined) throw new UsageError('which key? Name its id or prefix');
  if (wanted !== '-') return wanted;
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8').trim();
}

function tellUnresolved(file: string, policyPath: string): void {
  try {
    for (const problem of compileKeys(readKeyFile(file), loadPolicy(policyPath)).unresolved) console.error(problem);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
  }
}

try {
  await run();
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n${USAGE}`);
  else if (error instanceof KeyCommandError || error instanceof PolicyError) console.error(error.message);
  else console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
