/** Reading one environment variable: its value, or a word on what is wrong with it. */

export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

export interface Bounds {
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
}

export function wholeNumber(environment: NodeJS.ProcessEnv, name: string, { fallback, min, max }: Bounds): number {
  const text = environment[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new SettingsError(`${name}: expected a whole number from ${min} to ${max}, found ${JSON.stringify(text)}`);
  }
  return value;
}

/** What was found is not repeated in what is told: a password may be in it. */
export function url(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = environment[name];
  if (text === undefined || text === '') return undefined;
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new SettingsError(`${name}: expected a URL such as http://127.0.0.1:10001`);
  return text;
}

export function address(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = environment[name];
  if (text === undefined || text === '') return undefined;
  if (!/^[^\s/]+:\d{1,5}$/.test(text))
    throw new SettingsError(`${name}: expected host:port, such as 10.0.3.7:10081, found ${JSON.stringify(text)}`);
  return text;
}
