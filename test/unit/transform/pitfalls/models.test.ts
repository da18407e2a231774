/** Mistakes that other gateways made, by their number: what a model does not take, or nobody knows whether it does. */
import { expect } from 'chai';
import { Fault } from '../../../../filter/fault.ts';
import type { JsonObject } from '../../../../filter/json.ts';
import { readModelTable, UNKNOWN_MODEL } from '../../../../filter/transform/capabilities/capabilities.ts';
import { targetOf } from '../original.ts';
import { answer, CALLED, encode, HI, RESULT, sse, stream, TOOL } from './crossing.ts';

describe('pitfalls: what a model does not take, or is not known to', () => {
  it('pitfall 12: a system turn in the middle keeps its role where the model has it, and is told where it has not', () => {
    const messages = [HI, { role: 'system', content: 'Be brief.' }, { role: 'user', content: 'x' }];
    const able = targetOf('m', { capabilities: { ...UNKNOWN_MODEL, midConversationSystem: true } });
    const native = encode('openai-chat', 'anthropic-messages', { model: 'a', messages }, able);
    expect((native.body['messages'] as JsonObject[]).map(({ role }) => role)).to.deep.equal(['user', 'system', 'user']);
    expect(native.dropped).to.deep.equal([]);
    const told = encode('openai-chat', 'anthropic-messages', { model: 'a', messages });
    expect((told.body['messages'] as JsonObject[]).map(({ role }) => role)).to.deep.equal(['user']);
    expect(told.dropped).to.deep.equal(['messages[].role=system']);
    // Between a call and its result it waits.
    const loop = { model: 'a', tools: [TOOL], messages: [HI, CALLED, { role: 'system', content: 'S' }, RESULT] };
    const held = encode('openai-chat', 'anthropic-messages', loop, able).body['messages'] as {
      role: string;
      content: JsonObject[];
    }[];
    expect(held.map(({ role, content }) => [role, content.map(({ type }) => type)])).to.deep.equal([
      ['user', ['text']],
      ['assistant', ['tool_use']],
      ['user', ['tool_result', 'text']],
    ]);
  });

  it('pitfall 13: system text alone is refused before it is sent, with what to do', () => {
    const only = { model: 'a', messages: [{ role: 'system', content: 'S' }] };
    for (const provider of ['anthropic-messages', 'bedrock-converse', 'gemini'])
      expect(() => encode('openai-chat', provider, only))
        .to.throw(Fault, 'user')
        .with.property('param', 'messages');
  });

  it('pitfall 24: a model that cannot be made to call a tool refuses the demand', () => {
    const free = targetOf('m', { capabilities: { ...UNKNOWN_MODEL, forcedToolChoice: false } });
    for (const provider of ['anthropic-messages', 'bedrock-converse', 'gemini', 'openai-responses']) {
      const asked = { model: 'a', messages: [HI], tools: [TOOL], tool_choice: 'required' };
      expect(() => encode('openai-chat', provider, asked, free))
        .to.throw(Fault)
        .with.property('param', 'tool_choice');
      expect(encode('openai-chat', provider, { ...asked, tool_choice: 'auto' }, free).dropped).to.deep.equal([]);
    }
  });

  it('pitfall 25: a schema goes native where the model has it; where a tool stands in, nobody sees the tool', () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    const response_format = { type: 'json_schema', json_schema: { name: 'n', schema } };
    const asked = { model: 'a', messages: [HI], response_format };
    expect(encode('openai-chat', 'anthropic-messages', asked).body['output_config']).to.deep.equal({
      format: { type: 'json_schema', schema },
    });
    expect(encode('openai-chat', 'gemini', asked).body['generationConfig']).to.deep.include({
      responseMimeType: 'application/json',
      responseJsonSchema: schema,
    });
    expect(encode('openai-chat', 'bedrock-converse', asked).body['outputConfig']).to.have.nested.property(
      'textFormat.type',
      'json_schema',
    );

    const emulated = targetOf('old', { capabilities: { ...UNKNOWN_MODEL, structuredOutput: 'tool' } });
    const { body } = encode('openai-chat', 'anthropic-messages', asked, emulated);
    expect(body).to.not.have.property('output_config');
    const [tool] = body['tools'] as JsonObject[];
    expect(body['tool_choice']).to.deep.equal({ type: 'tool', name: tool?.['name'] });
    const content = [{ type: 'tool_use', id: 't', name: tool?.['name'], input: { a: 'x' } }];
    const told = answer('openai-chat', 'anthropic-messages', { id: 'm', model: 'm', content, stop_reason: 'tool_use' });
    expect(told['choices']).to.have.nested.property('[0].message.content', '{"a":"x"}');
    expect(told['choices']).to.have.nested.property('[0].finish_reason', 'stop');
    expect(told['choices']).to.not.have.nested.property('[0].message.tool_calls');
    const streamed = stream(
      'openai-chat',
      'anthropic-messages',
      sse(
        { type: 'message_start', message: { id: 'm', model: 'm' } },
        {
          type: 'content_block_start',
          index: 0,
          content_block: { type: 'tool_use', id: 't', name: tool?.['name'], input: {} },
        },
        { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{"a":"x"}' } },
        { type: 'content_block_stop', index: 0 },
        { type: 'message_delta', delta: { stop_reason: 'tool_use' } },
        { type: 'message_stop' },
      ),
    );
    expect(streamed.text)
      .to.contain('"content":"{\\"a\\":\\"x\\"}"')
      .and.contain('"finish_reason":"stop"')
      .and.not.contain('tool_calls');
    const refused = targetOf('new', {
      capabilities: { ...UNKNOWN_MODEL, structuredOutput: 'tool', forcedToolChoice: false },
    });
    expect(() => encode('openai-chat', 'anthropic-messages', asked, refused))
      .to.throw(Fault)
      .with.property('param', 'response_format');
  });

  it('pitfall 26: a model that takes no sampling gets none: the default goes unsaid, the rest is refused, or dropped by policy', () => {
    const refusing = targetOf('m', { capabilities: { ...UNKNOWN_MODEL, sampling: 'refused' } });
    const dropping = targetOf('m', { capabilities: { ...UNKNOWN_MODEL, sampling: 'dropped' } });
    for (const provider of ['anthropic-messages', 'openai-responses', 'bedrock-converse', 'gemini']) {
      const asked = { model: 'a', messages: [HI] };
      expect(
        JSON.stringify(encode('openai-chat', provider, { ...asked, temperature: 1, top_p: 1 }, refusing).body),
      ).to.not.match(/temperature|top_?p/i);
      expect(() => encode('openai-chat', provider, { ...asked, temperature: 0.2 }, refusing))
        .to.throw(Fault)
        .with.property('param', 'temperature');
      const { body, dropped } = encode('openai-chat', provider, { ...asked, temperature: 0.2 }, dropping);
      expect(JSON.stringify(body)).to.not.contain('temperature');
      expect(dropped).to.deep.equal(['temperature']);
    }
  });

  it('pitfall 28: where a cap is demanded and none was given, it is the most that the model can', () => {
    const target = targetOf('m', { maxOutputTokens: 128_000 });
    expect(encode('openai-chat', 'anthropic-messages', { model: 'a', messages: [HI] }, target).body['max_tokens']).to.equal(
      128_000,
    );
    expect(encode('openai-chat', 'bedrock-converse', { model: 'a', messages: [HI] }, target).body).to.not.have.property(
      'inferenceConfig',
    );
    expect(readModelTable().models['claude-haiku-5-5']?.maxOutputTokens).to.equal(128_000);
  });

  it('pitfall 29: a budget leaves room in the cap, and a model that takes efforts gets an effort', () => {
    const asked = { model: 'a', max_tokens: 2000, messages: [HI], thinking: { type: 'enabled', budget_tokens: 5000 } };
    const { body, dropped } = encode('anthropic-messages', 'bedrock-converse', asked);
    expect(body['additionalModelRequestFields']).to.deep.equal({ thinking: { type: 'enabled', budget_tokens: 1999 } });
    expect(dropped).to.include('thinking.budget_tokens');
    const adaptive = targetOf('m', {
      capabilities: { ...UNKNOWN_MODEL, reasoning: 'effort', efforts: ['low', 'medium', 'high'] },
    });
    const effort = encode('anthropic-messages', 'bedrock-converse', asked, adaptive);
    expect(effort.body['outputConfig']).to.deep.equal({ effort: 'medium' });
    expect(effort.dropped).to.include('reasoning.budget');
  });

  it('pitfall 41: choices keep their index; a target that gives one refuses more', () => {
    const candidates = [0, 1].map((index) => ({
      index,
      content: { role: 'model', parts: [{ text: `t${index}` }] },
      finishReason: 'STOP',
    }));
    const { events } = stream('openai-chat', 'gemini', sse({ candidates }));
    const texts = events
      .flatMap(({ choices }) => (choices as { index: number; delta: JsonObject }[]).filter(({ delta }) => delta['content']))
      .map(({ index, delta }) => [index, delta['content']]);
    expect(texts).to.deep.equal([
      [0, 't0'],
      [1, 't1'],
    ]);
    for (const provider of [
      'anthropic-messages',
      'openai-responses',
      'bedrock-converse',
      'bedrock-anthropic',
      'vertex-anthropic',
    ])
      expect(() => encode('openai-chat', provider, { model: 'a', messages: [HI], n: 2 }))
        .to.throw(Fault)
        .with.property('param', 'n');
  });

  it('pitfall 45: what is known of a model is known by its exact id; one that looks alike is unknown', () => {
    const { models, about } = readModelTable();
    expect(about).to.include({ licence: 'MIT, Copyright (c) 2023 Berri AI' });
    expect(models['claude-sonnet-5-5']).to.not.equal(undefined);
    for (const alike of ['claude-sonnet-5-55', 'claude-sonnet', 'Claude-Sonnet-5-5', 'claude-sonnet-5-5-latest'])
      expect(models[alike]).to.equal(undefined);
  });
});
