import { expect } from 'chai';
import fc from 'fast-check';
import { claimOf, evenShare, floorShare, type Need, type ShareKind } from '../../../filter/quota/limit-shares.ts';

const kinds = fc.constantFrom<ShareKind>('concurrency', 'requests');

/** What every process claims that knows of all the same. */
function claims(kind: ShareKind, limit: number, needs: readonly number[], processes = needs.length, turn = 0) {
  const all = needs.map((need, index): Need => ({ process: `p${index}`, need }));
  const floor = floorShare(kind, limit, { pods: processes, workers: 1, worker: 0 });
  return all.map((own) => {
    const others = all.filter((one) => one !== own);
    return { floor, ...claimOf({ kind, limit, floor, processes, own, others, turn }) };
  });
}
const sharesOf = (...of: Parameters<typeof claims>): number[] => claims(...of).map(({ share }) => share);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('shares of a limit', () => {
  const needs = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_000 })), { minLength: 1, maxLength: 12 });
  const limits = fc.integer({ min: 1, max: 2_000 });

  it('add up to no more than the limit, with the floors of those that ask for nothing', () =>
    fc.assert(
      fc.property(
        kinds,
        limits,
        needs,
        fc.nat(8),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (kind, limit, all, absent, turn) => {
          const made = claims(kind, limit, all, all.length + absent, turn);
          const floor = made[0]?.floor ?? 0;
          expect(sum(made.map(({ share }) => share)) + floor * absent).to.be.at.most(limit * (1 + 1e-9));
          for (const { share } of made) {
            expect(share).to.be.at.least(floor * (1 - 1e-9));
            if (kind === 'concurrency') expect(share % 1).to.equal(0);
          }
        },
      ),
      { numRuns: 2_000 },
    ));

  it('give all what they need where that is possible, and all that there is where it is not', () =>
    fc.assert(
      fc.property(kinds, limits, needs, (kind, limit, all) => {
        const made = claims(kind, limit, all);
        if (made.some(({ isScarce }) => isScarce)) {
          expect(sum(made.map(({ share }) => share))).to.be.closeTo(limit, limit * 1e-6);
          const floor = made[0]?.floor ?? 0;
          const least = ((limit - floor * all.length) * 0.25) / all.length;
          for (const [index, need] of all.entries())
            if (kind !== 'concurrency') expect(made[index]?.share).to.be.at.least(Math.min(need, least) * (1 - 1e-9));
        } else for (const [index, need] of all.entries()) expect(made[index]?.share).to.be.at.least(need * (1 - 1e-9));
      }),
      { numRuns: 2_000 },
    ));

  it('are in proportion to need; whoever needs all while nobody else does has nearly all', () => {
    expect(sharesOf('requests', 1000, [5000, 0, 0, 0])).to.deep.equal([925, 25, 25, 25]);
    expect(sharesOf('concurrency', 40, [100, 0, 0, 0])).to.deep.equal([37, 1, 1, 1]);
    expect(sharesOf('concurrency', 8, [100, 0, 0, 0])).to.deep.equal([8, 0, 0, 0]);
    const [most = 0, less = 0] = sharesOf('requests', 1000, [900, 300, 0, 0]);
    expect(most / less).to.be.within(2.2, 3);
  });

  it('of two places for four processes: each has one in its turn, two at a time, and none is left out', () => {
    const had = [0, 0, 0, 0];
    for (let slot = 0; slot < 1_000; slot++) {
      const shares = sharesOf('concurrency', 2, [100, 100, 1, 1], 4, (slot * 0.618_033_988_749_895) % 1);
      expect(sum(shares)).to.equal(2);
      for (const [index, share] of shares.entries()) had[index] = (had[index] ?? 0) + share;
    }
    for (const count of had) expect(count).to.be.above(100);
    expect((had[0] ?? 0) / (had[2] ?? 1)).to.be.above(2);
  });

  it('without a word are even; whole places of the workers of a pod add up to its part, with one for each at least', () => {
    const places = (limit: number, pods: number, workers: number): number[] =>
      Array.from({ length: workers }, (_, worker) => evenShare('concurrency', limit, { pods, workers, worker }));
    expect(sum(places(10, 1, 4))).to.equal(10);
    expect(sum(places(30, 2, 4))).to.equal(15);
    expect(places(2, 1, 4)).to.deep.equal([1, 1, 1, 1]);
    expect(places(7, 1, 1)).to.deep.equal([7]);
    expect(evenShare('requests', 100, { pods: 2, workers: 4, worker: 3 })).to.equal(12.5);
  });
});
