import { expect } from 'chai';
import fc from 'fast-check';
import type { JsonObject } from '../../../filter/json.ts';
import { conversionBetween } from '../../../filter/transform/conversion/between.ts';
import { callerSchemas, providerSchema, providerSchemaNames } from '../../../filter/transform/registry.ts';
import { needed, originalOf, targetOf } from './original.ts';

describe('plain requests', () => {
  const word = fc.constantFrom('user', 'assistant', 'system', 'tool', '');
  const content = fc.oneof(fc.constantFrom('Hi', ' ', ''), fc.constant([{ type: 'text', text: 'x' }]), fc.constant(null));
  const message = fc.oneof(fc.record({ role: word, content }), fc.record({ role: word, content, name: fc.constant('n') }));
  const likely = fc.constantFrom<JsonObject[]>(
    [{ role: 'user', content: 'a' }],
    [
      { role: 'system', content: 's' },
      { role: 'user', content: 'a' },
    ],
    [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
      { role: 'user', content: 'c' },
    ],
  );
  const tame = fc.record({ stream: fc.boolean(), max_tokens: fc.integer({ min: 1, max: 100 }) }, { requiredKeys: [] });
  const settings = fc.record(
    {
      stream: fc.boolean(),
      max_tokens: fc.integer({ min: 1, max: 100 }),
      temperature: fc.constant(2),
      system: fc.constantFrom<string | JsonObject[]>('S', []),
      n: fc.constant(2),
    },
    { requiredKeys: [] },
  );

  for (const name of ['openai-chat', 'anthropic-messages'] as const) {
    const caller = needed(callerSchemas.find((schema) => schema.name === name));
    if (caller.operation !== 'chat') continue;

    it(`property: of ${name}, what is called plain can be told to every target, with nothing dropped`, () => {
      let plain = 0;
      fc.assert(
        fc.property(fc.oneof(likely, fc.array(message, { maxLength: 4 })), fc.oneof(tame, settings), (messages, rest) => {
          const body = {
            model: 'a',
            ...(name === 'openai-chat' ? {} : { max_tokens: 9 }),
            messages,
            ...rest,
          } as unknown as JsonObject;
          const original = originalOf(body);
          if (!needed(caller.isPlain)(original)) return;
          plain += 1;
          for (const provider of providerSchemaNames.map((one) => needed(providerSchema(one)))) {
            if (provider.chat === undefined) continue;
            const { dropped } = needed(conversionBetween(caller, provider)).encode(original, targetOf('m'), false);
            expect(dropped, provider.name).to.deep.equal([]);
          }
        }),
        { numRuns: 2000 },
      );
      expect(plain).to.be.greaterThan(100);
    });
  }
});
