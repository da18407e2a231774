import { expect } from 'chai';
import fc from 'fast-check';
import { bar, sparkline } from '../../../../filter/cli/cost/bars.ts';
import { attoOf, divided, exactUsd, nanoOfAtto, roundedUsd, short } from '../../../../filter/cli/cost/money.ts';
import { ExactSum } from '../../../../filter/cli/cost/tally.ts';

describe('money on the command line', () => {
  it('rounds half to even, on both sides of nothing', () => {
    expect([5n, 15n, 25n, -5n, -15n, 16n].map((value) => divided(value, 10n))).to.deep.equal([0n, 2n, 2n, 0n, -2n, 2n]);
    expect(roundedUsd(1_234_565_000n, 5)).to.equal('1.23456');
    expect(roundedUsd(-1_500_000_000n, 2)).to.equal('-1.50');
    expect(exactUsd(-1n)).to.equal('-0.000000001');
  });

  it('reads decimals as exports write them', () => {
    const told = ['0.8958740000000000', '1.25e-07', '-3', '-$1,234.5', '.5', '5.', '', 'x', '1,23', '1e99', '--1'].map(
      attoOf,
    );
    const one = 10n ** 18n;
    expect(told).to.deep.equal([
      ...[895_874_000_000_000_000n, 125_000_000_000n, -3n * one, -(1234n * one + one / 2n), one / 2n, 5n * one],
      ...[undefined, undefined, undefined, attoOf('1e99'), undefined],
    ]);
    expect(nanoOfAtto(1_500_000_000n)).to.equal(2n);
    expect(['€5', '£5', '5 €'].map(attoOf), 'another currency').to.deep.equal([undefined, undefined, undefined]);
  });

  it('property: sums are exact, in whatever order', () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat(), { maxLength: 50 }), (values) => {
        const sum = new ExactSum();
        for (const value of values) sum.add(value);
        expect(sum.value).to.equal(values.reduce((total, value) => total + BigInt(value), 0n));
      }),
    );
  });

  it('draws and shortens', () => {
    expect([bar(0.5, 4), bar(0, 2), bar(1.7, 2), bar(0.07, 2)]).to.deep.equal(['██  ', '  ', '██', '▏ ']);
    expect(sparkline([0n, 1n, 4n, 8n])).to.equal('·▁▄█');
    expect(sparkline([])).to.equal('');
    expect([999, 1_000, 99_949, 999_400, 999_500, 12_345_678].map(short)).to.deep.equal([
      '999',
      '1.0k',
      '99.9k',
      '999k',
      '1.0M',
      '12.3M',
    ]);
  });
});
