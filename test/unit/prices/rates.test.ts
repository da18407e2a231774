/** Prices as data: decimals without float error, and a table that can be counted with. */
import { expect } from 'chai';
import fc from 'fast-check';
import prices from '../../../filter/prices/prices.json' with { type: 'json' };
import { KINDS, type Place, type PriceTable, scaled } from '../../../filter/prices/rates.ts';

describe('decimals of dollars', () => {
  it('become whole units, exactly or not at all', () => {
    expect(['1.25e-07', '3e-06', '0.00000125', '2', '0', '0.0', '1.2500'].map((text) => scaled(text, 12))).to.deep.equal([
      ...[125_000, 3_000_000, 1_250_000, 2_000_000_000_000, 0, 0, 1_250_000_000_000],
    ]);
    for (const text of ['1e-13', '0.0000000000001', '9008', '-1', '1.', '.5', 'NaN', '', '1e400', '1 '])
      expect(scaled(text, 12), text).to.equal(undefined);
  });

  it('property: what a double says in 15 digits is what was written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999_999 }), fc.integer({ min: 0, max: 12 }), (digits, decimals) => {
        const exact = digits * 10 ** (12 - decimals);
        const expected = Number.isSafeInteger(exact) ? exact : undefined;
        const read: unknown = JSON.parse(`${digits}e-${decimals}`);
        expect(scaled(String(read), 12)).to.equal(expected);
      }),
    );
  });
});

describe('prices.json', () => {
  const table: PriceTable = prices as PriceTable;
  const places = Object.entries(table.models).flatMap(([id, platforms]) =>
    Object.entries(platforms).flatMap(([platform, { regions = {}, ...place }]) => [
      { at: `${id} ${platform}`, place, uplift: Object.values(place.uplift ?? {}) },
      ...Object.entries(regions).map(([region, regional]) => ({
        at: `${id} ${platform} ${region}`,
        place: regional,
        uplift: [],
      })),
    ]),
  );

  it('has rates that are whole, not negative, and below a thousand dollars for a million tokens, in every region too', () => {
    for (const { at, place, uplift } of places) {
      for (const amount of amountsOf(place))
        expect(Number.isSafeInteger(amount) && amount >= 0, `${at}: ${amount}`).to.equal(true);
      for (const tariff of place.tariffs) {
        for (const kind of KINDS) {
          expect(tariff[kind] ?? 0, at).to.be.at.most(1_000_000_000);
          for (const thousandths of uplift) expect(((tariff[kind] ?? 0) * thousandths) % 1000, `${at} ${kind}`).to.equal(0);
        }
      }
    }
  });

  it('has one tariff for each tier and threshold, the standard one among them', () => {
    for (const { at, place } of places) {
      const keys = place.tariffs.map(({ service = '', above = 0 }) => `${service}/${above}`);
      expect(new Set(keys).size, at).to.equal(keys.length);
      if (keys.length > 0)
        expect(place.tariffs.find(({ service, above }) => (service ?? above) === undefined)?.input, at).to.be.a('number');
    }
  });
});

function amountsOf({ tariffs, perRequest = 0, perImage = 0, perSearch = 0 }: Place): number[] {
  return [...tariffs.flatMap((tariff) => KINDS.map((kind) => tariff[kind] ?? 0)), perRequest, perImage, perSearch];
}
