import { expect } from 'chai';
import type { JsonObject } from '../../../../filter/json.ts';
import { anthropicMessagesCaller } from '../../../../filter/transform/callers/anthropic-messages/caller.ts';
import { vertexAnthropicProvider } from '../../../../filter/transform/providers/vertex-anthropic/provider.ts';
import { needed, originalOf, sentBody, targetOf } from '../original.ts';

const BASE = '/v1/projects/p/locations/l/publishers/anthropic';
const TARGET = targetOf('claude-x@20260101', { basePath: BASE });
const chat = needed(vertexAnthropicProvider.chat);
const ASKED = { model: 'a', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] };

describe('Claude on Vertex', () => {
  it('has the model in the path and the version in the body; a stream says so in the body', () => {
    expect(chat.path(TARGET, false)).to.equal(`${BASE}/models/claude-x@20260101:rawPredict`);
    expect(chat.path(TARGET, true)).to.equal(`${BASE}/models/claude-x@20260101:streamRawPredict`);
    const request = anthropicMessagesCaller.parseRequest(originalOf({ ...ASKED, stream: true }));
    const body = sentBody(chat.encodeRequest(request, TARGET));
    expect(body).to.include({ anthropic_version: 'vertex-2023-10-16', stream: true }).and.not.have.property('model');
  });

  it('pitfall 37: of a body that passes, the model goes and the version comes; the betas stay a header', () => {
    const native = needed(chat.native);
    const edits = native.edit(originalOf({ ...ASKED, stream: true }), TARGET, true);
    expect([...edits]).to.deep.equal([
      ['model', undefined],
      ['service_tier', undefined],
      ['anthropic_version', '"vertex-2023-10-16"'],
    ]);
    expect(native.passedHeaders).to.deep.equal(['anthropic-beta']);
    expect(vertexAnthropicProvider.authorize('t')).to.deep.equal([['authorization', 'Bearer t']]);
  });

  it('counts with the model in the body', () => {
    const count = needed(vertexAnthropicProvider.countTokens);
    expect(count.path(TARGET)).to.equal(`${BASE}/models/count-tokens:rawPredict`);
    const body = sentBody(count.encodeRequest(anthropicMessagesCaller.parseRequest(originalOf(ASKED)), TARGET));
    expect(body).to.include({ model: 'claude-x@20260101', anthropic_version: 'vertex-2023-10-16' });
    expect(body).to.not.have.any.keys('max_tokens', 'stream');
    expect(count.decodeCount({ input_tokens: 7 })).to.equal(7);
  });

  it('reads the errors of the model, and of the platform alone or in a list, with how long to wait', () => {
    const decode = (status: number, body: unknown) =>
      vertexAnthropicProvider.decodeError(status, () => undefined, Buffer.from(JSON.stringify(body)));
    const theirs = (type: string, message: string): JsonObject => ({ type: 'error', error: { type, message } });
    expect(decode(529, theirs('overloaded_error', 'Overloaded'))).to.include({
      kind: 'overloaded',
      type: 'overloaded_error',
    });
    expect(decode(400, theirs('invalid_request_error', 'prompt is too long: 2 > 1'))).to.include({
      kind: 'context_too_long',
    });
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '37s' }];
    const error = { code: 429, message: 'Quota exceeded', status: 'RESOURCE_EXHAUSTED', details };
    for (const body of [{ error }, [{ error }]])
      expect(decode(429, body)).to.deep.equal({
        ...{ kind: 'rate_limit', status: 429, type: 'RESOURCE_EXHAUSTED', message: 'Quota exceeded' },
        retryAfterSeconds: 37,
      });
    const denied = { error: { code: 403, message: 'no', status: 'PERMISSION_DENIED' } };
    expect(decode(403, denied)).to.include({ kind: 'permission' });
    expect(decode(502, '<html>')).to.include({ kind: 'server_error', status: 502 });
  });
});
