import { expect } from 'chai';
import { Fault, type FaultCode, type FaultDetails } from '../../../../filter/fault.ts';
import { anthropicMessagesCaller } from '../../../../filter/transform/callers/anthropic-messages/caller.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import type { AssistantPart, Choice, FinishReason } from '../../../../filter/transform/unified.ts';
import { originalOf } from '../original.ts';

const { encodeAnswer, encodeFault, encodeStreamFault, requestIdHeaders } = anthropicMessagesCaller;

function answerOf(parts: AssistantPart[], finish: FinishReason = 'stop', rest: Partial<Choice> = {}) {
  return JSON.parse(
    encodeAnswer({ id: 'chatcmpl-abc', model: 'gpt-x', choices: [{ index: 0, parts, finish, ...rest }] }, originalOf({})),
  );
}

describe('Anthropic Messages caller: whole answer', () => {
  it('is a message', () => {
    const usage = {
      ...{ inputUncached: 20, cacheRead: 10, cacheWrite5m: 1, cacheWrite1h: 2, cacheWriteOther: 4 },
      ...{ outputVisible: 5, outputReasoning: 3 },
    };
    const choices: Choice[] = [{ index: 0, parts: [{ type: 'text', text: 'Hi.' }], finish: 'stop' }];
    expect(JSON.parse(encodeAnswer({ id: 'chatcmpl-abc', model: 'gpt-x', choices, usage }, originalOf({})))).to.deep.equal({
      id: 'msg_abc',
      type: 'message',
      role: 'assistant',
      model: 'gpt-x',
      content: [{ type: 'text', text: 'Hi.' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: {
        input_tokens: 20,
        cache_creation_input_tokens: 7,
        cache_read_input_tokens: 10,
        cache_creation: { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 2 },
        output_tokens: 8,
        output_tokens_details: { thinking_tokens: 3 },
      },
    });
  });

  it('has a stop reason of the schema for every way to end', () => {
    const reasons: [FinishReason, string][] = [
      ['stop', 'end_turn'],
      ['length', 'max_tokens'],
      ['tool_calls', 'tool_use'],
      ['content_filter', 'refusal'],
      ['pause', 'pause_turn'],
      ['unknown', 'end_turn'],
    ];
    for (const [finish, reason] of reasons) expect(answerOf([], finish).stop_reason).to.equal(reason);
  });

  it('says stop_sequence only with the sequence', () => {
    expect(answerOf([], 'stop_sequence', { stopSequence: 'END' })).to.include({
      stop_reason: 'stop_sequence',
      stop_sequence: 'END',
    });
    expect(answerOf([], 'stop_sequence')).to.include({ stop_reason: 'end_turn', stop_sequence: null });
  });

  it('shows a refusal as text that ends in a refusal', () => {
    expect(answerOf([{ type: 'refusal', text: 'I will not.' }], 'content_filter')).to.deep.include({
      content: [{ type: 'text', text: 'I will not.' }],
      stop_reason: 'refusal',
    });
  });

  it('makes an object of arguments, {} of none (pitfall 10)', () => {
    const call = (json: string): AssistantPart => ({ type: 'tool_call', id: 'call_1', name: 'now', arguments: json });
    expect(answerOf([call('{"zone":"UTC"}')], 'tool_calls').content[0].input).to.deep.equal({ zone: 'UTC' });
    for (const none of ['', ' \n', '{}']) expect(answerOf([call(none)], 'tool_calls').content[0].input).to.deep.equal({});
    for (const wrong of ['[]', '"x"', 'null', '{"a":']) {
      expect(() => answerOf([call(wrong)], 'tool_calls')).to.throw('not a JSON object');
    }
  });

  it('leaves out the call that the token cap broke off, and only that one', () => {
    const whole: AssistantPart = { type: 'tool_call', id: 'a', name: 'now', arguments: '{}' };
    const broken: AssistantPart = { type: 'tool_call', id: 'b', name: 'now', arguments: '{"zo' };
    expect(answerOf([whole, broken], 'length')).to.deep.include({ stop_reason: 'max_tokens' });
    expect(answerOf([whole, broken], 'length').content).to.have.length(1);
    expect(() => answerOf([broken, whole], 'length')).to.throw('not a JSON object');
  });

  it('writes ids that providers of its schema take back (pitfall 8)', () => {
    const [block] = answerOf(
      [{ type: 'tool_call', id: 'functions.now:0', name: 'now', arguments: '' }],
      'tool_calls',
    ).content;
    expect(block.id).to.match(/^[a-zA-Z0-9_-]+$/);
  });

  it('marks reasoning that nobody signed', () => {
    expect(answerOf([{ type: 'reasoning', text: 'Hm.' }]).content).to.deep.equal([
      { type: 'thinking', thinking: 'Hm.', signature: 'gateway:unsigned' },
    ]);
    expect(answerOf([{ type: 'reasoning', text: 'Hm.', signature: seal('anthropic', 's') }]).content[0].signature).to.equal(
      's',
    );
    expect(answerOf([{ type: 'reasoning', text: '', redacted: seal('anthropic', 'r') }]).content).to.deep.equal([
      { type: 'redacted_thinking', data: 'r' },
    ]);
  });
});

describe('Anthropic Messages caller: faults', () => {
  const encoded = (code: FaultCode, message: string, details?: FaultDetails) =>
    JSON.parse(encodeFault(new Fault(code, message, details), 'req_1'));

  it('are error objects of the schema', () => {
    expect(encoded('alias_unknown', 'No alias "x".')).to.deep.equal({
      type: 'error',
      error: { type: 'not_found_error', message: 'No alias "x".', details: { error_code: 'alias_unknown' } },
      request_id: 'req_1',
    });
  });

  it('have the type that SDKs and clients branch on', () => {
    const types: [FaultCode, string][] = [
      ['caller_key_invalid', 'authentication_error'],
      ['on_behalf_of_refused', 'permission_error'],
      ['body_too_large', 'request_too_large'],
      ['chain_exhausted', 'overloaded_error'],
      ['stream_stalled', 'timeout_error'],
      ['gateway_error', 'api_error'],
      ['body_invalid', 'invalid_request_error'],
    ];
    for (const [code, type] of types) expect(encoded(code, 'x').error.type).to.equal(type);
    expect(encoded('stream_error', 'x', { kind: 'rate_limit' }).error.type).to.equal('rate_limit_error');
  });

  it('name the place once', () => {
    expect(encoded('body_invalid', 'expected a string', { param: 'model' }).error.message).to.equal(
      'model: expected a string',
    );
    expect(encoded('body_invalid', 'model: expected a string', { param: 'model' }).error.message).to.equal(
      'model: expected a string',
    );
  });

  it('use the words by which clients know that the conversation is too long', () => {
    const tooLong = encoded('provider_refused_request', 'The maximum context length is 8192.', { kind: 'context_too_long' });
    expect(tooLong.error.message).to.equal('prompt is too long: The maximum context length is 8192.');
  });

  it('end a stream as one event (pitfall 33)', () => {
    const text = encodeStreamFault(new Fault('stream_cut', 'The provider\nended.'), 'req_1', 0);
    expect(text).to.match(/^event: error\ndata: \{"type":"error",[^\n]*\}\n\n$/);
    expect(text).not.to.contain('message_stop');
  });

  it('go with the header that SDKs read the request id from', () => {
    expect(requestIdHeaders('req_1')).to.deep.equal([['request-id', 'req_1']]);
  });
});
