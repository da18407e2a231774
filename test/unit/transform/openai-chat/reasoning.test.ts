/** Reasoning through a schema that has no field for it: shown, kept, sent back to those who made it and to nobody else. */
import { expect } from 'chai';
import type { JsonObject } from '../../../../filter/json.ts';
import { openAiChatCaller } from '../../../../filter/transform/callers/openai-chat/caller.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import { anthropicMessagesProvider } from '../../../../filter/transform/providers/anthropic-messages/provider.ts';
import { openAiChatProvider } from '../../../../filter/transform/providers/openai-chat/provider.ts';
import type { AssistantPart, UnifiedEvent } from '../../../../filter/transform/unified.ts';
import { needed, originalOf, targetOf } from '../original.ts';

const PARTS: AssistantPart[] = [
  { type: 'reasoning', text: 'Hm.', signature: seal('anthropic', 'sig1') },
  { type: 'reasoning', text: '', redacted: seal('anthropic', 'sealed') },
  { type: 'text', text: 'I look.' },
  { type: 'reasoning', text: '', signature: seal('gemini', 'thought') },
  { type: 'tool_call', id: 'c1', name: 'f', arguments: '{}' },
];

function answerOf(parts: AssistantPart[]): JsonObject {
  const choices = [{ index: 0, parts, finish: 'tool_calls' as const }];
  return JSON.parse(openAiChatCaller.encodeAnswer({ id: '1', model: 'm', choices }, originalOf({}))).choices[0].message;
}

function conversation(message: JsonObject): JsonObject {
  const result = { role: 'tool', tool_call_id: 'c1', content: 'r' };
  return { model: 'a', messages: [{ role: 'user', content: 'x' }, message, result] };
}

describe('OpenAI Chat: reasoning that only its maker can read', () => {
  it('pitfall 22: the caller gets thinking blocks whole and in order, and sends them back as they were', () => {
    const message = answerOf(PARTS);
    expect(message['thinking_blocks']).to.deep.equal([
      { type: 'thinking', thinking: 'Hm.', signature: 'sig1' },
      { type: 'redacted_thinking', data: 'sealed' },
    ]);
    expect(message['reasoning_content']).to.equal('Hm.');
    const [, back] = openAiChatCaller.parseRequest(originalOf(conversation(message))).messages;
    const sealed = back?.parts.filter((part) => part.type === 'reasoning');
    expect(sealed).to.deep.equal([PARTS[0], PARTS[1], PARTS[3]]);
  });

  it('pitfall 20: a thought signature stands on its call', () => {
    const message = answerOf(PARTS);
    expect(message['tool_calls']).to.have.nested.property('[0].extra_content.google.thought_signature', 'thought');
    const [, back] = openAiChatCaller.parseRequest(originalOf(conversation(message))).messages;
    expect(back?.parts.slice(-2)).to.deep.equal(PARTS.slice(-2));
  });

  it('pitfall 23: a model of another family gets none of it', () => {
    const unified = openAiChatCaller.parseRequest(originalOf(conversation(answerOf(PARTS))));
    const { body, dropped } = needed(anthropicMessagesProvider.chat).encodeRequest(unified, targetOf('claude'));
    const text = JSON.stringify(body);
    expect(JSON.parse(text).messages[1].content.map(({ type }: JsonObject) => type)).to.deep.equal([
      ...['thinking', 'redacted_thinking', 'text', 'tool_use'],
    ]);
    expect(text).to.not.contain('thought');
    expect(dropped).to.deep.equal(['messages[].reasoning']);
  });

  it('pitfall 23: OpenAI gets its own schema alone when the history is from elsewhere', () => {
    const { edit } = needed(openAiChatProvider.chat?.native);
    const foreign = conversation(answerOf(PARTS));
    const sent = JSON.parse(edit(originalOf(foreign), targetOf('gpt'), false).get('messages') ?? '[]');
    expect(sent[1]).to.have.all.keys('role', 'content', 'refusal', 'tool_calls');
    expect(sent[1].tool_calls[0]).to.have.all.keys('id', 'type', 'function');
    const own = conversation({ role: 'assistant', content: null, tool_calls: [] });
    expect([...edit(originalOf(own), targetOf('gpt'), false).keys()]).to.deep.equal(['model']);
  });

  it('pitfall 22: streamed, a block comes whole with its signature', () => {
    const events: UnifiedEvent[] = [
      { type: 'start', id: '1', model: 'm' },
      { type: 'reasoning', choice: 0, text: 'Hm' },
      { type: 'reasoning', choice: 0, text: '.' },
      { type: 'reasoning_signature', choice: 0, signature: seal('anthropic', 'sig1') },
      { type: 'reasoning_redacted', choice: 0, data: seal('anthropic', 'sealed') },
      { type: 'reasoning_signature', choice: 0, signature: seal('gemini', 'thought') },
      { type: 'tool_call', choice: 0, call: 0, id: 'c1', name: 'f' },
    ];
    const stream = openAiChatCaller.openStream(originalOf({}));
    const deltas = events
      .flatMap((event) => stream.write(event).split('\n\n'))
      .filter((data) => data !== '')
      .map((data) => JSON.parse(data.slice(6)).choices[0].delta);
    expect(deltas.flatMap((delta) => delta.thinking_blocks ?? [])).to.deep.equal([
      { type: 'thinking', thinking: 'Hm.', signature: 'sig1' },
      { type: 'redacted_thinking', data: 'sealed' },
    ]);
    expect(deltas.at(-1).tool_calls[0].extra_content.google.thought_signature).to.equal('thought');
  });

  it('carries log probabilities, plain and streamed', () => {
    const logprobs = [{ token: 'Hi', logprob: -0.1, top: [{ token: 'Ho', logprob: -2 }] }];
    const shown = {
      token: 'Hi',
      logprob: -0.1,
      bytes: [72, 105],
      top_logprobs: [{ token: 'Ho', logprob: -2, bytes: [72, 111] }],
    };
    const choices = [{ index: 0, parts: [{ type: 'text' as const, text: 'Hi' }], finish: 'stop' as const, logprobs }];
    const text = openAiChatCaller.encodeAnswer({ id: '1', model: 'm', choices }, originalOf({}));
    expect(JSON.parse(text).choices[0].logprobs.content).to.deep.equal([shown]);
    const again = needed(openAiChatProvider.chat).decodeAnswer(JSON.parse(text));
    expect(again.choices[0]?.logprobs).to.deep.equal(logprobs);
    const stream = openAiChatCaller.openStream(originalOf({}));
    stream.write({ type: 'start', id: '1', model: 'm' });
    const chunk = stream.write({ type: 'logprobs', choice: 0, tokens: logprobs });
    expect(JSON.parse(chunk.slice(6)).choices[0].logprobs.content).to.deep.equal([shown]);
  });
});
