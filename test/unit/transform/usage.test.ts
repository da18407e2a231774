/** Usage, exact in every pair (providers.md 1.10): counts that overlap in one schema and do not in another come out as the same sums. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { JsonObject } from '../../../filter/json.ts';
import { conversionBetween } from '../../../filter/transform/conversion/between.ts';
import { count as countOf } from '../../../filter/transform/facts.ts';
import { callerSchemas, providerSchema } from '../../../filter/transform/registry.ts';
import { totalInput, totalOutput } from '../../../filter/transform/unified.ts';
import { PROVIDERS } from './fixtures/all.ts';
import { needed, originalOf } from './original.ts';

interface Counts {
  readonly plain: number;
  readonly read: number;
  readonly write5m: number;
  readonly write1h: number;
  readonly visible: number;
  readonly reasoning: number;
}

const count = fc.integer({ min: 0, max: 1_000_000 });
const counts = fc.record({ plain: count, read: count, write5m: count, write1h: count, visible: count, reasoning: count });

/** The provider's usage object for these counts, and how much of them it can say. */
const SAID: Readonly<Record<string, (c: Counts) => JsonObject>> = {
  'openai-chat': (c) => ({
    usage: {
      prompt_tokens: c.plain + c.read + c.write5m + c.write1h,
      completion_tokens: c.visible + c.reasoning,
      prompt_tokens_details: { cached_tokens: c.read, cache_write_tokens: c.write5m + c.write1h },
      completion_tokens_details: { reasoning_tokens: c.reasoning },
    },
  }),
  'openai-responses': (c) => ({
    usage: {
      input_tokens: c.plain + c.read + c.write5m + c.write1h,
      output_tokens: c.visible + c.reasoning,
      input_tokens_details: { cached_tokens: c.read, cache_write_tokens: c.write5m + c.write1h },
      output_tokens_details: { reasoning_tokens: c.reasoning },
    },
  }),
  'anthropic-messages': (c) => ({
    usage: {
      ...{ input_tokens: c.plain, cache_read_input_tokens: c.read, output_tokens: c.visible + c.reasoning },
      cache_creation_input_tokens: c.write5m + c.write1h,
      cache_creation: { ephemeral_5m_input_tokens: c.write5m, ephemeral_1h_input_tokens: c.write1h },
      output_tokens_details: { thinking_tokens: c.reasoning },
    },
  }),
  'bedrock-converse': (c) => ({
    usage: {
      ...{ inputTokens: c.plain, outputTokens: c.visible + c.reasoning, cacheReadInputTokens: c.read },
      cacheWriteInputTokens: c.write5m + c.write1h,
      cacheDetails: [
        { ttl: '5m', inputTokens: c.write5m },
        { ttl: '1h', inputTokens: c.write1h },
      ],
    },
  }),
  gemini: (c) => ({
    // It tells no cache writes: they are part of the prompt.
    usageMetadata: {
      ...{ promptTokenCount: c.plain + c.read + c.write5m + c.write1h, cachedContentTokenCount: c.read },
      ...{ candidatesTokenCount: c.visible, thoughtsTokenCount: c.reasoning },
    },
  }),
};

const SAID_AS: Readonly<Record<string, string>> = {
  'azure-openai-chat': 'openai-chat',
  'bedrock-anthropic': 'anthropic-messages',
  'vertex-anthropic': 'anthropic-messages',
};

