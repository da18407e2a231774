/** Gateways whose target takes several gateway keys. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CredentialDocument, PolicyDocument } from '../../filter/policy/document.ts';
import type { MockProvider } from '../providers/mock-provider.ts';
import { changedPolicy } from '../stack/policy.ts';
import { CALLER_KEYS, type Stack, type StackOptions, startStack } from '../stack/stack.ts';
import { post, type RawAnswer } from './callers.ts';

/** The two keys that most pools of these tests have. */
export const ONE = 'quokka-key-one-5f1c';
export const TWO = 'quokka-key-two-9a2e';
const CHAT = '/v1/chat/completions';

interface Given {
  readonly credentials: Record<string, CredentialDocument>;
  readonly change?: (policy: { -readonly [K in keyof PolicyDocument]: PolicyDocument[K] }) => void;
  readonly options?: StackOptions;
  readonly accepts?: readonly string[];
}

/** How many requests came to `mock` with `key`. */
export const carried = (mock: MockProvider, key: string): number =>
  mock.requests.filter(({ headers }) => JSON.stringify(headers).includes(key)).length;

/** For one `describe`: each of its tests starts a gateway with a pool of keys, which is stopped behind it. */
export function keyPools() {
  let directory: string;
  let stack: Stack | undefined;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'gw-keys-'));
  });
  after(() => rmSync(directory, { recursive: true }));
  afterEach(async () => {
    const ended = stack;
    stack = undefined;
    await ended?.stop();
  });

  const running = (): Stack => {
    if (stack === undefined) throw new Error('no gateway was started');
    return stack;
  };
  const path = (name: string): string => join(directory, name);
  const write = (name: string, text: string): string => {
    writeFileSync(path(`${name}.new`), text);
    renameSync(path(`${name}.new`), path(name));
    return path(name);
  };
  const log = (): string => readFileSync(running().filter.logPath, 'utf8');

  return {
    path,
    /** The file is there whole, or as it was. */
    write,
    two: (): Given['credentials'] => ({ one: { file: write('one', ONE) }, two: { env: 'KEY_TWO' } }),
    /** Alias `pool` asks gpt-luna alone, with all of the keys; `pool-first` has Claude to fall back on, `pool-alone` has it and does not. */
    async start({ credentials, change, options, accepts = [] }: Given): Promise<Stack> {
      const policyPath = changedPolicy((policy) => {
        policy.credentials = {
          ...policy.credentials,
          ...structuredClone(credentials as NonNullable<typeof policy.credentials>),
        };
        Object.assign(policy.targets['gpt-luna'] ?? {}, { credential: Object.keys(credentials) });
        policy.aliases['pool'] = { chain: ['gpt-luna'] };
        policy.aliases['pool-first'] = { chain: ['gpt-luna', 'claude-haiku'] };
        policy.aliases['pool-alone'] = { chain: ['gpt-luna', 'claude-haiku'], fall_back_on: [] };
        for (const tenant of Object.values(policy.tenants)) for (const key of tenant.caller_keys ?? []) key.aliases = 'all';
        change?.(policy);
      });
      stack = await startStack({ policyPath, ...options, environment: { KEY_TWO: TWO, ...options?.environment } });
      for (const key of accepts) stack.openai.accepts.add(key);
      return stack;
    },
    ask: (model = 'pool', { stream = false, as = CALLER_KEYS.alpha as string } = {}): Promise<RawAnswer> =>
      post(
        running(),
        CHAT,
        { model, stream, messages: [{ role: 'user', content: 'hello' }] },
        { authorization: `Bearer ${as}` },
      ),
    metrics: async (): Promise<string> => (await fetch(`http://127.0.0.1:${running().filter.adminPort}/metrics`)).text(),
    log,
    /** Lines of the log that tell an operator of a key. */
    alarms: (): string[] =>
      log()
        .split('\n')
        .filter((line) => line.includes('set aside')),
  };
}
