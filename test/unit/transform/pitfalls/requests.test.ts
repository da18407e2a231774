/** Mistakes that other gateways made, by their number: how a request is said in the target's schema. */
import { expect } from 'chai';
import type { JsonObject } from '../../../../filter/json.ts';
import { originalOf, targetOf } from '../original.ts';
import { answer, CALLED, conversion, encode, HI, RESULT, TARGET, TOOL } from './crossing.ts';

describe('pitfalls: how a request is said in the target’s schema', () => {
  it('pitfall 17: cache marks reach Bedrock as elements of their own behind what they mark; a fifth is named', () => {
    const cache_control = { type: 'ephemeral', ttl: '1h' };
    const { body, dropped } = encode('anthropic-messages', 'bedrock-converse', {
      ...{ model: 'a', max_tokens: 9 },
      tools: [{ name: 'f', input_schema: { type: 'object' }, cache_control }],
      system: [{ type: 'text', text: 's', cache_control }],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a', cache_control: { type: 'ephemeral' } },
            { type: 'text', text: 'b', cache_control },
          ],
        },
        { role: 'assistant', content: 'x' },
        { role: 'user', content: [{ type: 'text', text: 'c', cache_control }] },
      ],
    });
    const point = { cachePoint: { type: 'default', ttl: '1h' } };
    expect((body['toolConfig'] as JsonObject)['tools'])
      .to.have.nested.property('[1]')
      .deep.equal(point);
    expect(body['system']).to.deep.equal([{ text: 's' }, point]);
    expect((body['messages'] as JsonObject[])[0]?.['content']).to.deep.equal([
      { text: 'a' },
      { cachePoint: { type: 'default' } },
      { text: 'b' },
      point,
    ]);
    expect((body['messages'] as JsonObject[])[2]?.['content']).to.deep.equal([{ text: 'c' }]);
    expect(dropped).to.deep.equal(['cache_control']);
  });

  it('pitfall 21: of parallel calls only the first is signed, and the signature goes back exactly there', () => {
    const parts = [
      { functionCall: { id: 'c1', name: 'f', args: {} }, thoughtSignature: 'sig' },
      { functionCall: { id: 'c2', name: 'f', args: {} } },
    ];
    const told = answer('openai-chat', 'gemini', {
      candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }],
    });
    const { message } = (told['choices'] as { message: JsonObject }[])[0] ?? { message: {} };
    const calls = message['tool_calls'] as JsonObject[];
    expect(calls.map((call) => call['extra_content'] !== undefined)).to.deep.equal([true, false]);
    const results = calls.map((call) => ({ role: 'tool', tool_call_id: call['id'], content: 'r' }));
    const { body } = encode(
      'openai-chat',
      'gemini',
      { model: 'a', tools: [TOOL], messages: [HI, message, ...results] } as JsonObject,
      targetOf('gemini-3.8-flash'),
    );
    const back = (body['contents'] as { parts: JsonObject[] }[])[1]?.parts ?? [];
    expect(back.map((part) => part['thoughtSignature'])).to.deep.equal(['sig', undefined]);
  });

  it('pitfall 31: JSON Schema goes to Gemini whole, in the fields that take it', () => {
    const parameters = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      ...{
        type: 'object',
        additionalProperties: false,
        $defs: { p: { const: 1 } },
        properties: { a: { $ref: '#/$defs/p' } },
      },
    };
    const { body } = encode('openai-chat', 'gemini', {
      model: 'a',
      messages: [HI],
      tools: [{ type: 'function', function: { name: 'f', parameters } }],
    });
    const declared = (body['tools'] as { functionDeclarations: JsonObject[] }[])[0]?.functionDeclarations[0];
    expect(declared).to.not.have.property('parameters');
    expect(declared?.['parametersJsonSchema']).to.deep.include({ additionalProperties: false });
  });

  it('pitfall 37: beta flags go in the place and to the extent that each target takes', () => {
    const headers = { 'anthropic-beta': 'interleaved-thinking-2025-05-14, files-api-2025-04-14' };
    const asked = { model: 'a', max_tokens: 9, messages: [HI], stream: true };
    const bedrock = encode('anthropic-messages', 'bedrock-anthropic', asked, TARGET, headers).body;
    expect(bedrock['anthropic_beta']).to.deep.equal(['interleaved-thinking-2025-05-14']);
    const tiered = { ...asked, service_tier: 'auto' };
    expect(encode('anthropic-messages', 'bedrock-anthropic', tiered, TARGET, headers).dropped).to.deep.equal([
      'anthropic-beta',
      'service_tier',
    ]);
    expect(encode('anthropic-messages', 'vertex-anthropic', tiered, TARGET, headers).dropped).to.deep.equal([
      'service_tier',
    ]);
    expect(bedrock).to.include({ anthropic_version: 'bedrock-2023-05-31' }).and.not.have.any.keys('model', 'stream');
    const passed = (provider: string): unknown =>
      Object.fromEntries(
        conversion('anthropic-messages', provider).encode(originalOf(asked, { headers }), TARGET, true).headers,
      )['anthropic-beta'];
    expect(passed('bedrock-anthropic')).to.equal(undefined);
    expect(passed('vertex-anthropic')).to.equal(headers['anthropic-beta']);
    expect(passed('anthropic-messages')).to.equal(headers['anthropic-beta']);
  });

  it('pitfall 38: a history with tools but no tools offered gets them back from the history, and says so', () => {
    const { body, dropped } = encode('openai-chat', 'bedrock-converse', { model: 'a', messages: [HI, CALLED, RESULT] });
    expect(body['toolConfig']).to.deep.equal({
      tools: [{ toolSpec: { name: 'f', inputSchema: { json: { type: 'object', properties: {} } } } }],
    });
    expect(dropped).to.deep.equal(['tools=absent']);
  });

  it('pitfall 43: a tool’s result reaches Bedrock as a list of objects with one key each', () => {
    const messages = [HI, { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: {} }] }];
    const content = [
      { type: 'text', text: 'seen' },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } },
    ];
    const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', is_error: true, content }] };
    const { body } = encode('anthropic-messages', 'bedrock-converse', {
      ...{ model: 'a', max_tokens: 9, tools: [{ name: 'f', input_schema: { type: 'object' } }] },
      messages: [...messages, result],
    });
    expect((body['messages'] as JsonObject[])[2]?.['content']).to.deep.equal([
      {
        toolResult: {
          ...{ toolUseId: 't', status: 'error' },
          content: [{ text: 'seen' }, { image: { format: 'png', source: { bytes: 'aGk=' } } }],
        },
      },
    ]);
  });

  it('pitfall 44: bytes stay base64 on their way to Bedrock, and text documents become it', () => {
    const { body } = encode('openai-chat', 'bedrock-converse', {
      model: 'a',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'data:image/jpeg;base64,/9j/4AAQ' } },
            { type: 'file', file: { filename: '../../a b?.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
          ],
        },
      ],
    });
    expect((body['messages'] as JsonObject[])[0]?.['content']).to.deep.equal([
      { image: { format: 'jpeg', source: { bytes: '/9j/4AAQ' } } },
      { document: { format: 'pdf', name: '------a b--pdf 1', source: { bytes: 'JVBERi0=' } } },
      // A document needs a text beside it.
      { text: 'See the attached document.' },
    ]);
    const text = encode('anthropic-messages', 'bedrock-converse', {
      ...{ model: 'a', max_tokens: 9 },
      messages: [
        { role: 'user', content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'Grüße' } }] },
      ],
    });
    expect((text.body['messages'] as JsonObject[])[0]?.['content']).to.have.nested.property(
      '[0].document.source.bytes',
      Buffer.from('Grüße').toString('base64'),
    );
  });
});
