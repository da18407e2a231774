/**
 * Usage as providers' documentation shows it, and the bill worked out by hand: tokens times the list price of a million, in US dollars. So many tokens at so many dollars a
 * million are a thousand times their product in nano-dollars. Prices: the carried table (litellm 1.109.1); the providers' own pages
 * are platform.openai.com/docs/pricing, docs.claude.com/en/docs/about-claude/pricing, ai.google.dev/gemini-api/docs/pricing, aws.amazon.com/bedrock/pricing, azure.microsoft.com
 * "Azure OpenAI Service pricing", cloud.google.com/vertex-ai/generative-ai/pricing.
 */
import { expect } from 'chai';
import type { JsonObject } from '../../../filter/json.ts';
import { costNanoUsd } from '../../../filter/prices/cost.ts';
import { loadPriceBook } from '../../../filter/prices/price-book.ts';
import type { Platform } from '../../../filter/prices/rates.ts';
import { decodeAnswer } from '../../../filter/transform/providers/bedrock-converse/answer.ts';
import type { Usage } from '../../../filter/transform/unified.ts';
import { needed } from '../transform/original.ts';
import { usageOf } from './usage-of.ts';

const book = loadPriceBook();

interface Bill {
  readonly what: string;
  readonly usage: Usage;
  readonly model: string;
  readonly platform?: Platform;
  readonly region?: string;
  /** Tokens, and US dollars for a million of them. */
  readonly lines: readonly (readonly [tokens: number, usdPerMillion: number])[];
  /** In US dollars, on top of tokens. */
  readonly extra?: number;
}

const claude = (service_tier: string): JsonObject => ({
  usage: {
    ...{ input_tokens: 2_095, cache_read_input_tokens: 18_000, cache_creation_input_tokens: 4_500, output_tokens: 503 },
    cache_creation: { ephemeral_5m_input_tokens: 3_000, ephemeral_1h_input_tokens: 1_500 },
    ...{ server_tool_use: { web_search_requests: 3, web_fetch_requests: 2 }, service_tier },
  },
});

const gpt5 = (service_tier: string): JsonObject => ({
  service_tier,
  usage: {
    ...{ prompt_tokens: 2_006, completion_tokens: 300, total_tokens: 2_306 },
    prompt_tokens_details: { cached_tokens: 1_920, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 192, audio_tokens: 0, accepted_prediction_tokens: 0 },
  },
});

const gemini = (promptTokenCount: number): JsonObject => ({
  usageMetadata: {
    ...{ promptTokenCount, cachedContentTokenCount: 100_000, candidatesTokenCount: 1_000, thoughtsTokenCount: 500 },
    ...{
      totalTokenCount: promptTokenCount + 1_500,
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: promptTokenCount }],
    },
    cacheTokensDetails: [{ modality: 'TEXT', tokenCount: 100_000 }],
  },
});

const converse = (usage: JsonObject, serviceTier: JsonObject): Usage =>
  needed(
    decodeAnswer({ output: { message: { role: 'assistant', content: [] } }, stopReason: 'end_turn', usage, serviceTier })
      .usage,
  );

const haikuOnVertex: JsonObject = {
  usage: { input_tokens: 1_000, cache_read_input_tokens: 500, cache_creation_input_tokens: 0, output_tokens: 200 },
};

