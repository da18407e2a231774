import { expect } from 'chai';
import fc from 'fast-check';
import { costNanoUsd, estimateNanoUsd, type Price } from '../../../filter/prices/price.ts';
import { loadPriceBook, priceIds } from '../../../filter/prices/price-book.ts';
import { formatUsd, parseRate, parseUsd } from '../../../filter/quantities.ts';
import { anthropicMessagesProvider } from '../../../filter/transform/providers/anthropic-messages/provider.ts';
import { geminiProvider } from '../../../filter/transform/providers/gemini/provider.ts';
import { openAiChatProvider } from '../../../filter/transform/providers/openai-chat/provider.ts';
import type { AnswerFacts } from '../../../filter/transform/schema.ts';
import { NO_USAGE, type Usage } from '../../../filter/transform/unified.ts';

const book = loadPriceBook({
  'test-model': {
    input: 1_000_000,
    output: 10_000_000,
    cache_read: 100_000,
    cache_write: 1_250_000,
    cache_write_1h: 2_000_000,
  },
});

function price(id: string): Price {
  const found = book.priceOf(id);
  if (found === undefined) throw new Error(`no price for ${id}`);
  return found;
}

const usageOf = ({ usage }: AnswerFacts = {}): Usage => usage ?? NO_USAGE;

describe('the price book', () => {
  it('matches ids exactly or not at all', () => {
    expect(book.priceOf('claude-sonnet-4-5-20250929')).to.not.equal(undefined);
    expect(book.priceOf('claude-sonnet-4-5-2025092')).to.equal(undefined);
    expect(book.priceOf('gpt-4o-nonesuch')).to.equal(undefined);
    expect(book.priceOf('constructor')).to.equal(undefined);
  });

  it('has the rates of its source: dollars for a million tokens are pico-dollars for one', () => {
    // https://openai.com/api/pricing: gpt-4o 2.50, 1.25 cached, 10.00.
    expect(price('gpt-4o')).to.include({ input: 2_500_000, output: 10_000_000, cacheRead: 1_250_000 });
    expect(book.version).to.match(/^litellm-\d/);
  });

  it('looks for a target by platform and region before the model alone', () => {
    expect(priceIds('openai-chat', ['gpt-4o'], 'eu')).to.deep.equal(['gpt-4o']);
    expect(priceIds('azure-openai-chat', ['prod', 'gpt-4o'], 'eu')).to.deep.equal([
      ...['azure/eu/prod', 'azure/prod', 'azure/eu/gpt-4o', 'azure/gpt-4o'],
    ]);
    expect(priceIds('bedrock-converse', ['eu.anthropic.x'], undefined)).to.deep.equal([
      'bedrock/eu.anthropic.x',
      'eu.anthropic.x',
    ]);
    expect(priceIds('vertex-anthropic', ['claude-x'], undefined)).to.deep.equal(['vertex_ai/claude-x']);
  });
});

describe('the cost of an answer', () => {
  const model = price('test-model');

  it('OpenAI: cached tokens are part of the prompt', () => {
    const body = {
      usage: { prompt_tokens: 1000, completion_tokens: 50, prompt_tokens_details: { cached_tokens: 400 } },
    };
    const facts = openAiChatProvider.chat?.native?.readFacts(body);
    // 600 x 1.00 + 400 x 0.10 + 50 x 10.00 dollars a million = 1,140 micro-dollars.
    expect(costNanoUsd(model, usageOf(facts))).to.equal(1_140_000);
  });

  it('Anthropic: cached and written tokens stand beside the input, writes by their life time', () => {
    const body = {
      usage: {
        ...{ input_tokens: 100, output_tokens: 20, cache_read_input_tokens: 1000, cache_creation_input_tokens: 300 },
        cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
      },
    };
    const facts = anthropicMessagesProvider.chat?.native?.readFacts(body);
    // 100 x 1 + 1000 x 0.1 + 100 x 1.25 + 200 x 2 + 20 x 10 = 925 micro-dollars.
    expect(costNanoUsd(model, usageOf(facts))).to.equal(925_000);
  });

  it('Gemini: thoughts are added to the answer', () => {
    const body = {
      usageMetadata: {
        promptTokenCount: 200,
        cachedContentTokenCount: 50,
        candidatesTokenCount: 10,
        thoughtsTokenCount: 30,
      },
    };
    const facts = geminiProvider.chat?.native?.readFacts(body);
    // 150 x 1 + 50 x 0.1 + 40 x 10 = 555 micro-dollars.
    expect(costNanoUsd(model, usageOf(facts))).to.equal(555_000);
  });

  it('above a threshold the whole request has the higher rate', () => {
    const tiered = loadPriceBook({
      t: { input: 1_000_000, output: 2_000_000, tiers: [{ above: 200_000, input: 2_000_000, output: 3_000_000 }] },
    }).priceOf('t');
    if (tiered === undefined) throw new Error('no price');
    expect(estimateNanoUsd(tiered, { input: 200_000, output: 1 })).to.equal(200_002_000);
    expect(estimateNanoUsd(tiered, { input: 200_001, output: 1 })).to.equal(400_005_000);
  });

  it('is rounded once, half to even', () => {
    const fine = loadPriceBook({ f: { input: 500, output: 0 } }).priceOf('f');
    if (fine === undefined) throw new Error('no price');
    const cost = (tokens: number): number => costNanoUsd(fine, { ...NO_USAGE, inputUncached: tokens });
    expect([1, 2, 3, 5].map(cost)).to.deep.equal([0, 1, 2, 2]);
  });

  it('is exact for any count, and never below zero', () => {
    const counts = fc.record({
      ...{ inputUncached: fc.nat(1e9), cacheRead: fc.nat(1e9), cacheWrite5m: fc.nat(1e9), cacheWrite1h: fc.nat(1e9) },
      ...{ cacheWriteOther: fc.nat(1e9), outputVisible: fc.nat(1e9), outputReasoning: fc.nat(1e9) },
    });
    fc.assert(
      fc.property(counts, counts, (a, b) => {
        const both = Object.fromEntries(Object.entries(a).map(([kind, n]) => [kind, n + b[kind as keyof Usage]]));
        const apart = costNanoUsd(model, a) + costNanoUsd(model, b);
        const together = costNanoUsd(model, both as unknown as Usage);
        return apart >= 0 && Math.abs(together - apart) <= 1;
      }),
    );
    expect(costNanoUsd(model, { ...NO_USAGE, outputVisible: -5 })).to.equal(0);
    expect(costNanoUsd(model, { ...NO_USAGE, outputVisible: Number.NaN })).to.equal(0);
  });
});

describe('amounts in text', () => {
  it('are whole nano-dollars, and come back as they were', () => {
    expect(parseUsd('0.05')).to.equal(50_000_000);
    expect(parseUsd('1.0000000001')).to.equal(undefined);
    expect(parseUsd('-1')).to.equal(undefined);
    expect(parseRate('1.25')).to.equal(1_250_000);
    fc.assert(fc.property(fc.nat(9e15), (nano) => parseUsd(formatUsd(nano)) === nano || nano >= 1e16));
    expect(formatUsd(-1_500_000_000)).to.equal('-1.5');
  });
});
