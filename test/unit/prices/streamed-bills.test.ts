/** The same money for an answer in pieces: as its bytes pass, and as it is translated. */
import { expect } from 'chai';
import type { JsonObject } from '../../../filter/json.ts';
import { costNanoUsd } from '../../../filter/prices/cost.ts';
import { loadPriceBook } from '../../../filter/prices/price-book.ts';
import type { StreamEvent } from '../../../filter/transform/codecs/framing.ts';
import { providerSchema } from '../../../filter/transform/registry.ts';
import type { Usage } from '../../../filter/transform/unified.ts';
import { needed, originalOf } from '../transform/original.ts';

const book = loadPriceBook();

interface Streamed {
  readonly what: string;
  readonly schema: string;
  readonly model: string;
  readonly events: readonly (JsonObject | string)[];
  readonly nanoUsd: number;
}

const eventOf = (event: JsonObject | string): StreamEvent => ({
  event: '',
  data: typeof event === 'string' ? event : JSON.stringify(event),
  raw: Buffer.from('x'),
});

/** What passes, and what is translated, say the same. */
function usagesOf({ schema, events }: Pick<Streamed, 'schema' | 'events'>): readonly (Usage | undefined)[] {
  const { chat } = needed(providerSchema(schema));
  const tap = needed(chat?.native).openTap(originalOf({ stream_options: { include_usage: true } }));
  let translated: Usage | undefined;
  const stream = needed(chat).openStream((event) => {
    if (event.type === 'usage') translated = event.usage;
  });
  for (const event of events.map(eventOf)) {
    tap.see(event);
    stream.push(event);
  }
  return [tap.facts.usage, translated];
}

const chunk = (changes: JsonObject): JsonObject => ({ object: 'chat.completion.chunk', id: 'c', model: 'm', ...changes });
const delta = (content: JsonObject): JsonObject => chunk({ choices: [{ index: 0, delta: content }] });

const STREAMS: readonly Streamed[] = [
  {
    what: 'Anthropic: counts are cumulative, null tells nothing, and searches come at the end',
    ...{ schema: 'anthropic-messages', model: 'claude-sonnet-4-5' },
    events: [
      {
        type: 'message_start',
        message: {
          ...{ id: 'msg', model: 'claude-sonnet-4-5', role: 'assistant', content: [] },
          usage: {
            ...{
              input_tokens: 2_000,
              cache_read_input_tokens: 10_000,
              cache_creation_input_tokens: 1_000,
              output_tokens: 1,
            },
            cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 1_000 },
            ...{ service_tier: 'standard', inference_geo: 'global' },
          },
        },
      },
      {
        ...{ type: 'message_delta', delta: { stop_reason: 'end_turn' } },
        usage: {
          ...{ input_tokens: 9_000, cache_read_input_tokens: null, output_tokens: 500 },
          ...{ output_tokens_details: { thinking_tokens: 300 }, server_tool_use: { web_search_requests: 2 } },
        },
      },
      { type: 'message_stop' },
    ],
    // 9,000 x 3 + 10,000 x 0.30 + 1,000 x 6 + 500 x 15, and two searches.
    nanoUsd: 27_000_000 + 3_000_000 + 6_000_000 + 7_500_000 + 20_000_000,
  },
  {
    what: 'OpenAI: the usage comes behind the end, with the tier',
    ...{ schema: 'openai-chat', model: 'gpt-5' },
    events: [
      delta({ content: 'hi' }),
      chunk({
        ...{ choices: [], service_tier: 'priority' },
        usage: {
          ...{ prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 },
          ...{ prompt_tokens_details: { cached_tokens: 600 }, completion_tokens_details: { reasoning_tokens: 64 } },
        },
      }),
      '[DONE]',
    ],
    // 400 x 2.50 + 600 x 0.25 + 100 x 20
    nanoUsd: 1_000_000 + 150_000 + 2_000_000,
  },
  {
    what: 'OpenAI: a tier that an earlier chunk tells holds for a usage without one',
    ...{ schema: 'openai-chat', model: 'gpt-5' },
    events: [
      { ...delta({ content: 'hi' }), service_tier: 'priority' },
      chunk({
        choices: [],
        service_tier: null,
        usage: { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 },
      }),
      '[DONE]',
    ],
    nanoUsd: 2_500_000 + 2_000_000,
  },
  {
    what: 'OpenAI Responses: an answer that was cut short by its cap has its usage, tier and searches too',
    ...{ schema: 'openai-responses', model: 'gpt-5' },
    events: [
      { type: 'response.created', response: { id: 'r', model: 'gpt-5', status: 'in_progress', usage: null } },
      {
        type: 'response.incomplete',
        response: {
          ...{ id: 'r', model: 'gpt-5', status: 'incomplete', output: [], service_tier: 'flex' },
          incomplete_details: { reason: 'max_output_tokens' },
          usage: {
            ...{ input_tokens: 1_000, input_tokens_details: { cached_tokens: 200 } },
            ...{ output_tokens: 300, output_tokens_details: { reasoning_tokens: 300 }, total_tokens: 1_300 },
          },
          tool_usage: { web_search: { num_requests: 1 } },
        },
      },
    ],
    // 800 x 0.625 + 200 x 0.0625 + 300 x 5, and a search: it has no tiers.
    nanoUsd: 500_000 + 12_500 + 1_500_000 + 10_000_000,
  },
  {
    what: 'Gemini: each chunk tells it anew, the last one holds',
    ...{ schema: 'gemini', model: 'gemini-2.5-flash' },
    events: [
      {
        candidates: [{ index: 0, content: { role: 'model', parts: [{ text: 'h' }] } }],
        usageMetadata: { promptTokenCount: 1_000, cachedContentTokenCount: 400, totalTokenCount: 1_000 },
      },
      {
        candidates: [{ index: 0, content: { role: 'model', parts: [{ text: 'i' }] }, finishReason: 'STOP' }],
        usageMetadata: {
          ...{ promptTokenCount: 1_000, cachedContentTokenCount: 400, candidatesTokenCount: 10, thoughtsTokenCount: 90 },
          ...{ toolUsePromptTokenCount: 50, totalTokenCount: 1_150, trafficType: 'ON_DEMAND' },
        },
      },
    ],
    // 650 x 0.30 + 400 x 0.03 + 100 x 2.50
    nanoUsd: 195_000 + 12_000 + 250_000,
  },
];

