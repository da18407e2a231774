import { expect } from 'chai';
import type { JsonObject } from '../../../filter/json.ts';
import { anthropicMessagesCaller } from '../../../filter/transform/callers/anthropic-messages/caller.ts';
import { openAiChatCaller } from '../../../filter/transform/callers/openai-chat/caller.ts';
import { openAiResponsesCaller } from '../../../filter/transform/callers/openai-responses/caller.ts';
import { expectFault } from './anthropic-messages/bodies.ts';
import { originalOf } from './original.ts';

describe('the head of a chat request', () => {
  for (const caller of [anthropicMessagesCaller, openAiChatCaller, openAiResponsesCaller]) {
    it(`${caller.name}: no model but the alias is named`, () => {
      const head = (more: JsonObject) => () => caller.readHead(originalOf({ model: 'chat', ...more }));
      for (const field of ['fallbacks', 'models']) {
        expectFault(head({ [field]: ['a-dear-model'] }), 'body_invalid', field, 'leave it out');
        expect(head({ [field]: null })()).to.deep.equal({ alias: 'chat', stream: false });
      }
      const painter = { type: 'image_generation', model: 'a-dear-model' };
      const own = { type: 'function', name: 'f', parameters: { properties: { model: {} } } };
      expectFault(head({ tools: [own, painter] }), 'body_invalid', 'tools[1].model', 'leave it out');
      expect(head({ tools: [own, { type: 'image_generation' }, 7] })()).to.deep.equal({ alias: 'chat', stream: false });
    });
  }
});
