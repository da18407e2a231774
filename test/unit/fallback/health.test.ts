import { expect } from 'chai';
import type { AttemptFailure } from '../../../filter/fallback/attempt.ts';
import { orderedByHealth, TargetHealth } from '../../../filter/fallback/health.ts';
import type { TargetId } from '../../../filter/policy/compiled/names.ts';
import type { Target } from '../../../filter/policy/compiled/target.ts';

const target = (id: string): Target => ({ id: id as TargetId, credentials: [] as Target['credentials'] }) as Target;
const [A, B, C] = [target('a'), target('b'), target('c')] as const;

describe('health of targets', () => {
  let now = 0;
  let health: TargetHealth;
  let inForce: Map<TargetId, Target>;
  let requests = 0;
  beforeEach(() => {
    now = 1000;
    inForce = new Map([A, B, C].map((known) => [known.id, known]));
    health = new TargetHealth({ now: () => now, inForce: (id) => inForce.get(id) });
  });
  const fail = (of: Target, outcome: AttemptFailure, times = 1, retryAfter?: number): void => {
    for (let time = 0; time < times; time++) health.note({ target: of, outcome }, 'some', retryAfter);
  };
  const succeed = (of: Target, times = 1): void => {
    for (let time = 0; time < times; time++) health.note({ target: of, outcome: 'ok' }, 'some', undefined);
  };
  const order = (chain: readonly Target[]): string =>
    orderedByHealth(chain, health, `r${++requests}`)
      .map(({ id }) => id)
      .join('');

  it('leaves the chain as it is while all are well: the very same list', () => {
    const chain = [A, B];
    expect(orderedByHealth(chain, health, 'r')).to.equal(chain);
    fail(A, 'overloaded', 4);
    expect(orderedByHealth(chain, health, 'r')).to.equal(chain);
    expect(health.stateOf(A.id)).to.equal('well');
  });

  it('puts a target that fails in most of its attempts behind the others, and gives the same list each time', () => {
    const chain = [A, A, B, C];
    fail(A, 'overloaded', 5);
    expect(health.stateOf(A.id)).to.equal('down');
    expect(order(chain)).to.equal('bcaa');
    expect(orderedByHealth(chain, health, 'r')).to.equal(orderedByHealth(chain, health, 'r'));
    fail(B, 'server_error', 5);
    expect(order(chain)).to.equal('caab');
    fail(C, 'connection_failed', 5);
    expect(order(chain)).to.equal('aabc');
  });

  it('does not call half a bad day an outage: failures among more successes, or long ago', () => {
    succeed(A, 11);
    fail(A, 'server_error', 9);
    expect(health.stateOf(A.id)).to.equal('well');
    fail(B, 'server_error', 4);
    now += 11_000;
    fail(B, 'server_error');
    expect(health.stateOf(B.id)).to.equal('well');
  });

  it('probes with one request at a time, each failure doubling the pause', () => {
    fail(A, 'overloaded', 5);
    for (const pause of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      now += pause - 1;
      expect(order([A, B]), `before ${pause}`).to.equal('ba');
      now += 1;
      expect(order([A, B]), `after ${pause}`).to.equal('ab');
      // The place is taken.
      expect(order([A, B])).to.equal('ba');
      fail(A, 'overloaded');
    }
  });

  it('comes back step by step, so that nobody’s recovery is a herd', () => {
    fail(A, 'overloaded', 5);
    now += 1000;
    expect(order([A, B])).to.equal('ab');
    succeed(A);
    expect(health.stateOf(A.id)).to.equal('recovering');
    for (const share of [0.05, 0.25, 0.5]) {
      const orders = Array.from({ length: 100 }, () => order([A, B]));
      expect(orders.filter((made) => made === 'ab')).to.have.length(100 * share);
      succeed(A, share === 0.05 ? 4 : 5);
    }
    expect(health.stateOf(A.id)).to.equal('well');
    expect(health.allWell).to.equal(true);
    expect(order([A, B])).to.equal('ab');
  });

  it('a failure on the way back begins it again', () => {
    fail(A, 'overloaded', 5);
    now += 1000;
    order([A, B]);
    succeed(A, 6);
    fail(A, 'server_error');
    expect(health.stateOf(A.id)).to.equal('down');
    now += 1999;
    expect(order([A, B])).to.equal('ba');
  });

  it('sees an outage soon, however long all went well before it', () => {
    succeed(A, 10_000);
    fail(A, 'overloaded', 10);
    expect(health.stateOf(A.id)).to.equal('down');
  });

  it('leaves a throttled target alone for as long as its provider says', () => {
    fail(A, 'rate_limited', 1, 7);
    expect(health.stateOf(A.id)).to.equal('throttled');
    now += 6999;
    expect(order([A, B])).to.equal('ba');
    now += 1;
    expect(order([A, B])).to.equal('ab');
    fail(B, 'rate_limited');
    now += 2000;
    expect(health.mayLead(B, 'r')).to.equal(true);
    fail(C, 'rate_limited', 1, 99_999);
    now += 120_000;
    expect(health.mayLead(C, 'r')).to.equal(true);
  });

  it('takes a key that is refused, a bill or a model that is gone for lasting at once', () => {
    for (const [of, outcome] of [
      [A, 'credential_refused'],
      [B, 'billing'],
      [C, 'model_not_found'],
    ] as const) {
      fail(of, outcome);
      now += 30_000;
      expect(health.mayLead(of, 'r'), outcome).to.equal(false);
      now += 30_000;
      expect(health.mayLead(of, 'r'), outcome).to.equal(true);
    }
  });

  it('learns nothing from the caller’s own mistakes, nor from callers who leave', () => {
    fail(A, 'request_refused', 20);
    fail(A, 'not_translatable', 20);
    expect(health.stateOf(A.id)).to.equal('well');
    fail(A, 'overloaded', 5);
    now += 1000;
    expect(order([A, B])).to.equal('ab');
    const prober = `r${requests}`;
    // A request that was sent before, and whose caller leaves now.
    health.note({ target: A, outcome: 'abandoned' }, 'another', undefined);
    health.note({ target: A, outcome: 'request_refused' }, 'another', undefined);
    expect(order([A, B]), 'the probe is still out').to.equal('ba');
    health.note({ target: A, outcome: 'abandoned' }, prober, undefined);
    // The probe is free again.
    expect(order([A, B])).to.equal('ab');
  });

  it('a probe that is never heard of again does not hold its place for good', () => {
    fail(A, 'overloaded', 5);
    now += 1000;
    order([A, B]);
    now += 29_999;
    expect(order([A, B])).to.equal('ba');
    now += 1;
    expect(order([A, B])).to.equal('ab');
  });

  it('keeps nothing of a target that the policy no longer has, or has otherwise now', () => {
    fail(A, 'overloaded', 5);
    inForce.delete(A.id);
    health.forget(new Set([A.id]));
    fail(A, 'overloaded', 5);
    health.hear({ id: A.id, state: 'down', forMs: 1_000 });
    expect(health.allWell).to.equal(true);
    expect(health.states()).to.deep.equal([]);
    inForce.set(A.id, { ...A, model: 'another' });
    fail(A, 'overloaded', 5);
    expect(health.stateOf(A.id)).to.equal('well');
    // The same one, of another reading of the policy.
    inForce.set(A.id, { ...A });
    fail(A, 'overloaded', 5);
    expect(health.stateOf(A.id)).to.equal('down');
  });

  it('keeps little, however many attempts there are', () => {
    for (let time = 0; time < 100_000; time++) {
      now += 0.01;
      succeed(A);
    }
    const kept = JSON.stringify([...Object.values(health as unknown as object)]);
    expect(kept.length).to.be.lessThan(100_000);
  });
});
