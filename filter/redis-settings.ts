/** Which Redis, from variables of one prefix. */
import type { RedisSettings } from './quota/redis-link.ts';
import { SettingsError } from './settings-values.ts';

const REDIS_MODES = ['standalone', 'cluster', 'sentinel'] as const;

/**
 * @param prefix of the variables' names
 * @returns undefined: none is named
 * @throws SettingsError naming the variable and what it takes
 */
export function readRedis(environment: NodeJS.ProcessEnv, prefix = 'GATEWAY_REDIS'): RedisSettings | undefined {
  const text = environment[`${prefix}_URL`];
  if (text === undefined || text === '') return undefined;
  const [first, ...rest] = text.split(',').map((url) => redisUrl(url.trim(), `${prefix}_URL`));
  if (first === undefined) return undefined;
  const asked = environment[`${prefix}_MODE`] || 'standalone';
  const mode = REDIS_MODES.find((name) => name === asked);
  if (mode === undefined)
    throw new SettingsError(`${prefix}_MODE: expected ${REDIS_MODES.join(', ')}, found ${JSON.stringify(asked)}`);
  if (mode === 'standalone' && rest.length > 0)
    throw new SettingsError(`${prefix}_URL: names several; set ${prefix}_MODE to cluster or sentinel`);
  if (new Set([first, ...rest].map((url) => new URL(url).protocol)).size > 1)
    throw new SettingsError(`${prefix}_URL: all of them must be redis:// or all rediss://`);
  return {
    mode,
    urls: [first, ...rest],
    sentinelName: environment[`${prefix}_SENTINEL_NAME`] || undefined,
    passwordFile: environment[`${prefix}_PASSWORD_FILE`] || undefined,
    caFile: environment[`${prefix}_CA_FILE`] || undefined,
  };
}

/** The URL is not repeated in what is told: a password may be in it. */
function redisUrl(text: string, name: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || !/^(\/\d{0,2})?$/.test(url.pathname))
    throw new SettingsError(`${name}: expected redis://host:6379 or rediss://user@host:6379, several with commas`);
  if (url.password !== '')
    throw new SettingsError(
      `${name}: holds a password; put it into a file, and name that in ${name.replace(/URL$/, 'PASSWORD_FILE')}`,
    );
  return text;
}