describe('streamed bills, worked out by hand', () => {
  for (const { what, schema, model, events, nanoUsd } of STREAMS) {
    it(what, () => {
      const price = needed(book.priceOf(model));
      const costs = usagesOf({ schema, events }).map((usage) => costNanoUsd(price, needed(usage)));
      expect(costs).to.deep.equal([nanoUsd, nanoUsd]);
    });
  }

  it('Bedrock Converse, which is always translated: the metadata comes behind the stop', () => {
    let usage: Usage | undefined;
    const stream = needed(providerSchema('bedrock-converse')?.chat).openStream((event) => {
      if (event.type === 'usage') usage = event.usage;
    });
    const push = (event: string, data: JsonObject): void => {
      stream.push({ event, data: JSON.stringify(data), raw: Buffer.alloc(0) });
    };
    push('messageStart', { role: 'assistant' });
    push('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'hi' } });
    push('messageStop', { stopReason: 'end_turn' });
    push('metadata', {
      usage: {
        ...{ inputTokens: 1_000, outputTokens: 200, totalTokens: 9_200, cacheReadInputTokens: 4_000 },
        ...{
          cacheWriteInputTokens: 4_000,
          cacheDetails: [
            { ttl: '1h', inputTokens: 3_000 },
            { ttl: '5m', inputTokens: 500 },
          ],
        },
      },
      serviceTier: { type: 'default' },
    });
    const price = needed(book.priceOf('anthropic.claude-sonnet-4-5-20250929-v1:0', 'us-east-1', 'bedrock'));
    // 1,000 x 3 + 4,000 x 0.30 + 3,000 x 6 + 1,000 x 3.75 (500 of them kept nobody knows how long) + 200 x 15
    expect(costNanoUsd(price, needed(usage))).to.equal(3_000_000 + 1_200_000 + 18_000_000 + 3_750_000 + 3_000_000);
  });

  it('of a stream that breaks off, all that was written counts, not its visible part alone', () => {
    const written: readonly (readonly [string, readonly JsonObject[]])[] = [
      [
        'openai-chat',
        [
          ...[{ reasoning_content: 'a thought' }, { reasoning: 'a thought' }, { refusal: 'no, sorry' }].map(delta),
          ...[{ content: 'an answer' }, { tool_calls: [{ index: 0, function: { arguments: '{"a":"b"}' } }] }].map(delta),
        ],
      ],
      [
        'anthropic-messages',
        ['thinking', 'text', 'partial_json'].map((field) => ({
          type: 'content_block_delta',
          delta: { [field]: '123456789' },
        })),
      ],
      [
        'openai-responses',
        ['reasoning_summary_text', 'reasoning_text', 'refusal', 'output_text', 'function_call_arguments'].map((part) => ({
          ...{ type: `response.${part}.delta`, delta: '123456789' },
        })),
      ],
    ];
    for (const [schema, events] of written) {
      const tap = needed(providerSchema(schema)?.chat?.native).openTap(originalOf({}));
      for (const event of events) tap.see(eventOf(event));
      expect(tap.outputCharacters, schema).to.equal(9 * events.length);
    }
  });
});
