import { expect } from 'chai';
import fc from 'fast-check';
import type { Canary } from '../../../filter/policy/compiled/alias.ts';
import type { AliasName, TargetId } from '../../../filter/policy/compiled/names.ts';
import type { Target } from '../../../filter/policy/compiled/target.ts';
import { type CanaryStop, CanaryWatch } from '../../../filter/routing/canary.ts';
import type { CanarySample } from '../../../filter/routing/canary-arm.ts';

function canaryOf(changes: Partial<Canary> = {}): Canary {
  return {
    id: 'a-1',
    alias: 'a' as AliasName,
    target: { id: 'new' as TargetId } as Target,
    share: 0.1,
    stickyBy: 'tenant',
    bounds: { errorRate: 0.05, latencyRatio: 2, costRatio: 1.5, minRequests: 20 },
    ...changes,
  };
}

const unit = (tenant: string, user?: string) => ({ tenant, callerKey: 'k', user });

function watching(stopped: readonly CanaryStop[] = []): { watch: CanaryWatch; stops: CanaryStop[] } {
  const stops: CanaryStop[] = [];
  const watch = new CanaryWatch({ stopped, onStop: (stop) => stops.push(stop), now: () => Date.UTC(2026, 10, 25) });
  return { watch, stops };
}

const GOOD: CanarySample = { outcome: 'ok', kind: 'plain', latencyMs: 100, cost: { nanoUsd: 1000, inputTokens: 10 } };
const FAILED: CanarySample = { outcome: 'failed', kind: 'plain', latencyMs: undefined, cost: undefined };

describe('the slice of a canary', () => {
  it('is the share that the policy says, of tenants as a whole', () => {
    const { watch } = watching();
    for (const share of [0, 0.01, 0.1, 0.5, 1]) {
      const canary = canaryOf({ share });
      const tenants = Array.from({ length: 20_000 }, (_, index) => `tenant-${index}`);
      const inside = tenants.filter((tenant) => watch.sliceOf(canary, unit(tenant)) === 'canary');
      expect(inside.length / tenants.length).to.be.closeTo(share, 0.01);
      for (const tenant of inside.slice(0, 50)) expect(watch.sliceOf(canary, unit(tenant, 'x'))).to.equal('canary');
    }
  });

  it('is sticky, the same for every process, and only grows with the share', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.string(), share, share, (tenant, a, b) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)];
        const small = watching().watch.sliceOf(canaryOf({ share: less }), unit(tenant));
        const large = watching().watch.sliceOf(canaryOf({ share: more, id: 'a-2' }), unit(tenant));
        return small === 'stable' || large === 'canary';
      }),
    );
  });

  it('may be of users, who are told apart within a tenant; without one it is the key', () => {
    const { watch } = watching();
    const canary = canaryOf({ share: 0.5, stickyBy: 'user' });
    const slices = new Set(Array.from({ length: 64 }, (_, index) => watch.sliceOf(canary, unit('t', `user-${index}`))));
    expect([...slices].sort()).to.deep.equal(['canary', 'stable']);
    expect(watch.sliceOf(canary, unit('t'))).to.equal(watch.sliceOf(canary, unit('t')));
  });
});

describe('a canary that leaves its bounds', () => {
  const run = (mine: readonly CanarySample[], theirs: readonly CanarySample[], canary = canaryOf({ share: 1 })) => {
    const made = watching();
    for (const sample of theirs) made.watch.note(canary, 'stable', sample);
    for (const sample of mine) made.watch.note(canary, 'canary', sample);
    return { ...made, canary };
  };
  const many = (count: number, sample: CanarySample): CanarySample[] => Array.from({ length: count }, () => sample);

  it('is stopped for its errors, with an event that says why, and takes nobody any more', () => {
    const { watch, stops, canary } = run([...many(18, GOOD), ...many(2, FAILED)], many(100, GOOD));
    expect(stops).to.have.length(1);
    expect(stops[0]).to.include({ alias: 'a', target: 'new', bound: 'error_rate', time: '2026-11-25T00:00:00.000Z' });
    expect(stops[0]?.reason).to.equal(
      "10.0 % of the latest 20 first attempts failed, 0.0 % of the stable one's; the bound is 5.0 % more",
    );
    expect(watch.sliceOf(canary, unit('t'))).to.equal('stable');
  });

  it('is not blamed for a bad day of both', () => {
    const half = [...many(50, GOOD), ...many(50, FAILED)];
    expect(run(half, half).stops).to.deep.equal([]);
  });

  it('is judged by its errors alone while there is nothing to compare with', () => {
    expect(run(many(25, { ...GOOD, latencyMs: 9000 }), []).stops).to.deep.equal([]);
    expect(run(many(25, FAILED), []).stops).to.have.length(1);
  });

  it('is not judged by a handful', () => {
    expect(run(many(19, FAILED), many(100, GOOD)).stops).to.deep.equal([]);
  });

  it('is stopped for its latency, plain and streamed apart', () => {
    const slow = run(many(20, { ...GOOD, latencyMs: 250 }), many(20, GOOD));
    expect(slow.stops[0]?.bound).to.equal('latency');
    expect(slow.stops[0]?.reason)
      .to.contain('plain answers begin after 250 ms')
      .and.contain("the stable one's after 100 ms");
    // Streams of the one against plain answers of the other say nothing.
    const other = run(many(20, { ...GOOD, kind: 'stream', latencyMs: 250 }), many(20, GOOD));
    expect(other.stops).to.deep.equal([]);
  });

  it('is stopped for its cost for the same input', () => {
    const dear = many(20, { ...GOOD, cost: { nanoUsd: 16_000, inputTokens: 100 } });
    const { stops } = run(dear, many(20, GOOD));
    expect(stops[0]?.bound).to.equal('cost');
    expect(stops[0]?.reason).to.contain('1.60 times');
  });

  it('stays stopped for whoever hears of it, until its section is another', () => {
    const { stops } = run(many(25, FAILED), []);
    const { watch } = watching(stops);
    expect(watch.sliceOf(canaryOf({ share: 1 }), unit('t'))).to.equal('stable');
    expect(watch.sliceOf(canaryOf({ share: 1, id: 'a-again' }), unit('t'))).to.equal('canary');
    watch.keep(new Set(['a-again']));
    expect(watch.stopOf(canaryOf())).to.equal(undefined);
  });

  it('looks at the latest requests, and keeps no more', () => {
    const { watch, canary } = run(many(2000, GOOD), many(2000, GOOD));
    expect(watch.arms(canary)?.canary.count).to.equal(500);
  });
});
