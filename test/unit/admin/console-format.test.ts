/** Numbers as the pages say them: none may lie. */
import { expect } from 'chai';
import { duration, usd } from '../../../filter/admin/console/format.ts';

describe('the console’s numbers', () => {
  it('have no minute of 60 seconds, and no second of 1000 milliseconds', () => {
    const told: readonly (readonly [number, string])[] = [
      ...([
        [0, '0 ms'],
        [0.04, '<0.1 ms'],
        [9.96, '10 ms'],
        [999.4, '999 ms'],
        [999.6, '1.00 s'],
        [9_996, '10.0 s'],
      ] as const),
      ...([
        [59_940, '59.9 s'],
        [59_970, '1 min 0 s'],
        [119_600, '2 min 0 s'],
        [3_599_700, '1 h 0 min'],
      ] as const),
      ...([
        [7_199_000, '2 h 0 min'],
        [86_399_000, '1 d 0 h'],
        [172_799_000, '2 d 0 h'],
      ] as const),
    ];
    for (const [ms, text] of told) expect(duration(ms), String(ms)).to.equal(text);
  });

  it('tell no money as none', () => {
    expect([0, 1, 200, 5_000_000, 995_000_000, 1e9, 1_234_567e9].map(usd)).to.deep.equal([
      ...['$0.00', '$0.000000001', '$0.0000002', '$0.005', '$0.995', '$1.00', '$1,234,567.00'],
    ]);
  });
});