const BILLS: readonly Bill[] = [
  {
    what: 'Anthropic: reads and both writes of a cache, three searches at 10 dollars a thousand; fetches are free',
    ...{ model: 'claude-sonnet-4-5', usage: usageOf('anthropic-messages', claude('standard')) },
    ...{
      lines: [
        [2_095, 3],
        [18_000, 0.3],
        [3_000, 3.75],
        [1_500, 6],
        [503, 15],
      ],
      extra: 0.03,
    },
  },
  {
    what: 'Anthropic: a batch costs half, what it keeps for an hour too',
    ...{ model: 'claude-sonnet-4-5', usage: usageOf('anthropic-messages', claude('batch')), extra: 0.03 },
    lines: [
      [2_095, 1.5],
      [18_000, 0.15],
      [3_000, 1.875],
      [1_500, 3],
      [503, 7.5],
    ],
  },
  {
    what: 'Anthropic: fast mode doubles every rate',
    model: 'claude-opus-4-8',
    usage: usageOf('anthropic-messages', {
      usage: {
        ...{ input_tokens: 1_000, cache_read_input_tokens: 4_000, cache_creation_input_tokens: 500, output_tokens: 200 },
        ...{ cache_creation: { ephemeral_5m_input_tokens: 500 }, service_tier: 'standard', speed: 'fast' },
      },
    }),
    lines: [
      [1_000, 10],
      [4_000, 1],
      [500, 12.5],
      [200, 50],
    ],
  },
  {
    what: 'Anthropic: inference that stays in the US is a tenth dearer, a cache too; searches are not',
    model: 'claude-opus-4-8',
    usage: usageOf('anthropic-messages', {
      usage: {
        ...{ input_tokens: 1_000, cache_read_input_tokens: 4_000, cache_creation_input_tokens: 800, output_tokens: 200 },
        cache_creation: { ephemeral_5m_input_tokens: 500, ephemeral_1h_input_tokens: 300 },
        ...{ server_tool_use: { web_search_requests: 1 }, service_tier: 'standard', inference_geo: 'us' },
      },
    }),
    ...{
      lines: [
        [1_000, 5.5],
        [4_000, 0.55],
        [500, 6.875],
        [300, 11],
        [200, 27.5],
      ],
      extra: 0.01,
    },
  },
  {
    what: 'Anthropic: in the US and fast, one on top of the other',
    model: 'claude-opus-5-5',
    usage: usageOf('anthropic-messages', {
      usage: { input_tokens: 1_000, output_tokens: 200, speed: 'fast', inference_geo: 'us' },
    }),
    lines: [
      [1_000, 8.8],
      [200, 44],
    ],
  },
  {
    what: 'Anthropic: what the provider reads and writes to compact a context is in none of the counts, and is billed',
    model: 'claude-opus-4-8',
    usage: usageOf('anthropic-messages', {
      usage: {
        ...{ input_tokens: 1_000, cache_read_input_tokens: 0, cache_creation_input_tokens: 500, output_tokens: 200 },
        cache_creation: { ephemeral_5m_input_tokens: 500, ephemeral_1h_input_tokens: 0 },
        iterations: [
          {
            ...{ type: 'compaction', input_tokens: 3_000, cache_read_input_tokens: 150_000, output_tokens: 4_000 },
            ...{
              cache_creation_input_tokens: 600,
              cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 600 },
            },
          },
          { type: 'message', model: null, input_tokens: 1_000, cache_creation_input_tokens: 500, output_tokens: 200 },
          null,
        ],
      },
    }),
    lines: [
      [4_000, 5],
      [150_000, 0.5],
      [500, 6.25],
      [600, 10],
      [4_200, 25],
    ],
  },
  {
    what: 'Anthropic: an older model costs the same in the US',
    model: 'claude-sonnet-4-5',
    usage: usageOf('anthropic-messages', { usage: { input_tokens: 1_000, output_tokens: 200, inference_geo: 'us' } }),
    lines: [
      [1_000, 3],
      [200, 15],
    ],
  },
  {
    what: 'Anthropic: the priority tier is bought by the month, and has the price of the standard one',
    ...{ model: 'claude-opus-4-8', usage: usageOf('anthropic-messages', claude('priority')), extra: 0.03 },
    lines: [
      [2_095, 5],
      [18_000, 0.5],
      [3_000, 6.25],
      [1_500, 10],
      [503, 25],
    ],
  },
  {
    what: 'OpenAI Chat Completions: cached tokens are in the prompt, reasoning is in the completion',
    ...{
      model: 'gpt-5',
      usage: usageOf('openai-chat', gpt5('default')),
      lines: [
        [86, 1.25],
        [1_920, 0.125],
        [300, 10],
      ],
    },
  },
  {
    what: 'OpenAI: the flexible tier',
    ...{
      model: 'gpt-5',
      usage: usageOf('openai-chat', gpt5('flex')),
      lines: [
        [86, 0.625],
        [1_920, 0.0625],
        [300, 5],
      ],
    },
  },
  {
    what: 'OpenAI: the priority tier',
    ...{
      model: 'gpt-5',
      usage: usageOf('openai-chat', gpt5('priority')),
      lines: [
        [86, 2.5],
        [1_920, 0.25],
        [300, 20],
      ],
    },
  },
  {
    what: 'OpenAI Responses',
    model: 'gpt-4.1',
    usage: usageOf('openai-responses', {
      usage: {
        ...{ input_tokens: 3_000, input_tokens_details: { cached_tokens: 1_024 } },
        ...{ output_tokens: 87, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 3_087 },
      },
    }),
    lines: [
      [1_976, 2],
      [1_024, 0.5],
      [87, 8],
    ],
  },
  {
    what: 'OpenAI: sound in and out',
    model: 'gpt-audio',
    usage: usageOf('openai-chat', {
      usage: {
        ...{ prompt_tokens: 420, prompt_tokens_details: { audio_tokens: 400, text_tokens: 20, cached_tokens: 0 } },
        ...{
          completion_tokens: 260,
          completion_tokens_details: { audio_tokens: 200, text_tokens: 60, reasoning_tokens: 0 },
        },
      },
    }),
    lines: [
      [20, 2.5],
      [400, 32],
      [60, 10],
      [200, 64],
    ],
  },
  {
    what: 'OpenAI Responses: two searches at 10 dollars a thousand, on top of tokens',
    model: 'gpt-5',
    usage: usageOf('openai-responses', {
      usage: {
        ...{ input_tokens: 8_000, input_tokens_details: { cached_tokens: 0 } },
        ...{ output_tokens: 400, output_tokens_details: { reasoning_tokens: 320 }, total_tokens: 8_400 },
      },
      tool_usage: { image_gen: { input_tokens: 0, output_tokens: 0, total_tokens: 0 }, web_search: { num_requests: 2 } },
    }),
    lines: [
      [8_000, 1.25],
      [400, 10],
    ],
    extra: 0.02,
  },
  {
    what: 'OpenAI: predicted tokens are in the completion, the rejected too',
    model: 'gpt-4.1',
    usage: usageOf('openai-chat', {
      usage: {
        ...{ prompt_tokens: 500, completion_tokens: 250, total_tokens: 750 },
        completion_tokens_details: { accepted_prediction_tokens: 120, rejected_prediction_tokens: 90, reasoning_tokens: 0 },
      },
    }),
    lines: [
      [500, 2],
      [250, 8],
    ],
  },
  {
    what: 'Azure, xAI: reasoning comes on top of the completion, as the total tells',
    ...{ model: 'grok-4', platform: 'azure' },
    usage: usageOf('azure-openai-chat', {
      usage: {
        ...{ prompt_tokens: 10_120, completion_tokens: 1_499, total_tokens: 14_428 },
        ...{ prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 2_809 } },
      },
    }),
    lines: [
      [10_120, 3],
      [4_308, 15],
    ],
  },
  {
    what: 'Gemini in OpenAI’s shape: thoughts are in the total alone',
    ...{ model: 'gemini-2.5-flash', platform: 'gemini' },
    usage: usageOf('openai-chat', { usage: { prompt_tokens: 20, completion_tokens: 198, total_tokens: 623 } }),
    lines: [
      [20, 0.3],
      [603, 2.5],
    ],
  },
  {
    what: 'a server that counts cached tokens in the total alone has written no more for that',
    model: 'gpt-4.1',
    usage: usageOf('openai-chat', {
      usage: {
        ...{ prompt_tokens: 1_100, completion_tokens: 50, total_tokens: 2_150 },
        prompt_tokens_details: { cached_tokens: 1_000 },
      },
    }),
    lines: [
      [100, 2],
      [1_000, 0.5],
      [50, 8],
    ],
  },
  {
    what: 'Gemini: 200,000 tokens of prompt are a short one; thoughts are output',
    ...{ model: 'gemini-2.5-pro', platform: 'gemini', usage: usageOf('gemini', gemini(200_000)) },
    lines: [
      [100_000, 1.25],
      [100_000, 0.125],
      [1_500, 10],
    ],
  },
  {
    what: 'Gemini: one more, and all of the request is dearer',
    ...{ model: 'gemini-2.5-pro', platform: 'gemini', usage: usageOf('gemini', gemini(200_001)) },
    lines: [
      [100_001, 2.5],
      [100_000, 0.25],
      [1_500, 15],
    ],
  },
  {
    what: 'Gemini: pictures cost as text, sound does not',
    ...{ model: 'gemini-2.5-flash', platform: 'gemini' },
    usage: usageOf('gemini', {
      usageMetadata: {
        ...{ promptTokenCount: 1_000, candidatesTokenCount: 50, toolUsePromptTokenCount: 30, totalTokenCount: 1_080 },
        promptTokensDetails: [
          { modality: 'TEXT', tokenCount: 242 },
          { modality: 'IMAGE', tokenCount: 258 },
          { modality: 'AUDIO', tokenCount: 500 },
        ],
      },
    }),
    lines: [
      [530, 0.3],
      [500, 1],
      [50, 2.5],
    ],
  },
  {
    what: 'Bedrock Converse: cached tokens come on top of the input',
    ...{ model: 'anthropic.claude-sonnet-4-5-20250929-v1:0', platform: 'bedrock', region: 'eu-central-1' },
    usage: converse(
      {
        ...{ inputTokens: 1_200, outputTokens: 350, totalTokens: 11_550 },
        ...{ cacheReadInputTokens: 8_000, cacheWriteInputTokens: 2_000 },
        cacheDetails: [{ ttl: '5m', inputTokens: 2_000 }],
      },
      { type: 'default' },
    ),
    lines: [
      [1_200, 3],
      [8_000, 0.3],
      [2_000, 3.75],
      [350, 15],
    ],
  },
  {
    what: 'Bedrock Converse: the tier is beside the usage; priority costs three quarters more',
    ...{ model: 'amazon.nova-pro-v1:0', platform: 'bedrock' },
    usage: converse({ inputTokens: 1_000, outputTokens: 200, cacheReadInputTokens: 4_000 }, { type: 'priority' }),
    lines: [
      [1_000, 1.4],
      [4_000, 0.35],
      [200, 5.6],
    ],
  },
  {
    what: 'Azure: a data zone is a tenth dearer',
    ...{ model: 'gpt-4.1', platform: 'azure', region: 'eu' },
    usage: usageOf('azure-openai-chat', {
      usage: {
        prompt_tokens: 1_000,
        prompt_tokens_details: { cached_tokens: 200 },
        completion_tokens: 100,
        total_tokens: 1_100,
      },
    }),
    lines: [
      [800, 2.2],
      [200, 0.55],
      [100, 8.8],
    ],
  },
  {
    what: 'Vertex, Anthropic: the global endpoint',
    ...{
      model: 'claude-haiku-4-5@20251001',
      platform: 'vertex',
      region: 'global',
      usage: usageOf('vertex-anthropic', haikuOnVertex),
    },
    lines: [
      [1_000, 1],
      [500, 0.1],
      [200, 5],
    ],
  },
  {
    what: 'Vertex, Anthropic: a regional one is a tenth dearer',
    ...{
      model: 'claude-haiku-4-5@20251001',
      platform: 'vertex',
      region: 'europe-west1',
      usage: usageOf('vertex-anthropic', haikuOnVertex),
    },
    lines: [
      [1_000, 1.1],
      [500, 0.11],
      [200, 5.5],
    ],
  },
  {
    what: 'embeddings of OpenAI',
    model: 'text-embedding-3-large',
    usage: usageOf('openai-embeddings', { usage: { prompt_tokens: 8, total_tokens: 8 } }),
    lines: [[8, 0.13]],
  },
  {
    what: 'embeddings of OpenAI, on Azure',
    ...{ model: 'text-embedding-3-large', platform: 'azure' },
    usage: usageOf('azure-openai-embeddings', { usage: { prompt_tokens: 8, total_tokens: 8 } }),
    lines: [[8, 0.143]],
  },
];

describe('bills, worked out by hand', () => {
  for (const { what, model, platform, region, usage, lines, extra = 0 } of BILLS) {
    it(what, () => {
      const price = needed(book.priceOf(model, region, platform));
      // Rates have at most six decimals: in pico-dollars a token they are whole, and so are the products.
      const pico = lines.reduce((sum, [tokens, usdPerMillion]) => sum + tokens * Math.round(usdPerMillion * 1_000_000), 0);
      expect(pico % 1000, 'hand-made bills are of whole nano-dollars').to.equal(0);
      expect(costNanoUsd(price, usage)).to.equal(pico / 1000 + Math.round(extra * 1_000_000_000));
    });
  }
});
