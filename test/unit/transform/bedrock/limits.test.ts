/** What Converse refuses beyond its shape, and what differs by the model's family. */
import { expect } from 'chai';
import { Fault } from '../../../../filter/fault.ts';
import type { JsonObject } from '../../../../filter/json.ts';
import { anthropicMessagesCaller } from '../../../../filter/transform/callers/anthropic-messages/caller.ts';
import { openAiChatCaller } from '../../../../filter/transform/callers/openai-chat/caller.ts';
import { familyOf } from '../../../../filter/transform/providers/bedrock-converse/family.ts';
import { bedrockConverseProvider } from '../../../../filter/transform/providers/bedrock-converse/provider.ts';
import type { EncodedRequest } from '../../../../filter/transform/schema.ts';
import { needed, originalOf, sentBody, targetOf } from '../original.ts';

const CLAUDE = 'eu.anthropic.claude-x-v1:0';
const NOVA = 'amazon.nova-2-lite-v1:0';
const OTHER = 'us.meta.llama4-maverick-17b-instruct-v1:0';
const HIDDEN = 'arn:aws:bedrock:eu-central-1:1:application-inference-profile/abc123';
const HI = { role: 'user', content: 'Hi' };
const MARK = { cache_control: { type: 'ephemeral', ttl: '1h' } };

const chat = needed(bedrockConverseProvider.chat);

function fromChat(body: JsonObject, model = CLAUDE): EncodedRequest {
  const request = openAiChatCaller.parseRequest(originalOf({ model: 'a', messages: [HI], ...body }));
  return chat.encodeRequest(request, targetOf(model));
}

function fromMessages(body: JsonObject, model = CLAUDE): EncodedRequest {
  const request = anthropicMessagesCaller.parseRequest(
    originalOf({ model: 'a', max_tokens: 9000, messages: [HI], ...body }),
  );
  return chat.encodeRequest(request, targetOf(model));
}

