import { mock } from 'node:test';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { type Obtained, Renewed } from '../../../filter/credentials/renewed.ts';
import { Fault } from '../../../filter/fault.ts';

const MINUTE = 60_000;

/** Lets promises that are ready go on. The clock is mocked; this is not. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

describe('what has to be got anew from time to time', () => {
  let calls = 0;
  let next: () => Promise<Obtained<string>>;
  let logged: { level: string; fields: object; message: string }[];
  let renewed: Renewed<string> | undefined;

  const lasting = (minutes: number) => async () => ({ value: `secret-${calls}`, expiresAt: Date.now() + minutes * MINUTE });
  const failing = async (): Promise<never> => {
    throw Object.assign(new Error('the secret-0 was refused'), { code: 'ECONNREFUSED' });
  };
  const start = async (options: { initial?: string; recheckMs?: number } = {}): Promise<Renewed<string>> => {
    renewed = new Renewed<string>({
      name: 'n',
      recheckMs: 0,
      ...options,
      log: {
        info: (fields, message) => logged.push({ level: 'info', fields, message }),
        warn: (fields, message) => logged.push({ level: 'warn', fields, message }),
      },
      obtain: () => {
        calls += 1;
        return next();
      },
    });
    await settle();
    return renewed;
  };
  const pass = async (milliseconds: number): Promise<void> => {
    mock.timers.tick(milliseconds);
    await settle();
  };

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
    calls = 0;
    logged = [];
  });
  afterEach(() => {
    renewed?.close();
    mock.timers.reset();
  });

  for (const [life, earliest, latest] of [
    [24 * 60, 0.72 * 24 * 60, 0.8 * 24 * 60],
    [60, 0.72 * 60, 0.8 * 60],
    [15, 9, 10],
    [8, 3.6, 4],
    [2, 0.9, 1],
  ] as const) {
    it(`one that lives ${life} min is renewed after at most ${Math.round(latest)} min, and not by requests`, async () => {
      next = lasting(life);
      const value = await start();
      await pass(earliest * MINUTE - 1);
      expect(value.get()).to.equal('secret-1');
      expect(calls).to.equal(1);
      await pass((latest - earliest) * MINUTE + 1);
      expect(calls).to.equal(2);
      expect(value.get()).to.equal('secret-2');
    });
  }

  it('the same one again, shortly before its end, is asked for a few times and not in a loop', async () => {
    const end = Date.now() + 12 * MINUTE;
    next = async () => ({ value: 'same', expiresAt: end });
    await start();
    for (let second = 0; second < 719; second++) await pass(1_000);
    expect(calls).to.be.within(4, 40);
  });

  it('while renewing fails the old one serves until its end; then there is none; then there is again', async () => {
    next = lasting(60);
    const value = await start();
    next = failing;
    await pass(48 * MINUTE);
    expect(calls).to.equal(2);
    for (let second = 0; second < 11 * 60; second++) {
      await pass(1_000);
      expect(value.get()).to.equal('secret-1');
    }
    // Back-off: 1, 2, 4 … 60 s, each up to half shorter.
    expect(calls).to.be.within(12, 40);
    await pass(2 * MINUTE);
    expect(() => value.get())
      .to.throw(Fault, 'no valid credential')
      .with.property('code', 'credential_unavailable');
    const before = calls;
    next = lasting(60);
    await pass(MINUTE);
    expect(calls).to.equal(before + 1);
    expect(value.get()).to.equal(`secret-${calls}`);
    expect(logged).to.deep.equal([
      {
        level: 'warn',
        fields: { credential: 'n', reason: 'ECONNREFUSED' },
        message: 'credential cannot be renewed; the one held is still valid',
      },
      { level: 'warn', fields: { credential: 'n', reason: 'ECONNREFUSED' }, message: 'credential is not available' },
      { level: 'info', fields: { credential: 'n' }, message: 'credential is available again' },
    ]);
  });

  it('is asked for once at a time, however many want it', async () => {
    const { promise, resolve } = Promise.withResolvers<Obtained<string>>();
    next = () => promise;
    const value = await start();
    for (let request = 0; request < 50; request++) expect(() => value.get()).to.throw(Fault);
    value.suspect();
    expect(calls).to.equal(1);
    resolve({ value: 'v', expiresAt: Date.now() + MINUTE });
    await settle();
    await value.firstTry;
    expect(value.get()).to.equal('v');
  });

  it('while there is none, requests do not ask more often than the back-off does', async () => {
    next = failing;
    const value = await start();
    for (let tenth = 0; tenth < 100; tenth++) {
      await pass(100);
      expect(() => value.get()).to.throw(Fault);
    }
    expect(calls).to.be.within(4, 7);
  });

  it('an endpoint that never answers is given up, and asked again', async () => {
    next = () => new Promise(() => undefined);
    const value = await start();
    await pass(30_000);
    expect(logged[0]?.fields).to.deep.include({ reason: 'no answer in 30 s' });
    next = lasting(60);
    await pass(1_000);
    expect(value.get()).to.equal('secret-2');
  });

  it('one that came expired is not taken', async () => {
    next = lasting(-1);
    const value = await start();
    expect(() => value.get()).to.throw(Fault);
    expect(logged[0]?.fields).to.deep.include({ reason: 'what was given has expired already' });
    next = async () => ({ value: 'x', expiresAt: Number.NaN });
    await pass(1_000);
    expect(() => value.get()).to.throw(Fault);
  });

  it('a suspected one is renewed early, and not again and again', async () => {
    next = lasting(60);
    const value = await start();
    value.suspect();
    await settle();
    expect(calls, 'it had just come').to.equal(1);
    await pass(30_000);
    for (let request = 0; request < 50; request++) value.suspect();
    await settle();
    expect(calls).to.equal(2);
    expect(value.get()).to.equal('secret-2');
    await pass(29_999);
    value.suspect();
    await settle();
    expect(calls).to.equal(2);
    next = failing;
    await pass(1);
    value.suspect();
    await settle();
    expect(calls).to.equal(3);
    expect(value.get(), 'its successor could not be had').to.equal('secret-2');
  });

  it('what does not expire is looked at again, and kept while that fails', async () => {
    next = async () => ({ value: `secret-${calls}` });
    const value = await start({ initial: 'first', recheckMs: 10_000 });
    expect(value.get()).to.equal('first');
    expect(calls).to.equal(0);
    await pass(10_000);
    expect(value.get()).to.equal('secret-1');
    next = failing;
    await pass(10_000);
    await pass(3_600_000);
    expect(value.get()).to.equal('secret-1');
    expect(logged).to.have.length(1);
  });

  it('a timer that comes late does not matter: the request that finds it due starts the renewal', async () => {
    next = lasting(60);
    const value = await start();
    mock.timers.setTime(Date.now() + 50 * MINUTE);
    await settle();
    expect(value.get()).to.be.oneOf(['secret-1', 'secret-2']);
    await settle();
    expect(value.get()).to.equal('secret-2');
  });

  it('closed, it asks no more', async () => {
    next = lasting(1);
    const value = await start();
    value.close();
    await pass(59_000);
    expect(value.get()).to.equal('secret-1');
    await pass(MINUTE);
    expect(() => value.get()).to.throw(Fault);
    value.suspect();
    await settle();
    expect(calls).to.equal(1);
  });

  it('shows its value nowhere', async () => {
    next = lasting(60);
    const value = await start();
    for (const shown of [inspect(value, { depth: 9, showHidden: true }), JSON.stringify(value), `${value}`])
      expect(shown).to.not.include('secret');
  });
});
