/** The price book: exact ids, platforms and regions, and an operator's own prices above it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { costNanoUsd, estimateNanoUsd } from '../../../filter/prices/cost.ts';
import { PriceError } from '../../../filter/prices/overrides.ts';
import { ratesFor } from '../../../filter/prices/price.ts';
import { loadPriceBook } from '../../../filter/prices/price-book.ts';
import prices from '../../../filter/prices/prices.json' with { type: 'json' };
import { NO_USAGE } from '../../../filter/transform/unified.ts';
import { needed } from '../transform/original.ts';

describe('price book', () => {
  const book = loadPriceBook();
  const ids = Object.keys(prices.models);

  it('names its version, the same each time that it is read', () => {
    expect(book.version).to.match(/^litellm-\d+\.\d+\.\d+-[0-9a-f]{12}$/);
    expect(loadPriceBook().version).to.equal(book.version);
  });

  it('knows the exact id alone, never a longer or a shorter one', () => {
    const known = new Set(ids);
    for (const id of ids) {
      for (const near of [`${id}x`, `${id}-5`, id.slice(0, -1), id.toUpperCase(), ` ${id}`])
        if (!known.has(near)) expect(book.priceOf(near), near).to.equal(undefined);
    }
    for (const name of ['constructor', '__proto__', 'toString', '']) expect(book.priceOf(name), name).to.equal(undefined);
    // The trap of prefixes: the newer one reads from its cache at half the price.
    expect(book.priceOf('claude-sonnet-5')?.base.cacheRead).to.equal(200_000);
    expect(book.priceOf('claude-sonnet-5-5')?.base.cacheRead).to.equal(100_000);
    expect(book.priceOf('claude-sonnet-5-5-5')).to.equal(undefined);
  });

  it('has no price for what Gemini puts into a cache but that of the input', () => {
    const steps = book.priceOf('gemini-2.5-pro', undefined, 'vertex')?.steps.standard ?? [];
    expect(steps.map(({ above, rates }) => [above, rates.cacheWrite, rates.input])).to.deep.equal([
      [200_000, 2_500_000, 2_500_000],
      [0, 1_250_000, 1_250_000],
    ]);
  });

  it('asks the named platform, and no other when that does not have the model', () => {
    expect(book.priceOf('text-embedding-3-small', undefined, 'openai')?.base.input).to.equal(20_000);
    expect(book.priceOf('text-embedding-3-small', undefined, 'azure')?.base.input).to.equal(22_000);
    expect(book.priceOf('text-embedding-3-small')).to.equal(book.priceOf('text-embedding-3-small', undefined, 'openai'));
    expect(book.priceOf('text-embedding-3-small', undefined, 'bedrock')).to.equal(undefined);
  });

  it('knows regions by exact name; any other has the price of its platform', () => {
    expect(book.priceOf('text-embedding-3-small', 'us-gov', 'azure')?.base.input).to.equal(25_000);
    expect(book.priceOf('text-embedding-3-small', 'us-gov-2', 'azure')?.base.input).to.equal(22_000);
    expect(book.priceOf('text-embedding-3-small', 'constructor', 'azure')?.base.input).to.equal(22_000);
    // What comes on top of tokens is told once, for the platform.
    expect(book.priceOf('anthropic.claude-haiku-5-5', 'us-gov-west-1')?.perSearch).to.equal(10_000_000_000);
  });

  it('gives the same frozen object for the same question', () => {
    const price = needed(book.priceOf('gpt-5.5', 'eu'));
    expect(book.priceOf('gpt-5.5', 'eu')).to.equal(price);
    expect([price, price.steps, price.steps.standard, price.steps.standard[0]?.rates].every(Object.isFrozen)).to.equal(true);
  });
});

const FIELDS =
  'input_per_mtok, cache_read_per_mtok, cache_write_per_mtok, cache_write_1h_per_mtok, cache_write_12h_per_mtok, output_per_mtok, reasoning_per_mtok, audio_input_per_mtok, audio_cache_read_per_mtok, audio_output_per_mtok, image_input_per_mtok, image_output_per_mtok, above, per_request, per_image, per_search, service_tiers, inference_geo, regions, platforms';

describe('overrides', () => {
  const directory = mkdtempSync(join(tmpdir(), 'prices-test-'));
  const file = join(directory, 'prices.yaml');
  after(() => rmSync(directory, { recursive: true }));

  const load = (text: string) => {
    writeFileSync(file, text);
    return loadPriceBook(file);
  };
  const problems = (text: string): string[] => {
    try {
      load(text);
    } catch (error) {
      if (error instanceof PriceError) return error.message.replaceAll(file, 'P').split('\n');
      throw error;
    }
    return [];
  };

  const OWN = `version: acme-7
prices:
  gpt-5.5:
    input_per_mtok: "4.5"
    output_per_mtok: "27"
    above: {"100000": {input_per_mtok: "9"}}
    service_tiers: {batch: {output_per_mtok: "13.5"}}
    regions: {eu: {input_per_mtok: "5", output_per_mtok: "30"}}
    platforms:
      azure:
        input_per_mtok: "4"
        output_per_mtok: "24"
        regions: {eu: {input_per_mtok: "4.4", output_per_mtok: "26.4"}}
  house-model: {input_per_mtok: "0.000001", output_per_mtok: "0", per_request: "0.001"}
`;

  it('stand above what is carried, whole, and are told by the version', () => {
    const book = load(OWN);
    expect(book.version).to.match(/^litellm-[\d.]+-[0-9a-f]{12}\+acme-7-[0-9a-f]{12}$/);
    expect(load(`${OWN}#`).version).not.to.equal(book.version);
    const price = needed(book.priceOf('gpt-5.5'));
    // The carried price of cached input is not mixed in.
    expect([price.origin, price.base.input, price.base.cacheRead]).to.deep.equal(['override', 4_500_000, 4_500_000]);
    expect(ratesFor(price, 100_001, 'standard')).to.include({ input: 9_000_000, output: 27_000_000 });
    expect(ratesFor(price, 1, 'batch')).to.include({ input: 4_500_000, output: 13_500_000 });
    expect(book.priceOf('claude-haiku-5-5')?.origin).to.equal('carried');
  });

  it('may differ by platform and region', () => {
    const book = load(OWN);
    const input = (region?: string, platform?: 'azure' | 'openai') => book.priceOf('gpt-5.5', region, platform)?.base.input;
    expect([input(), input('eu'), input('us'), input('eu', 'openai')]).to.deep.equal([
      4_500_000, 5_000_000, 4_500_000, 5_000_000,
    ]);
    expect([input(undefined, 'azure'), input('eu', 'azure'), input('us', 'azure')]).to.deep.equal([
      4_000_000, 4_400_000, 4_000_000,
    ]);
  });

  it('may cost more where the inference stays in one place, on every platform and in every region that does not say otherwise', () => {
    const book = load(`version: geo
prices:
  m:
    input_per_mtok: "2"
    output_per_mtok: "10"
    per_search: "0.01"
    inference_geo: {us: "1.125"}
    regions:
      eu: {input_per_mtok: "4", output_per_mtok: "20"}
      home: {input_per_mtok: "4", output_per_mtok: "20", inference_geo: {us: "1"}}
    platforms: {vertex: {input_per_mtok: "3", output_per_mtok: "15"}}
`);
    const usage = { ...NO_USAGE, inputUncached: 1_000, apart: { webSearches: 1, inferenceGeo: 'us' as const } };
    const cost = (region?: string, platform?: 'vertex') => costNanoUsd(needed(book.priceOf('m', region, platform)), usage);
    expect([cost(), cost('eu'), cost('home'), cost(undefined, 'vertex')]).to.deep.equal([
      ...[12_250_000, 14_500_000, 14_000_000, 3_000_000],
    ]);
    const asked = { inputTokens: 1_000, outputTokens: 0, inferenceGeo: 'us' as const };
    expect(estimateNanoUsd(needed(book.priceOf('m')), asked)).to.equal(2_250_000);
    const wrong = ['"0.9"', '"-1.1"', '"NaN"', '"1e1"', '"1.0001"', '".inf"'].map((factor) =>
      problems(`version: a\nprices: {m: {input_per_mtok: "1", output_per_mtok: "1", inference_geo: {us: ${factor}}}}`),
    );
    for (const [problem] of wrong) expect(problem).to.contain('expected a factor from 1 to below 10');
  });

  it('price models that nobody else knows', () => {
    const price = needed(load(OWN).priceOf('house-model'));
    // A thousandth of a dollar, and a pico-dollar for each token.
    expect(costNanoUsd(price, { ...NO_USAGE, inputUncached: 1_000 })).to.equal(1_000_001);
  });

  it('that are wrong are refused with file, line and place, all at once', () => {
    expect(
      problems(`version: a b
prices:
  m:
    input_per_mtok: 1.25
    output_per_mtok: "1.2500001"
    cache_read_per_mtok: "-1"
    inptu: "1"
  n: {input_per_mtok: "1"}
  o:
    input_per_mtok: "1"
    output_per_mtok: "1000"
    above: {200k: {input_per_mtok: "1"}}
    service_tiers: {standard: {input_per_mtok: "1"}}
    regions: {eu: {input_per_mtok: "1"}}
`),
    ).to.have.members([
      'P:1:10: version: expected letters, digits, ".", "_" and "-", 64 at most',
      'P:4:21: prices.m.input_per_mtok: expected a decimal in quotes, such as "1.25"',
      'P:5:22: prices.m.output_per_mtok: expected US dollars for a million tokens below 1000, at most 6 decimals, such as "1.25"',
      'P:6:26: prices.m.cache_read_per_mtok: expected US dollars for a million tokens below 1000, at most 6 decimals, such as "1.25"',
      `P:7:12: prices.m.inptu: unknown field; known here: ${FIELDS}`,
      'P:8:6: prices.n.output_per_mtok: is missing',
      'P:11:22: prices.o.output_per_mtok: expected US dollars for a million tokens below 1000, at most 6 decimals, such as "1.25"',
      'P:12:12: prices.o.above: expected a number of tokens, such as 200000',
      'P:13:31: prices.o.service_tiers.standard: unknown field; known here: batch, flex, priority, ultrafast',
      'P:14:19: prices.o.regions.eu.output_per_mtok: is missing',
    ]);
  });

  it('that are no YAML, or not there, are refused with the file', () => {
    expect(problems('version: [').join('\n')).to.match(/^P:1:1\d: /);
    expect(problems('[]')).to.deep.equal(['P:1:1: (document): must be object']);
    expect(() => loadPriceBook(join(directory, 'none.yaml'))).to.throw(PriceError, 'none.yaml: cannot be read');
  });
});
