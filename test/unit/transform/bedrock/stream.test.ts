import { expect } from 'chai';
import type { JsonObject } from '../../../../filter/json.ts';
import { AWS_EVENT_STREAM } from '../../../../filter/transform/codecs/aws-event-stream.ts';
import { bedrockAnthropicProvider } from '../../../../filter/transform/providers/bedrock-anthropic/provider.ts';
import { bedrockConverseProvider } from '../../../../filter/transform/providers/bedrock-converse/provider.ts';
import type { ProviderSchema } from '../../../../filter/transform/schema.ts';
import type { UnifiedEvent } from '../../../../filter/transform/unified.ts';
import { frame } from '../fixtures/bedrock.ts';
import { needed, originalOf } from '../original.ts';

function read(provider: ProviderSchema, ...frames: Buffer[]): UnifiedEvent[] {
  const events: UnifiedEvent[] = [];
  const stream = needed(provider.chat).openStream((event) => events.push(event));
  for (const event of AWS_EVENT_STREAM.open().push(Buffer.concat(frames))) stream.push(event);
  stream.end?.();
  return events;
}

const delta = (contentBlockIndex: number, said: JsonObject): Buffer =>
  frame('contentBlockDelta', { contentBlockIndex, delta: said, p: 'abcd' });
const stop = (contentBlockIndex: number): Buffer => frame('contentBlockStop', { contentBlockIndex });

function chunk(event: JsonObject, indent = 0): Buffer {
  return frame('chunk', { bytes: Buffer.from(JSON.stringify(event, undefined, indent)).toString('base64') });
}

