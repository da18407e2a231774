/** What requests cost: usage as each provider sends it, and the price worked out by hand. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { JsonObject } from '../../../filter/json.ts';
import { costNanoUsd, estimateNanoUsd, isCounted } from '../../../filter/prices/cost.ts';
import { type Price, priceOfPlace, ratesFor } from '../../../filter/prices/price.ts';
import { loadPriceBook } from '../../../filter/prices/price-book.ts';
import { KINDS, type Platform, type Tariff } from '../../../filter/prices/rates.ts';
import { readUsage as readConverseUsage } from '../../../filter/transform/providers/bedrock-converse/usage.ts';
import { NO_USAGE, type ServiceTier, type Usage } from '../../../filter/transform/unified.ts';
import { needed } from '../transform/original.ts';
import { usageOf } from './usage-of.ts';

const book = loadPriceBook();

function priceOf(model: string, region?: string, platform?: Platform): Price {
  return needed(book.priceOf(model, region, platform));
}

function price(...tariffs: readonly Tariff[]): Price {
  return needed(priceOfPlace({ tariffs }, 'override', 1000));
}

describe('cost of real usage', () => {
  it('OpenAI Chat Completions: cached and reasoning tokens are part of the counts', () => {
    const usage = usageOf('openai-chat', {
      usage: {
        ...{ prompt_tokens: 12_345, completion_tokens: 678, total_tokens: 13_023 },
        ...{ prompt_tokens_details: { cached_tokens: 10_240 }, completion_tokens_details: { reasoning_tokens: 512 } },
      },
    });
    // 2,105 x 5.00 + 10,240 x 0.50 + 678 x 30.00 USD for a million.
    expect(costNanoUsd(priceOf('gpt-5.5'), usage)).to.equal(10_525_000 + 5_120_000 + 20_340_000);
  });

  it('OpenAI Responses: writes to the cache by how long they stay, and the tier that served', () => {
    const answer = (service_tier: string): JsonObject => ({
      service_tier,
      usage: {
        input_tokens: 10_000,
        input_tokens_details: {
          ...{ cached_tokens: 2_000, cache_write_tokens: 5_000 },
          cache_write_tokens_details: { ttl_12h_tokens: 3_000, ttl_30m_tokens: 2_000 },
        },
        ...{ output_tokens: 100, output_tokens_details: { reasoning_tokens: 60 }, total_tokens: 10_100 },
      },
    });
    const luna = priceOf('gpt-6-luna');
    // 3,000 x 0.10 + 2,000 x 0.01 + 2,000 x 0.125 + 3,000 x 0.25 + 100 x 0.50
    const standard = 300_000 + 20_000 + 250_000 + 750_000 + 50_000;
    expect(costNanoUsd(luna, usageOf('openai-responses', answer('default')))).to.equal(standard);
    expect(costNanoUsd(luna, usageOf('openai-responses', answer('flex')))).to.equal(standard / 2);
    expect(costNanoUsd(luna, usageOf('openai-responses', answer('priority')))).to.equal(standard * 2);
    expect(costNanoUsd(luna, usageOf('openai-responses', answer('constructor')))).to.equal(standard);
  });

  const claude = (cacheRead: number): JsonObject => ({
    usage: {
      ...{ input_tokens: 50, cache_creation_input_tokens: 3_000, cache_read_input_tokens: cacheRead, output_tokens: 700 },
      cache_creation: { ephemeral_5m_input_tokens: 1_000, ephemeral_1h_input_tokens: 2_000 },
      ...{ server_tool_use: { web_search_requests: 2 }, service_tier: 'standard' },
    },
  });

  it('Anthropic: cache tokens come on top, and searches cost apart', () => {
    // 50 x 0.10 + 1,000 x 0.125 + 2,000 x 0.20 + 40,000 x 0.01 + 700 x 0.50, and 2 x 0.01 USD
    const expected = 5_000 + 125_000 + 400_000 + 400_000 + 350_000 + 20_000_000;
    expect(costNanoUsd(priceOf('claude-haiku-5-5'), usageOf('anthropic-messages', claude(40_000)))).to.equal(expected);
  });

  it('Anthropic: once the whole prompt is above the threshold, all of the request is', () => {
    // The same with 0.50, 0.625, 1.00, 0.05 and 2.50.
    const above = 25_000 + 625_000 + 2_000_000 + 96_951 * 50 + 1_750_000 + 20_000_000;
    const below = 5_000 + 125_000 + 400_000 + 96_950 * 10 + 350_000 + 20_000_000;
    const cost = (cacheRead: number): number =>
      costNanoUsd(priceOf('claude-haiku-5-5'), usageOf('anthropic-messages', claude(cacheRead)));
    // 50 + 3,000 + 96,950 tokens are 100,000: not above it.
    expect([cost(96_950), cost(96_951)]).to.deep.equal([below, above]);
  });

  it('Bedrock Converse: the price of the region', () => {
    const usage = needed(
      readConverseUsage({
        ...{ inputTokens: 50, outputTokens: 700, cacheReadInputTokens: 40_000, cacheWriteInputTokens: 3_000 },
        cacheDetails: [{ ttl: '1h', inputTokens: 2_000 }],
      }),
    );
    const cost = (region?: string): number => costNanoUsd(priceOf('anthropic.claude-haiku-5-5', region, 'bedrock'), usage);
    // Writes without a time cost as those of five minutes.
    expect(cost('eu-central-1')).to.equal(5_000 + 125_000 + 400_000 + 400_000 + 350_000);
    expect(cost('us-gov-west-1')).to.equal(6_000 + 150_000 + 480_000 + 480_000 + 420_000);
  });

  it('Gemini: thoughts come on top, sound has rates of its own, and so has what a cache gave of it', () => {
    const usage = usageOf('gemini', {
      usageMetadata: {
        ...{ promptTokenCount: 1_000, cachedContentTokenCount: 200, candidatesTokenCount: 100, thoughtsTokenCount: 40 },
        promptTokensDetails: [
          { modality: 'TEXT', tokenCount: 700 },
          { modality: 'AUDIO', tokenCount: 300 },
        ],
        cacheTokensDetails: [
          { modality: 'TEXT', tokenCount: 150 },
          { modality: 'AUDIO', tokenCount: 50 },
        ],
        trafficType: 'ON_DEMAND',
      },
    });
    // 550 x 0.30 + 250 x 1.00 + 150 x 0.03 + 50 x 0.10 + 140 x 2.50
    const expected = 165_000 + 250_000 + 4_500 + 5_000 + 350_000;
    expect(costNanoUsd(priceOf('gemini-2.5-flash', undefined, 'gemini'), usage)).to.equal(expected);
  });

  it('Gemini on Vertex: a regional endpoint costs a tenth more than the global one', () => {
    const usage = usageOf('gemini', { usageMetadata: { promptTokenCount: 1_000, candidatesTokenCount: 100 } });
    const cost = (region?: string): number => costNanoUsd(priceOf('gemini-3.8-flash', region, 'vertex'), usage);
    // 1,000 x 0.75 + 100 x 3.75
    expect([cost(), cost('global'), cost('europe-west4')]).to.deep.equal([1_125_000, 1_125_000, 1_237_500]);
  });

  it('OpenAI with sound, in and out', () => {
    const usage = usageOf('openai-chat', {
      usage: {
        ...{ prompt_tokens: 1_000, prompt_tokens_details: { audio_tokens: 900, cached_tokens: 0 } },
        ...{ completion_tokens: 200, completion_tokens_details: { audio_tokens: 150, reasoning_tokens: 0 } },
      },
    });
    // 100 x 2.50 + 900 x 32 + 50 x 10 + 150 x 64
    expect(costNanoUsd(priceOf('gpt-audio'), usage)).to.equal(250_000 + 28_800_000 + 500_000 + 9_600_000);
  });

  it('embeddings, where the platform matters', () => {
    const usage = usageOf('openai-embeddings', { usage: { prompt_tokens: 7, total_tokens: 7 } });
    expect(costNanoUsd(priceOf('text-embedding-3-small'), usage)).to.equal(140);
    expect(costNanoUsd(priceOf('text-embedding-3-small', undefined, 'azure'), usage)).to.equal(154);
  });

  it('images by their tokens, or each', () => {
    const usage = usageOf('openai-pass-through', {
      usage: {
        ...{ input_tokens: 1_050, output_tokens: 4_160, total_tokens: 5_210 },
        input_tokens_details: { text_tokens: 50, image_tokens: 1_000 },
      },
    });
    // 50 x 5 + 1,000 x 10 + 4,160 x 40
    expect(costNanoUsd(priceOf('gpt-image-1'), usage)).to.equal(250_000 + 10_000_000 + 166_400_000);
    expect(costNanoUsd(priceOf('flux.2-pro'), { ...NO_USAGE, apart: { images: 3 } })).to.equal(120_000_000);
  });

  it('nobody knows what of a model that is priced by the image, when nobody counted the images', () => {
    expect(isCounted(priceOf('flux.2-pro'), NO_USAGE)).to.equal(false);
    expect(isCounted(priceOf('flux.2-pro'), { ...NO_USAGE, apart: { images: 1 } })).to.equal(true);
    expect(isCounted(priceOf('gpt-image-1'), NO_USAGE)).to.equal(true);
  });

  it('rerank by the request, whatever its tokens', () => {
    const usage = usageOf('openai-pass-through', { usage: { total_tokens: 1_234 } });
    expect(costNanoUsd(priceOf('rerank-v3.5'), usage)).to.equal(2_000_000);
  });

  it('rerank by the searches that its provider billed, where it tells them', () => {
    const billed = (units: number): Usage =>
      usageOf('openai-pass-through', { results: [], meta: { billed_units: { search_units: units } } });
    expect(costNanoUsd(priceOf('rerank-v3.5'), billed(3))).to.equal(6_000_000);
    expect(costNanoUsd(priceOf('rerank-v3.5'), billed(1_000_000_000))).to.equal(2_000_000_000_000_000);
  });

  it('counts that are none cost nothing', () => {
    const usage = usageOf('openai-chat', { usage: { prompt_tokens: -5, completion_tokens: 1e300, total_tokens: 0.5 } });
    expect(costNanoUsd(priceOf('gpt-5.5'), usage)).to.equal(0);
  });
});

describe('rates', () => {
  const at = (of: Price, tier: ServiceTier, tokens: number): number => ratesFor(of, tokens, tier).output;

  it('of a tier and a threshold that the list does not join: the dearer of both', () => {
    const of = price(
      { input: 10, output: 100 },
      { above: 1_000, input: 20, output: 150 },
      { service: 'batch', input: 5, output: 50 },
      { service: 'priority', input: 40, output: 400 },
    );
    expect([at(of, 'batch', 1_000), at(of, 'batch', 1_001)]).to.deep.equal([50, 150]);
    expect([at(of, 'priority', 1_000), at(of, 'priority', 1_001)]).to.deep.equal([400, 400]);
    expect([at(of, 'flex', 1_000), at(of, 'flex', 1_001)]).to.deep.equal([100, 150]);
  });

  it('of several thresholds: the highest that the prompt is above, and what it leaves out from the one below', () => {
    const of = price({ input: 1, output: 1 }, { above: 10, output: 2 }, { above: 20, input: 3 });
    expect([10, 11, 20, 21].map((tokens) => at(of, 'standard', tokens))).to.deep.equal([1, 2, 2, 2]);
    expect([20, 21].map((tokens) => ratesFor(of, tokens, 'standard').input)).to.deep.equal([1, 3]);
  });

  it('of kinds without one: no discount', () => {
    expect(ratesFor(price({ input: 3, output: 7 }), 0, 'standard')).to.deep.equal({
      ...{ input: 3, cacheRead: 3, cacheWrite: 3, cacheWrite1h: 3, cacheWrite12h: 3, audioInput: 3, audioCacheRead: 3 },
      ...{ imageInput: 3, output: 7, reasoning: 7, audioOutput: 7, imageOutput: 7 },
    });
  });
});

describe('rounding', () => {
  const halves = price({ input: 500, output: 1 });
  const cost = (inputUncached: number, outputVisible = 0): number =>
    costNanoUsd(halves, { ...NO_USAGE, inputUncached, outputVisible });

  it('is once, to whole nano-dollars, half to even', () => {
    expect([0, 1, 2, 3, 4, 5].map((tokens) => cost(tokens))).to.deep.equal([0, 0, 1, 2, 2, 2]);
    expect([cost(1, 1), cost(0, 499), cost(0, 501)]).to.deep.equal([1, 0, 1]);
  });

  it('is exact beyond what a double can tell, and stops at the largest safe amount', () => {
    // 3e13 x 500 + 501 pico-dollars.
    expect(cost(30_000_000_000_000, 501)).to.equal(15_000_000_000_001);
    expect(cost(30_000_000_000_000, 500)).to.equal(15_000_000_000_000);
    expect(cost(30_000_000_000_001)).to.equal(15_000_000_000_000);
    const dear = price({ input: 999_999_999, output: 0 });
    expect(costNanoUsd(dear, { ...NO_USAGE, inputUncached: Number.MAX_SAFE_INTEGER })).to.equal(Number.MAX_SAFE_INTEGER);
  });
});

const count = fc.oneof(
  fc.nat(5_000_000),
  fc.maxSafeNat().map((tokens) => tokens % 1e15),
);
const rate = fc.nat(1_000_000_000);
const anyUsage: fc.Arbitrary<Usage> = fc.record({
  ...{ inputUncached: count, cacheRead: count, cacheWrite5m: count, cacheWrite1h: count, cacheWriteOther: count },
  ...{ outputVisible: count, outputReasoning: count },
  apart: fc.record({
    cacheWrite12h: count,
    audioInput: count,
    imageInput: count,
    audioCacheRead: count,
    audioOutput: count,
    imageOutput: count,
  }),
});
const anyPrice = fc
  .record(Object.fromEntries(KINDS.map((kind) => [kind, rate])))
  .map((rates) => price({ input: 0, output: 0, ...rates }));

describe('cost, whatever the usage and the price', () => {
  it('property: is a safe integer, never negative, and half a nano-dollar at most from the sum of all parts', () => {
    fc.assert(
      fc.property(anyPrice, anyUsage, (of, usage) => {
        const { apart: _parts, ...whole } = usage;
        const nanoUsd = costNanoUsd(of, whole);
        const { base } = of;
        const pico =
          BigInt(base.input) * BigInt(usage.inputUncached) +
          BigInt(base.cacheRead) * BigInt(usage.cacheRead) +
          BigInt(base.cacheWrite) * (BigInt(usage.cacheWrite5m) + BigInt(usage.cacheWriteOther)) +
          BigInt(base.cacheWrite1h) * BigInt(usage.cacheWrite1h) +
          BigInt(base.output) * BigInt(usage.outputVisible) +
          BigInt(base.reasoning) * BigInt(usage.outputReasoning);
        expect(Number.isSafeInteger(nanoUsd) && nanoUsd >= 0).to.equal(true);
        const error = BigInt(nanoUsd) * 1000n - pico;
        expect(nanoUsd === Number.MAX_SAFE_INTEGER || (error <= 500n && error >= -500n), String(error)).to.equal(true);
      }),
    );
  });

  it('property: is additive within rounding', () => {
    const some = fc.nat(5_000_000);
    const usages = fc.record({
      inputUncached: some,
      cacheRead: some,
      cacheWrite1h: some,
      outputVisible: some,
      outputReasoning: some,
    });
    fc.assert(
      fc.property(anyPrice, usages, usages, (of, a, b) => {
        const sum = Object.fromEntries(
          Object.entries(a).map(([field, tokens]) => [field, tokens + b[field as keyof typeof b]]),
        );
        const [left, right, both] = [a, b, sum].map((part) => costNanoUsd(of, { ...NO_USAGE, ...part })) as [
          number,
          number,
          number,
        ];
        expect(Math.abs(both - left - right)).to.be.at.most(1);
      }),
    );
  });

  it('property: parts that are priced apart are priced once, however large a provider says they are', () => {
    const same = price({ input: 7, output: 7 });
    fc.assert(
      fc.property(anyUsage, ({ apart, ...whole }) => {
        expect(costNanoUsd(same, { ...whole, apart })).to.equal(costNanoUsd(same, whole));
      }),
    );
  });

  it('property: an estimate is the cost of the same tokens without a cache', () => {
    fc.assert(
      fc.property(anyPrice, fc.nat(1_000_000), fc.nat(100_000), fc.nat(10), (of, inputTokens, outputTokens, images) => {
        const usage = { ...NO_USAGE, inputUncached: inputTokens, outputVisible: outputTokens, apart: { images } };
        expect(estimateNanoUsd(of, { inputTokens, outputTokens, images })).to.equal(costNanoUsd(of, usage));
      }),
    );
  });
});