describe('Bedrock Converse: limits', () => {
  it('knows a model’s family by its id, and holds nothing back from one that hides it', () => {
    const arn = (what: string): string => `arn:aws:bedrock:us-east-1:1:${what}`;
    for (const [model, family] of [
      ['anthropic.claude-haiku-5-5', 'claude'],
      ['us-gov.anthropic.claude-x-v1:0', 'claude'],
      [arn('inference-profile/global.anthropic.claude-x-v1:0'), 'claude'],
      ['apac.amazon.nova-pro-v1:0', 'nova'],
      ['meta.llama3-3-70b-instruct-v1:0', 'other'],
      ['deepseek.v3.2', 'other'],
      [arn(':foundation-model/qwen.qwen3-coder-next'), 'other'],
      [HIDDEN, 'unknown'],
      [arn('provisioned-model/xyz'), 'unknown'],
    ] as const)
      expect(familyOf(model), model).to.equal(family);
  });

  it('pitfall 8: an id of more than 64 characters is shortened alike in call and result, and two stay two', () => {
    const ids = ['1', '2'].map((end) => `call_${'x'.repeat(90)}${end}`);
    const { body } = fromChat({
      messages: [
        HI,
        {
          role: 'assistant',
          tool_calls: ids.map((id) => ({ id, type: 'function', function: { name: 'f', arguments: '' } })),
        },
        ...ids.map((tool_call_id) => ({ role: 'tool', tool_call_id, content: 'r' })),
      ],
    });
    const [, calls, results] = body['messages'] as { content: Record<string, { toolUseId: string }>[] }[];
    const called = needed(calls).content.map((block) => needed(block['toolUse']).toolUseId);
    expect(needed(results).content.map((block) => needed(block['toolResult']).toolUseId)).to.deep.equal(called);
    expect(new Set(called).size).to.equal(2);
    for (const id of called) expect(id).to.match(/^[a-zA-Z0-9_-]{1,64}$/);
  });

  it('pitfall 9: a tool’s name is the same in tools, history and tool_choice, and comes back', () => {
    const name = `mcp.${'find_'.repeat(20)}`;
    const { body } = fromChat({
      tools: [{ type: 'function', function: { name, description: ' ', strict: false } }],
      tool_choice: { type: 'function', function: { name } },
      messages: [
        HI,
        { role: 'assistant', tool_calls: [{ id: 'c', type: 'function', function: { name, arguments: '{}' } }] },
        { role: 'tool', tool_call_id: 'c', content: 'r' },
      ],
    });
    const { tools, toolChoice } = body['toolConfig'] as { tools: { toolSpec: JsonObject }[]; toolChoice: JsonObject };
    const spec = needed(tools[0]).toolSpec;
    expect(spec['name']).to.match(/^[a-zA-Z0-9_-]{1,64}$/);
    // A blank description is refused, and so is `strict` by some models.
    expect(spec).to.have.all.keys('name', 'inputSchema');
    expect(toolChoice).to.deep.equal({ tool: { name: spec['name'] } });
    expect(body['messages']).to.have.nested.property('[1].content[0].toolUse.name', spec['name']);
  });

  it('pitfalls 10 and 11: arguments that are none become {}, blank text goes, and a turn that is left empty with it', () => {
    for (const args of ['', '  ', '{}']) {
      const { body } = fromChat({
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: ' ' },
          { role: 'user', content: 'b' },
          {
            role: 'assistant',
            content: '',
            tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: args } }],
          },
          { role: 'tool', tool_call_id: 'c', content: 'r' },
        ],
      });
      expect(body['messages']).to.deep.equal([
        { role: 'user', content: [{ text: 'a' }, { text: 'b' }] },
        { role: 'assistant', content: [{ toolUse: { toolUseId: 'c', name: 'f', input: {} } }] },
        { role: 'user', content: [{ toolResult: { toolUseId: 'c', content: [{ text: 'r' }] } }] },
      ]);
    }
  });

  it('pitfall 17: models that cannot cache get no marks, Nova none on tools and no time; each is named', () => {
    const marked = {
      tools: [{ name: 'f', input_schema: { type: 'object' }, ...MARK }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'a', ...MARK }] }],
    };
    const other = fromMessages(marked, OTHER);
    expect(JSON.stringify(other.body)).to.not.contain('cachePoint');
    expect(other.dropped).to.deep.equal(['cache_control']);
    const nova = fromMessages(marked, NOVA);
    expect((nova.body['toolConfig'] as JsonObject)['tools']).to.have.length(1);
    expect(nova.body['messages'])
      .to.have.nested.property('[0].content[1]')
      .deep.equal({ cachePoint: { type: 'default' } });
    expect(nova.dropped).to.have.members(['cache_control', 'cache_control.ttl']);
    const hidden = fromMessages(marked, HIDDEN);
    expect(JSON.stringify(hidden.body).match(/cachePoint/g)).to.have.length(2);
    expect(hidden.dropped).to.deep.equal([]);
  });

  it('pitfall 17: a mark inside a tool’s result goes behind it', () => {
    const content = [
      { type: 'text', text: 'r', ...MARK },
      { type: 'text', text: 's', ...MARK },
    ];
    const { body, dropped } = fromMessages({
      tools: [{ name: 'f', input_schema: { type: 'object' } }],
      messages: [
        HI,
        { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content }] },
      ],
    });
    expect(body['messages'])
      .to.have.nested.property('[2].content')
      .deep.equal([
        { toolResult: { toolUseId: 't', content: [{ text: 'r' }, { text: 's' }] } },
        { cachePoint: { type: 'default', ttl: '1h' } },
      ]);
    expect(dropped).to.deep.equal([]);
  });

  it('pitfall 23: what Claude signed goes to Claude alone', () => {
    const messages = [
      HI,
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'Hm.', signature: 'sig' },
          { type: 'redacted_thinking', data: 'xyz=' },
          { type: 'text', text: 'a' },
        ],
      },
      HI,
    ];
    for (const model of [CLAUDE, HIDDEN])
      expect(fromMessages({ messages }, model).body['messages'])
        .to.have.nested.property('[1].content')
        .deep.equal([
          { reasoningContent: { reasoningText: { text: 'Hm.', signature: 'sig' } } },
          { reasoningContent: { redactedContent: 'xyz=' } },
          { text: 'a' },
        ]);
    for (const model of [NOVA, OTHER]) {
      const { body, dropped } = fromMessages({ messages }, model);
      expect(body['messages'])
        .to.have.nested.property('[1].content')
        .deep.equal([{ text: 'a' }]);
      expect(dropped).to.deep.equal(['messages[].reasoning']);
    }
  });

  it('pitfall 24: a demand for a call is refused while Claude thinks, and without tools', () => {
    const tools = [{ name: 'f', input_schema: { type: 'object' } }];
    const thinking = { type: 'enabled', budget_tokens: 2000 };
    for (const asked of [
      { tools, thinking, tool_choice: { type: 'any' } },
      { tools, thinking, tool_choice: { type: 'tool', name: 'f' } },
    ])
      expect(() => fromMessages(asked))
        .to.throw(Fault)
        .with.property('param', 'tool_choice');
    expect(() => fromChat({ tool_choice: 'required' }))
      .to.throw(Fault)
      .with.property('param', 'tool_choice');
  });

  it('reasoning: `thinking` is Claude’s word, effort begins at low, and what a model cannot be told is named', () => {
    const thinking = { type: 'enabled', budget_tokens: 2000 };
    for (const model of [CLAUDE, HIDDEN]) {
      expect(fromMessages({ thinking }, model).body['additionalModelRequestFields']).to.deep.equal({ thinking });
      expect(fromChat({ reasoning_effort: 'none' }, model).body['additionalModelRequestFields']).to.deep.equal({
        thinking: { type: 'disabled' },
      });
    }
    for (const model of [NOVA, OTHER]) {
      const { body, dropped } = fromMessages({ thinking }, model);
      expect(body).to.not.have.property('additionalModelRequestFields');
      expect(dropped).to.deep.equal(['reasoning.budget']);
      expect(fromChat({ reasoning_effort: 'none' }, model).dropped).to.deep.equal(['reasoning.off']);
    }
    expect(fromChat({ reasoning_effort: 'minimal' })).to.deep.include({ dropped: ['reasoning_effort=minimal'] });
    expect(fromChat({ reasoning_effort: 'minimal' }).body['outputConfig']).to.deep.equal({ effort: 'low' });
    expect(fromMessages({ top_k: 5 }).body['additionalModelRequestFields']).to.deep.equal({ top_k: 5 });
    expect(fromMessages({ top_k: 5 }, NOVA).body['additionalModelRequestFields']).to.deep.equal({
      inferenceConfig: { topK: 5 },
    });
  });

  it('a document has a text beside it, which is named where the gateway wrote it', () => {
    const file = { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } };
    const alone = fromChat({ messages: [{ role: 'user', content: [file] }] });
    expect(alone.body['messages']).to.have.nested.property('[0].content[1].text').that.is.not.equal('');
    expect(alone.dropped).to.deep.equal(['messages[].content[].text=absent']);
    const asked = fromChat({ messages: [{ role: 'user', content: [file, { type: 'text', text: 'What is it?' }] }] });
    expect(asked.body['messages']).to.have.nested.property('[0].content').with.length(2);
    expect(asked.dropped).to.deep.equal([]);
  });

  it('of the metadata, what Bedrock takes goes along; that some was left out is named', () => {
    const pairs = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`k${index}`, 'v']));
    expect(fromChat({ metadata: pairs }).body['requestMetadata']).to.deep.equal(pairs);
    const { body, dropped } = fromChat({ metadata: { ok: 'a b_@$#=/+,-.:', json: '{"a":1}', long: 'x'.repeat(257) } });
    expect(body['requestMetadata']).to.deep.equal({ ok: 'a b_@$#=/+,-.:' });
    expect(dropped).to.deep.equal(['metadata']);
    expect(sentBody(fromChat({ metadata: { ключ: 'v' } }))).to.not.have.property('requestMetadata');
  });

  it('the words of every vendor for a conversation that is too long, and nobody else’s', () => {
    const kind = (message: string, status = 400, type = 'ValidationException'): string =>
      bedrockConverseProvider.decodeError(status, () => type, Buffer.from(JSON.stringify({ message }))).kind;
    for (const message of [
      'Input is too long for requested model.',
      'prompt is too long: 210000 tokens > 200000 maximum',
      'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length',
      'Input Tokens Exceeded: Number of input tokens exceeds maximum length',
      'The input token count (210000) exceeds the maximum number of input tokens allowed',
      "This model's maximum context length is 8192 tokens. Please reduce the length of the prompt",
      'Too many input tokens. Max input tokens: 8192',
    ])
      expect(kind(message), message).to.equal('context_too_long');
    for (const message of [
      'The number of images exceeds the maximum of 20.',
      'max_tokens exceeds the maximum allowed',
      'toolUseId is too long',
    ])
      expect(kind(message), message).to.equal('invalid_request');
    const wrongKey = 'Authentication failed: Please make sure your API Key is valid.';
    expect(kind(wrongKey, 403, 'AccessDeniedException')).to.equal('authentication');
    expect(kind("You don't have access to the model", 403, 'AccessDeniedException')).to.equal('permission');
  });

  it('user and system turns that alternate cost as much as they are long', () => {
    const request = openAiChatCaller.parseRequest(
      originalOf({
        model: 'a',
        messages: Array.from({ length: 60_000 }, (_, index) => ({
          role: index % 2 === 0 ? 'user' : 'system',
          content: 'a',
        })),
      }),
    );
    const from = performance.now();
    const { body } = chat.encodeRequest(request, targetOf(CLAUDE));
    expect(body['messages']).to.have.nested.property('[0].content').with.length(60_000);
    // A copy of the turn for each would take several seconds.
    expect(performance.now() - from).to.be.lessThan(1500);
  });
});
