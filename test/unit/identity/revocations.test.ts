import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';
import { issueKey, revokeKey } from '../../../filter/cli/key-commands.ts';
import {
  CALLER_KEY_REVOCATIONS,
  openRevocations,
  type Revocations,
  type RevocationsOptions,
  type Revoked,
} from '../../../filter/identity/revocations.ts';
import { openKeyStore } from '../../../filter/key-store.ts';
import type { CallerKeyId } from '../../../filter/policy/compiled/names.ts';
import { loadPolicy } from '../../../filter/policy/load.ts';
import { changedPolicy } from '../../stack/policy.ts';

const { keepMs: KEEP_MS, max: MAX } = CALLER_KEY_REVOCATIONS;
const NOW = Date.parse('2026-11-25T12:00:00Z');
const id = (text: string): CallerKeyId => text as CallerKeyId;
const told = (...ids: string[]): Revoked<CallerKeyId>[] => ids.map((one) => [id(one), NOW]);

describe('revocations that were heard of', () => {
  let directory: string;
  let file: string;
  let errors: unknown[];
  let changes: number;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'revocations-test-'));
    file = join(directory, 'state', 'revoked.json');
    [errors, changes] = [[], 0];
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const open = (options: Partial<RevocationsOptions> = {}): Revocations<CallerKeyId> =>
    openRevocations({
      ...{ list: CALLER_KEY_REVOCATIONS, file, wallClock: () => NOW, onError: (error: unknown) => errors.push(error) },
      onChange: () => {
        changes++;
      },
      ...options,
    });
  const ids = (revocations: Revocations<CallerKeyId>): string[] => [...revocations.lasting()].sort();

  it('stay over a restart; what is known already is no news', async () => {
    const first = open();
    first.learn(told('k_1'));
    first.learn(told('k_1'));
    expect([first.has(id('k_1')), first.has(id('k_2')), first.size, changes]).to.deep.equal([true, false, 1, 1]);
    await first.written();
    expect(readdirSync(join(directory, 'state'))).to.deep.equal(['revoked.json']);
    expect(ids(open())).to.deep.equal(['k_1']);
  });

  it('processes of one place share the file, and hear from it', async () => {
    const [one, other] = [open(), open()];
    one.learn(told('k_1'));
    await one.written();
    other.learn(told('k_2'));
    await other.written();
    expect(ids(other)).to.deep.equal(['k_1', 'k_2']);
    expect(changes).to.equal(3);
    expect(ids(open())).to.deep.equal(['k_1', 'k_2']);
  });

  it('are forgotten when they are old, and the oldest when there are too many', async () => {
    let now = NOW;
    const revocations = open({ wallClock: () => now });
    revocations.learn([[id('k_old'), NOW - KEEP_MS], ...told('k_1')]);
    expect(ids(revocations)).to.deep.equal(['k_1']);
    now += KEEP_MS;
    revocations.learn([[id('k_2'), now]]);
    expect(ids(revocations)).to.deep.equal(['k_2']);
    revocations.learn(Array.from({ length: MAX }, (_, index) => [id(`k_x${index}`), now + 1] as const));
    expect([revocations.size, revocations.has(id('k_2'))]).to.deep.equal([MAX, false]);
    await revocations.written();
  });

  it('a file that cannot be read, or not be written, is told, and changes nothing else', async () => {
    const bad = join(directory, 'bad.json');
    writeFileSync(bad, '{');
    const revocations = open({ file: bad });
    expect(errors).to.have.length(1);
    revocations.learn(told('k_1'));
    await revocations.written();
    expect(JSON.parse(readFileSync(bad, 'utf8'))).to.deep.equal({ version: 1, revoked: { k_1: NOW } });
    const blocked = open({ file: join(bad, 'below', 'revoked.json') });
    const before = errors.length;
    blocked.learn(told('k_2'));
    await blocked.written();
    expect(errors.length).to.be.greaterThan(before);
    expect(ids(blocked)).to.deep.equal(['k_2']);
  });

  it('many that are told while one is written wait for one more write together', async () => {
    writeFileSync(join(directory, 'state'), 'in the place of the directory');
    const revocations = open();
    const atTheStart = errors.length;
    const written: Promise<void>[] = [];
    const tell = (from: number): void => {
      for (let index = from; index < from + 100; index++) {
        revocations.learn(told(`k_${index}`));
        written.push(revocations.written());
      }
    };
    tell(0);
    await Promise.resolve();
    tell(100);
    await Promise.all(written);
    // Each write is told as failed, once when it reads and once when it writes.
    expect(errors.length - atTheStart).to.equal(4);
    rmSync(join(directory, 'state'));
    revocations.learn(told('k_last'));
    await revocations.written();
    expect(ids(open())).to.have.length(201);
  });

  it('go before the file of keys, also for keys that come into it later', async () => {
    const keyFile = join(directory, 'caller-keys.json');
    const issue = async (name: string) => (await issueKey(keyFile, { tenant: 'alpha', name }, NOW)).made;
    const [known, good] = [await issue('known'), await issue('good')];
    const revocations = open({ onChange: () => void store.reviseRevoked() });
    const inForce = new Map<string, number | undefined>();
    const store = openKeyStore({
      log: pino({ level: 'silent' }),
      isRevoked: revocations.has,
      async onExchange(_policy, { keys }) {
        inForce.clear();
        for (const key of keys.values()) inForce.set(key.id, key.revokedAt);
      },
    });
    revocations.learn(told(known.id));
    try {
      const policyPath = changedPolicy((policy) => {
        policy.caller_keys = { file: keyFile };
      });
      await store.follow(loadPolicy(policyPath));
      expect([...inForce]).to.have.deep.members([
        [known.id, 0],
        [good.id, undefined],
      ]);
      expect(store.state().revokedElsewhere).to.equal(1);
      // Heard before the file has it.
      const late = await issue('late');
      revocations.learn([...told(late.id), [good.id as CallerKeyId, NOW]]);
      expect([...inForce.values()]).to.deep.equal([0, 0]);
      await store.look();
      expect([...inForce.values()]).to.deep.equal([0, 0, 0]);
      expect(store.state().revokedElsewhere).to.equal(3);
      for (const one of [known, good, late]) await revokeKey(keyFile, one.id, NOW);
      await store.look();
      expect(store.state().revokedElsewhere).to.equal(0);
      expect([...inForce.values()]).to.deep.equal([0, 0, 0]);
    } finally {
      store.close();
      await revocations.written();
    }
  });
});