/** What a caller's schema tells: all input, what the cache gave of it, all output, what of it was reasoning. */
const TOLD: Readonly<Record<string, (body: JsonObject) => (number | undefined)[]>> = {
  'openai-chat'({ usage }) {
    const u = usage as {
      prompt_tokens: number;
      completion_tokens: number;
      total_tokens?: number;
      prompt_tokens_details: { cached_tokens: number };
      completion_tokens_details: { reasoning_tokens: number };
    };
    if (u.total_tokens !== undefined) expect(u.total_tokens).to.equal(u.prompt_tokens + u.completion_tokens);
    return [
      u.prompt_tokens,
      u.prompt_tokens_details.cached_tokens,
      u.completion_tokens,
      u.completion_tokens_details.reasoning_tokens,
    ];
  },
  'openai-responses'({ usage }) {
    const u = usage as {
      input_tokens: number;
      output_tokens: number;
      total_tokens?: number;
      input_tokens_details: { cached_tokens: number };
      output_tokens_details: { reasoning_tokens: number };
    };
    if (u.total_tokens !== undefined) expect(u.total_tokens).to.equal(u.input_tokens + u.output_tokens);
    return [u.input_tokens, u.input_tokens_details.cached_tokens, u.output_tokens, u.output_tokens_details.reasoning_tokens];
  },
  'anthropic-messages'({ usage }) {
    const u = usage as {
      input_tokens: number;
      cache_creation_input_tokens: number;
      cache_read_input_tokens: number;
      output_tokens: number;
      output_tokens_details?: { thinking_tokens: number };
    };
    const input = u.input_tokens + u.cache_creation_input_tokens + u.cache_read_input_tokens;
    return [input, u.cache_read_input_tokens, u.output_tokens, u.output_tokens_details?.thinking_tokens];
  },
  gemini({ usageMetadata }) {
    const u = usageMetadata as {
      promptTokenCount: number;
      cachedContentTokenCount?: number;
      candidatesTokenCount?: number;
      thoughtsTokenCount?: number;
    };
    const thoughts = u.thoughtsTokenCount ?? 0;
    return [u.promptTokenCount, u.cachedContentTokenCount ?? 0, (u.candidatesTokenCount ?? 0) + thoughts, thoughts];
  },
};

describe('counts that providers report', () => {
  it('what cannot be counted with is no count: an endless one would use up a quota for ever', () => {
    const said = JSON.parse('{"endless": 1e999, "huge": 1e300, "less": -1, "text": "7", "good": 7}') as JsonObject;
    expect(['endless', 'huge', 'less', 'text', 'none', 'good'].map((field) => countOf(said, field))).to.deep.equal([
      ...[0, 0, 0, 0, 0, 7],
    ]);
  });
});

describe('usage in every pair', () => {
  for (const caller of callerSchemas) {
    if (caller.operation !== 'chat') continue;
    for (const fixture of PROVIDERS) {
      it(`${caller.name} from ${fixture.name}`, () => {
        const schema = SAID_AS[fixture.name] ?? fixture.name;
        const say = needed(SAID[schema]);
        const read = needed(TOLD[caller.name]);
        const conversion = needed(conversionBetween(caller, needed(providerSchema(fixture.name))));
        const { usage: _usage, usageMetadata: _metadata, ...answer } = fixture.answers.settings;
        fc.assert(
          fc.property(counts, (c) => {
            const body = Buffer.from(JSON.stringify({ ...answer, ...say(c) }));
            const { body: told, facts } = conversion.answer(body, originalOf({}), { id: 'a', model: 'm' }, () => undefined);
            const usage = needed(facts.usage);
            const input = c.plain + c.read + c.write5m + c.write1h;
            const output = c.visible + c.reasoning;
            expect([totalInput(usage), usage.cacheRead, totalOutput(usage)], 'audit').to.deep.equal([input, c.read, output]);
            // Converse does not tell reasoning from the rest.
            const reasoning = schema === 'bedrock-converse' ? 0 : c.reasoning;
            expect(usage.outputReasoning).to.equal(reasoning);
            expect(read(JSON.parse(told.toString())), 'caller').to.deep.equal([input, c.read, output, reasoning]);
          }),
          { numRuns: 60 },
        );
      });
    }
  }
});

describe('usage that is none', () => {
  const used = (usage: string): readonly unknown[] => {
    const body = Buffer.from(
      `{"usage":${usage},"choices":[{"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]}`,
    );
    const conversion = needed(
      conversionBetween(
        needed(callerSchemas.find(({ name }) => name === 'openai-chat')),
        needed(providerSchema('openai-chat')),
      ),
    );
    const { facts } = conversion.answer(body, originalOf({}), { id: 'a', model: 'm' }, () => undefined);
    const counted = needed(facts.usage);
    return [totalInput(counted), totalOutput(counted)];
  };

  it('is not counted: what no answer takes would spoil every quota and limit that it goes into', () => {
    expect(used('{"prompt_tokens":1e20,"completion_tokens":1e999}')).to.deep.equal([0, 0]);
    expect(used('{"prompt_tokens":0.5,"completion_tokens":-5}')).to.deep.equal([0, 0]);
    expect(used('{"prompt_tokens":"7","completion_tokens":3}')).to.deep.equal([0, 3]);
  });
});