describe('Bedrock streams', () => {
  it('pitfalls 1 and 22: reasoning, redacted reasoning, text and parallel calls in their order, calls counted from 0', () => {
    const events = read(
      bedrockConverseProvider,
      frame('messageStart', { role: 'assistant' }),
      delta(0, { reasoningContent: { text: 'Hm.' } }),
      delta(0, { reasoningContent: { signature: 'sig' } }),
      stop(0),
      delta(1, { reasoningContent: { redactedContent: 'xyz=' } }),
      stop(1),
      delta(2, { text: 'Both.' }),
      stop(2),
      frame('contentBlockStart', { contentBlockIndex: 3, start: { toolUse: { toolUseId: 'a', name: 'f' } } }),
      delta(3, { toolUse: { input: '{"x":1}' } }),
      stop(3),
      frame('contentBlockStart', { contentBlockIndex: 5, start: { toolUse: { toolUseId: 'b', name: 'gw_mcp_2ef' } } }),
      delta(5, { toolUse: { input: '' } }),
      stop(5),
      frame('messageStop', { stopReason: 'tool_use' }),
      frame('metadata', {
        usage: { inputTokens: 3, outputTokens: 2, totalTokens: 9, cacheReadInputTokens: 4 },
        serviceTier: { type: 'flex' },
      }),
    );
    expect(events.filter(({ type }) => type !== 'part_end')).to.deep.equal([
      { type: 'start', id: '', model: '' },
      { type: 'reasoning', choice: 0, text: 'Hm.' },
      { type: 'reasoning_signature', choice: 0, signature: 'anthropic:sig' },
      { type: 'reasoning_redacted', choice: 0, data: 'anthropic:xyz=' },
      { type: 'text', choice: 0, text: 'Both.' },
      { type: 'tool_call', choice: 0, call: 0, id: 'a', name: 'f' },
      { type: 'tool_call_arguments', choice: 0, call: 0, fragment: '{"x":1}' },
      { type: 'tool_call', choice: 0, call: 1, id: 'b', name: 'mcp.f' },
      { type: 'finish', choice: 0, reason: 'tool_calls' },
      {
        type: 'usage',
        usage: {
          ...{ inputUncached: 3, cacheRead: 4, cacheWrite5m: 0, cacheWrite1h: 0, cacheWriteOther: 0 },
          ...{ outputVisible: 2, outputReasoning: 0 },
          apart: { serviceTier: 'flex' },
        },
      },
      { type: 'end' },
    ]);
  });

  it('a stop without metadata ends with the body; metadata without a stop ends nothing', () => {
    const ended = (frames: Buffer[]): boolean => read(bedrockConverseProvider, ...frames).some(({ type }) => type === 'end');
    const metadata = frame('metadata', { usage: { inputTokens: 1, outputTokens: 1 } });
    expect(ended([delta(0, { text: 'a' }), frame('messageStop', { stopReason: 'end_turn' })])).to.equal(true);
    expect(ended([delta(0, { text: 'a' }), metadata])).to.equal(false);
    expect(ended([delta(0, { text: 'a' })])).to.equal(false);
  });

  it('pitfall 33: each exception has its kind, the vendor’s own status included, and nothing ends', () => {
    const cut = (type: string, payload: JsonObject): UnifiedEvent[] =>
      read(bedrockConverseProvider, delta(0, { text: 'a' }), frame(type, payload, 'exception'));
    for (const [type, payload, kind] of [
      ['internalServerException', { message: 'x' }, 'server_error'],
      ['modelStreamErrorException', { originalStatusCode: 529, originalMessage: 'Overloaded' }, 'overloaded'],
      ['modelStreamErrorException', { originalStatusCode: 500, originalMessage: 'x' }, 'server_error'],
      ['serviceUnavailableException', { message: 'x' }, 'overloaded'],
      ['throttlingException', { message: 'x' }, 'rate_limit'],
      ['validationException', { message: 'Input is too long for requested model.' }, 'context_too_long'],
      ['modelTimeoutException', { message: 'x' }, 'timeout'],
    ] as const) {
      const events = cut(type, payload as unknown as JsonObject);
      const last = needed(events.at(-1));
      expect(last.type === 'error' && last.error, type).to.include({ kind, status: 0, type });
      expect(events.some((event) => event.type === 'end')).to.equal(false);
    }
  });

  it('pitfall 33: InvokeModel’s exceptions end its stream too, translated or passed', () => {
    const exception = frame('throttlingException', { message: 'slow down' }, 'exception');
    const start = chunk({ type: 'message_start', message: { id: 'm', model: 'claude-x', usage: { input_tokens: 3 } } });
    const last = needed(read(bedrockAnthropicProvider, start, exception).at(-1));
    expect(last.type === 'error' && last.error).to.include({ kind: 'rate_limit', type: 'throttlingException' });
    const tap = needed(bedrockAnthropicProvider.chat?.native).openTap(originalOf({}));
    const [first, second] = AWS_EVENT_STREAM.open().push(Buffer.concat([start, exception]));
    expect(needed(tap.see(needed(first))).toString()).to.match(/^event: message_start\ndata: \{.*\}\n\n$/);
    expect(tap.see(needed(second))).to.equal(undefined);
    expect(tap.error).to.include({ kind: 'rate_limit' });
    expect(tap.ended).to.equal(false);
    expect(tap.facts).to.deep.include({ model: 'claude-x' });
  });

  it('values of the wrong type are no text, and break nothing', () => {
    const odd: JsonObject = { toString: null };
    const call = frame('contentBlockStart', { contentBlockIndex: 0, start: { toolUse: { toolUseId: odd, name: odd } } });
    expect(read(bedrockConverseProvider, call)).to.deep.include({ type: 'tool_call', choice: 0, call: 0, id: '', name: '' });
    const content = [{ toolUse: { toolUseId: odd, name: 7 } }, { reasoningContent: { reasoningText: { text: odd } } }];
    const answer = { output: { message: { role: 'assistant', content } }, stopReason: odd };
    expect(needed(bedrockConverseProvider.chat).decodeAnswer(answer).choices).to.deep.equal([
      {
        ...{ index: 0, finish: 'unknown' },
        parts: [
          { type: 'tool_call', id: '', name: '', arguments: '{}' },
          { type: 'reasoning', text: '' },
        ],
      },
    ]);
    expect(read(bedrockAnthropicProvider, chunk({ type: odd }))).to.deep.equal([]);
  });

  it('what passes is one SSE line, however the event’s JSON is laid out', () => {
    const tap = needed(bedrockAnthropicProvider.chat?.native).openTap(originalOf({}));
    const [event] = AWS_EVENT_STREAM.open().push(chunk({ type: 'message_stop' }, 2));
    expect(needed(tap.see(needed(event))).toString()).to.equal('event: message_stop\ndata: {"type":"message_stop"}\n\n');
    expect(tap.ended).to.equal(true);
  });
});
