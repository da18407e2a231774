import { expect } from 'chai';
import fc from 'fast-check';
import type { UsedKey } from '../../../filter/credentials/credential.ts';
import { type KeyChange, KeyHealth, type KeyTrouble } from '../../../filter/credentials/key-health.ts';
import type { CredentialName, TargetId } from '../../../filter/policy/compiled/names.ts';

const A = 'a' as TargetId;
const B = 'b' as TargetId;
const KEY: UsedKey = { name: 'one' as CredentialName, fingerprint: '00000001' };
const NEXT: UsedKey = { name: KEY.name, fingerprint: '00000002' };
const RETEST = 30_000;
const REFUSED: KeyTrouble = { kind: 'refused', where: 'everywhere', status: 401 };

function world() {
  const said: string[] = [];
  const changes: KeyChange[] = [];
  const clock = { now: 0 };
  const inForce = new Set<string>([KEY.name, 'two', A, B]);
  const later: { at: number; run: () => void }[] = [];
  /** Time passes, and what was to be done by then is done. */
  const pass = (ms: number): void => {
    clock.now += ms;
    for (const { run } of later.splice(0, later.findLastIndex(({ at }) => at <= clock.now) + 1)) run();
  };
  const health = new KeyHealth({
    now: () => clock.now,
    isInForce: (name, target) => inForce.has(name) && (target === undefined || inForce.has(target)),
    log: { error: (fields) => said.push(`error ${JSON.stringify(fields)}`), info: (_, message) => said.push(message) },
    onChange: (change) => changes.push(change),
    after: (ms, run) => later.push({ at: clock.now + ms, run }),
  });
  return { health, said, changes, clock, pass, inForce };
}

