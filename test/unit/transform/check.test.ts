/** Whether a target could be told is found out without writing the request: the two must not come apart. */
import { expect } from 'chai';
import type { JsonObject } from '../../../filter/json.ts';
import { conversionBetween } from '../../../filter/transform/conversion/between.ts';
import { callerSchemas, providerSchema, providerSchemaNames } from '../../../filter/transform/registry.ts';
import { needed, originalOf, targetOf } from './original.ts';

const TEXT = [{ role: 'user', content: 'Hi' }];
/** Of each caller schema that is translated: a request that says something nobody knows. */
const REQUESTS: Readonly<Record<string, JsonObject>> = {
  'openai-chat': { model: 'a', messages: TEXT, unheard_of: 1 },
  'openai-responses': { model: 'a', input: 'Hi', unheard_of: 1 },
  'anthropic-messages': { model: 'a', max_tokens: 9, messages: TEXT, unheard_of: 1 },
  'anthropic-count-tokens': { model: 'a', messages: TEXT, unheard_of: 1 },
  gemini: { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }], unheardOf: 1 },
  'openai-embeddings': { model: 'a', input: 'Hi', unheard_of: 1 },
};

describe('a check names what the request that is then written drops', () => {
  for (const caller of callerSchemas.filter(({ operation }) => operation !== 'pass_through'))
    it(`${caller.name}, whichever schema the target speaks`, () => {
      const body = needed(REQUESTS[caller.name]);
      let translated = 0;
      for (const name of providerSchemaNames) {
        const conversion = conversionBetween(caller, needed(providerSchema(name)));
        if (conversion === undefined) continue;
        const { dropped } = conversion.encode(originalOf(body), targetOf('m'), false);
        expect(conversion.check(originalOf(body), targetOf('m')), name).to.deep.equal(dropped);
        if (dropped.some((field) => /unheard/.test(field))) translated += 1;
      }
      expect(translated).to.be.greaterThan(1);
    });
});
