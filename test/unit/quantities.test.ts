/** Durations and money, as they are written and as they are told. */
import { expect } from 'chai';
import fc from 'fast-check';
import { formatUsd, parseDuration, parseUsd } from '../../filter/quantities.ts';

describe('money', () => {
  it('is read into whole nano-dollars', () => {
    expect(['0.05', '0.000000001', '12', '9007199.254740991'].map(parseUsd)).to.deep.equal([
      50_000_000,
      1,
      12_000_000_000,
      Number.MAX_SAFE_INTEGER,
    ]);
  });

  it('is refused where it would be rounded, or is no decimal', () => {
    for (const text of ['0.0000000001', '9007199.254740992', '10000000', '-1', '1e3', '.5', '1.', '', ' 1'])
      expect(parseUsd(text), text).to.equal(undefined);
  });

  it('is told as it was written', () => {
    expect([0, 1, -1, 50_000_000, 12_000_000_000].map(formatUsd)).to.deep.equal([
      '0',
      '0.000000001',
      '-0.000000001',
      '0.05',
      '12',
    ]);
    fc.assert(fc.property(fc.maxSafeNat(), (nanoUsd) => parseUsd(formatUsd(nanoUsd)) === nanoUsd));
  });
});

describe('durations', () => {
  it('are read into milliseconds', () => {
    expect(['700ms', '20s', '10m', '7 s', '1h', undefined].map(parseDuration)).to.deep.equal([
      700,
      20_000,
      600_000,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
