import { expect } from 'chai';
import { costOfStream, costOfWhole, pairs } from '../../load/pairs.ts';

/** Ten times the size may cost ten times as much; a hundred is what a quadratic would take. Between them there is room for a busy machine. */
const MOST = 40;

/** A machine that is busy with something else makes one measurement too long, not each of them. */
function leastOf(measure: () => number): number {
  let least = measure();
  for (let again = 0; least >= MOST && again < 4; again++) least = Math.min(least, measure());
  return least;
}

describe('cost of a translation', () => {
  it('grows with size and no faster, for every pair', () => {
    for (const pair of pairs()) {
      const growth = leastOf(() => costOfWhole(pair, 1_000_000) / costOfWhole(pair, 100_000));
      expect(growth, `${pair.caller} to ${pair.provider}: 1 MB over 100 KB`).to.be.lessThan(MOST);
      const longer = leastOf(() => costOfStream(pair, 5000) / costOfStream(pair, 500));
      expect(longer, `${pair.caller} to ${pair.provider}: 5000 events over 500`).to.be.lessThan(MOST);
    }
  }).timeout(120_000);
});