describe('the health of keys', () => {
  it('a refused key is set aside at once and everywhere, and the operator is told once', () => {
    const { health, said, changes } = world();
    expect(health.readiness(KEY, A)).to.equal('ready');
    health.turnedDown(KEY, A, REFUSED, RETEST);
    // What was under way when it was set aside.
    for (let late = 0; late < 5; late++) health.turnedDown(KEY, B, REFUSED, RETEST);
    expect([health.readiness(KEY, A), health.readiness(KEY, B)]).to.deep.equal(['resting', 'resting']);
    expect(said).to.deep.equal([
      'error {"credential":"one","fingerprint":"00000001","target":"a","status":401,"retestInMs":30000}',
    ]);
    expect(changes).to.deep.equal([{ key: KEY, target: undefined, state: 'refused', forMs: 30_000 }]);
    expect([...health.refusals()]).to.deep.equal([['one', 6]]);
    expect(health.stateOf(KEY)).to.equal('refused');
  });

  it('is tested by one request at a time, at twice the pause each time, ten minutes at most', () => {
    const { health, clock, said, pass } = world();
    health.turnedDown(KEY, A, REFUSED, RETEST);
    const pauses: number[] = [];
    for (let test = 0; test < 7; test++) {
      const since = clock.now;
      while (health.readiness(KEY, A) === 'resting') clock.now += 1_000;
      pauses.push((clock.now - since) / 1000);
      expect(health.readiness(KEY, A)).to.equal('due');
      health.claim(KEY, A);
      expect(health.readiness(KEY, A)).to.equal('resting');
      health.turnedDown(KEY, A, REFUSED, RETEST);
    }
    expect(pauses).to.deep.equal([30, 60, 120, 240, 480, 600, 600]);
    expect(said).to.have.length(1);
    pass(600_000);
    health.claim(KEY, A);
    health.accepted(KEY, A, clock.now);
    expect(health.readiness(KEY, A)).to.equal('ready');
    expect(said.slice(1)).to.deep.equal(['the provider takes the gateway key again']);
    expect(health.allWell).to.equal(true);
  });

  it('a test that tells nothing, or is never heard of again, gives its place to the next', () => {
    const { health, clock } = world();
    health.turnedDown(KEY, A, REFUSED, RETEST);
    clock.now = 30_000;
    health.claim(KEY, A);
    health.untold(KEY, A);
    expect(health.readiness(KEY, A)).to.equal('due');
    health.claim(KEY, A);
    clock.now += 29_999;
    expect(health.readiness(KEY, A)).to.equal('resting');
    clock.now += 1;
    expect(health.readiness(KEY, A)).to.equal('due');
  });

  it('a 403 and a 429 hold for one target; an unpaid bill for all, and long', () => {
    const { health, clock } = world();
    health.turnedDown(KEY, A, { kind: 'refused', where: 'target', status: 403 }, RETEST);
    expect([health.readiness(KEY, A), health.readiness(KEY, B)]).to.deep.equal(['resting', 'ready']);
    health.turnedDown(KEY, B, { kind: 'throttled', forMs: 5_000 }, RETEST);
    expect(health.readiness(KEY, B)).to.equal('resting');
    clock.now = 5_000;
    expect(health.readiness(KEY, B)).to.equal('ready');
    health.turnedDown(KEY, B, { kind: 'throttled', forMs: undefined }, RETEST);
    clock.now += 2_000;
    expect(health.readiness(KEY, B)).to.equal('ready');
    const other: UsedKey = { name: 'two' as CredentialName, fingerprint: undefined };
    health.turnedDown(other, A, { kind: 'unpaid', status: 402 }, RETEST);
    expect(health.waitMs(other, B)).to.equal(600_000);
  });

  it('says where a key is turned down, and when that may change first', () => {
    const { health, clock } = world();
    expect(health.standingOf(KEY)).to.equal(undefined);
    health.turnedDown(KEY, A, { kind: 'throttled', forMs: 5_000 }, RETEST);
    expect(health.standingOf(KEY)).to.deep.equal({ state: 'cooling', pauseMs: 5_000, targets: ['a'] });
    health.turnedDown(KEY, B, { kind: 'refused', where: 'target', status: 403 }, RETEST);
    clock.now += 1_000;
    expect(health.standingOf(KEY)).to.deep.equal({ state: 'refused', pauseMs: 29_000, targets: ['b'] });
    health.turnedDown(KEY, A, { kind: 'unpaid', status: 402 }, RETEST);
    expect(health.standingOf(KEY)).to.deep.equal({ state: 'refused', pauseMs: 29_000, targets: [] });
    clock.now += 40_000;
    expect(health.standingOf(KEY)?.pauseMs).to.equal(0);
    expect(health.standingOf(NEXT)).to.equal(undefined);
  });

  it('another key under the same name begins anew', () => {
    const { health, clock } = world();
    health.turnedDown(KEY, A, REFUSED, RETEST);
    expect(health.readiness(NEXT, A)).to.equal('ready');
    health.accepted(KEY, A, clock.now);
    health.turnedDown(NEXT, A, REFUSED, RETEST);
    health.accepted(KEY, A, clock.now);
    expect(health.readiness(NEXT, A)).to.equal('resting');
    health.forget(KEY.name);
    expect(health.allWell).to.equal(true);
  });

  it('what another process says is believed and not told again', () => {
    const here = world();
    const there = world();
    here.health.turnedDown(KEY, A, REFUSED, RETEST);
    for (const change of here.changes) there.health.hear(change);
    expect(there.health.readiness(KEY, B)).to.equal('resting');
    expect(there.said).to.deep.equal([]);
    expect(there.changes).to.deep.equal([]);
    here.clock.now = 30_000;
    here.health.claim(KEY, A);
    here.health.accepted(KEY, A, here.clock.now);
    for (const change of here.changes.slice(1)) there.health.hear(change);
    expect(there.health.readiness(KEY, B)).to.equal('ready');
  });

  it('a key that is taken and refused in turn rests ever longer, and one good answer does not change that; ten good minutes do', () => {
    const { health, clock } = world();
    const pauses: number[] = [];
    for (let flap = 0; flap < 7; flap++) {
      health.turnedDown(KEY, A, REFUSED, 1_000);
      pauses.push(health.waitMs(KEY, A) / 1000);
      clock.now += health.waitMs(KEY, A);
      health.claim(KEY, A);
      health.accepted(KEY, A, clock.now);
      clock.now += 5_000;
    }
    expect(pauses).to.deep.equal([1, 2, 4, 8, 16, 32, 64]);
    clock.now += 600_000;
    health.turnedDown(KEY, A, REFUSED, 1_000);
    expect(health.waitMs(KEY, A)).to.equal(1_000);
  });

  it('of a key that is taken and refused in turn the operator hears one line at once, then one a minute with a count, and last how it stands', () => {
    const { health, clock, said, pass } = world();
    // Alone at its target it is asked all the same: ten times a second, for two and a half minutes.
    for (let turn = 0; turn < 1_500; turn++) {
      health.turnedDown(KEY, A, REFUSED, 1_000);
      clock.now += 1;
      health.accepted(KEY, A, clock.now);
      pass(99);
    }
    expect(said).to.have.length(3);
    expect(said[0]).to.not.include('changes');
    health.turnedDown(KEY, A, REFUSED, 1_000);
    pass(60_000);
    pass(60_000);
    expect(said).to.have.length(4);
    expect(said.at(-1)).to.match(/^error .*"changes":6\d\d/);
    expect([...health.refusals()]).to.deep.equal([['one', 1_501]]);
  });

  it('what was sent before the refusal says nothing against it, and a request that holds no test ends none', () => {
    const { health, clock } = world();
    const other = { ...KEY };
    clock.now = 10;
    health.turnedDown(KEY, A, REFUSED, RETEST);
    clock.now = 20;
    health.accepted(other, A, 9);
    expect(health.readiness(KEY, A)).to.equal('resting');
    clock.now += RETEST;
    health.claim(KEY, A);
    health.untold(other, A);
    expect(health.readiness(KEY, A)).to.equal('resting');
    health.untold(KEY, A);
    expect(health.readiness(KEY, A)).to.equal('due');
  });

  it('of keys and targets that the policy no longer has nothing is kept, however late it is told', () => {
    const { health, inForce } = world();
    const forbidden: KeyTrouble = { kind: 'refused', where: 'target', status: 403 };
    health.turnedDown(KEY, A, forbidden, RETEST);
    inForce.delete(A);
    health.forgetTargets(new Set([A]));
    expect(health.stateOf(KEY)).to.equal(undefined);
    health.turnedDown(KEY, A, forbidden, RETEST);
    health.turnedDown(KEY, A, { kind: 'throttled', forMs: 1_000 }, RETEST);
    health.hear({ key: KEY, target: A, state: 'refused', forMs: 1_000 });
    inForce.delete(KEY.name);
    health.turnedDown(KEY, B, REFUSED, RETEST);
    expect(health.allWell).to.equal(true);
  });

  it('whatever happens: at most one request tests a refused key in half a minute, and what is held is bounded', () => {
    const event = fc.constantFrom('refused', 'throttled', 'accepted', 'untold', 'ask', 'wait');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(event, fc.constantFrom(A, B), fc.constantFrom(KEY, NEXT)), { maxLength: 200 }),
        (events) => {
          const { health, clock } = world();
          let lastTest = Number.NEGATIVE_INFINITY;
          for (const [what, target, key] of events) {
            if (what === 'refused') health.turnedDown(key, target, REFUSED, RETEST);
            if (what === 'throttled') health.turnedDown(key, target, { kind: 'throttled', forMs: 1_000 }, RETEST);
            if (what === 'accepted') health.accepted(key, target, clock.now);
            if (what === 'untold') health.untold(key, target);
            if (what === 'wait') clock.now += 7_000;
            if (what !== 'ask' && what !== 'wait') lastTest = Number.NEGATIVE_INFINITY;
            if (what === 'ask' && health.readiness(key, target) === 'due') {
              expect(clock.now - lastTest).to.be.at.least(30_000);
              health.claim(key, target);
              lastTest = clock.now;
            }
          }
          expect(health.waitMs(KEY, A)).to.be.at.most(600_000);
        },
      ),
    );
  });
});
