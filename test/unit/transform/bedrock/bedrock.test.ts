import { expect } from 'chai';
import { Fault } from '../../../../filter/fault.ts';
import type { JsonObject } from '../../../../filter/json.ts';
import { openAiChatCaller } from '../../../../filter/transform/callers/openai-chat/caller.ts';
import { AWS_EVENT_STREAM } from '../../../../filter/transform/codecs/aws-event-stream.ts';
import { bedrockAnthropicProvider } from '../../../../filter/transform/providers/bedrock-anthropic/provider.ts';
import { bedrockConverseProvider } from '../../../../filter/transform/providers/bedrock-converse/provider.ts';
import { vertexAnthropicProvider } from '../../../../filter/transform/providers/vertex-anthropic/provider.ts';
import { frame } from '../fixtures/bedrock.ts';
import { needed, originalOf, targetOf } from '../original.ts';

const chat = needed(bedrockConverseProvider.chat);

function encode(body: JsonObject): { body: JsonObject; dropped: string[] } {
  const messages = [{ role: 'user', content: 'x' }];
  return chat.encodeRequest(
    openAiChatCaller.parseRequest(originalOf({ model: 'a', messages, ...body })),
    targetOf('anthropic.claude-x'),
  );
}

describe('Bedrock', () => {
  it('a model is one segment of the path, an ARN too', () => {
    const arn = 'arn:aws:bedrock:eu-central-1:1:application-inference-profile/abc';
    expect(chat.path(targetOf(arn), true)).to.equal(
      '/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A1%3Aapplication-inference-profile%2Fabc/converse-stream',
    );
    expect(needed(bedrockAnthropicProvider.chat).path(targetOf('anthropic.claude-x-v1:0'), false)).to.equal(
      '/model/anthropic.claude-x-v1%3A0/invoke',
    );
    const vertex = targetOf('claude-x@20260101', { basePath: '/v1/projects/p/locations/l/publishers/anthropic' });
    expect(needed(vertexAnthropicProvider.chat).path(vertex, true)).to.equal(
      '/v1/projects/p/locations/l/publishers/anthropic/models/claude-x@20260101:streamRawPredict',
    );
  });

  it('pitfalls 3, 4 and 5: turns alternate, results of parallel calls stand together and first', () => {
    const call = (id: string): JsonObject => ({ id, type: 'function', function: { name: 'f', arguments: '' } });
    const { body } = encode({
      tools: [{ type: 'function', function: { name: 'f' } }],
      messages: [
        { role: 'system', content: 'S' },
        { role: 'user', content: 'a' },
        { role: 'user', content: 'b' },
        { role: 'assistant', content: '', tool_calls: [call('c.1'), call('c:2')] },
        { role: 'tool', tool_call_id: 'c.1', content: 'r1' },
        { role: 'tool', tool_call_id: 'c:2', content: '' },
        { role: 'user', content: 'and?' },
      ],
    });
    expect(body['messages']).to.deep.equal([
      { role: 'user', content: [{ text: 'a' }, { text: 'b' }] },
      {
        role: 'assistant',
        content: [
          { toolUse: { toolUseId: 'gw_c_2e1', name: 'f', input: {} } },
          { toolUse: { toolUseId: 'gw_c_3a2', name: 'f', input: {} } },
        ],
      },
      {
        role: 'user',
        content: [
          { toolResult: { toolUseId: 'gw_c_2e1', content: [{ text: 'r1' }] } },
          { toolResult: { toolUseId: 'gw_c_3a2', content: [{ text: '(no output)' }] } },
          { text: 'and?' },
        ],
      },
    ]);
  });

  it('refuses what it cannot say, naming the field (pitfalls 27, 30, 32)', () => {
    for (const [body, param] of [
      [{ n: 2 }, 'n'],
      [{ logprobs: true }, 'logprobs'],
      [{ stop: [' '] }, 'stop[0]'],
      [{ temperature: 1.5 }, 'temperature'],
      [{ response_format: { type: 'json_object' } }, 'response_format.type'],
      [
        { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a/b.png' } }] }] },
        'messages',
      ],
      [{ messages: [{ role: 'assistant', content: 'x' }] }, 'messages'],
    ] as const)
      expect(() => encode(body as unknown as JsonObject))
        .to.throw(Fault)
        .with.property('param', param);
    const advisory = {
      seed: 1,
      frequency_penalty: 1,
      presence_penalty: 1,
      user: 'u',
      verbosity: 'low',
      prompt_cache_key: 'k',
    };
    expect(encode(advisory).dropped).to.have.members([
      'seed',
      'frequency_penalty',
      'presence_penalty',
      'user',
      'verbosity',
      'prompt_cache_key',
    ]);
  });

  it('knows the kinds of errors by class, status and words', () => {
    const kind = (status: number, type: string | undefined, body: unknown): string =>
      bedrockConverseProvider.decodeError(
        status,
        (name) => (name === 'x-amzn-errortype' ? type : undefined),
        Buffer.from(JSON.stringify(body)),
      ).kind;
    expect(kind(400, 'ValidationException:http://internal.amazon.com/coral/', { message: 'no' })).to.equal(
      'invalid_request',
    );
    expect(kind(400, 'ValidationException', { message: 'Input is too long for requested model.' })).to.equal(
      'context_too_long',
    );
    expect(kind(400, 'ValidationException', { message: 'The provided model identifier is invalid.' })).to.equal('not_found');
    expect(kind(403, 'AccessDeniedException', { Message: 'no' })).to.equal('permission');
    expect(kind(403, 'ExpiredTokenException', {})).to.equal('authentication');
    expect(kind(429, 'ThrottlingException', {})).to.equal('rate_limit');
    expect(kind(400, 'ServiceQuotaExceededException', {})).to.equal('rate_limit');
    expect(kind(408, 'ModelTimeoutException', {})).to.equal('timeout');
    expect(kind(424, 'ModelErrorException', { message: 'x', originalStatusCode: 529 })).to.equal('overloaded');
    expect(kind(424, 'ModelErrorException', { message: 'x' })).to.equal('server_error');
    expect(kind(503, undefined, 'not an object')).to.equal('overloaded');
    const nested = bedrockConverseProvider.decodeError(
      400,
      () => 'ValidationException',
      Buffer.from(JSON.stringify({ message: '400: {"error":{"message":"max_tokens: too large"}}' })),
    );
    expect(nested.message).to.equal('max_tokens: too large');
  });

  it('an answer without output, or one that broke off, is none', () => {
    expect(() => chat.decodeAnswer({ stopReason: 'end_turn' })).to.throw('no output');
    const output = { message: { role: 'assistant', content: [] } };
    expect(() => chat.decodeAnswer({ output, stopReason: 'malformed_tool_use' })).to.throw('malformed_tool_use');
  });

  it('frames: lengths that no frame has are refused at once, and a cut leaves nothing', () => {
    for (const length of [0, 15, 0xffffffff]) {
      const bytes = Buffer.alloc(16);
      bytes.writeUInt32BE(length, 0);
      expect(() => AWS_EVENT_STREAM.open().push(bytes)).to.throw(`a frame of ${length} bytes`);
    }
    const splitter = AWS_EVENT_STREAM.open();
    expect(splitter.push(frame('messageStart', {}).subarray(0, 30))).to.deep.equal([]);
    expect(splitter.end()).to.equal(undefined);
  });
});
