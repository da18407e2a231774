/** The first target fails, in every way that Envoy can see: the caller notices nothing but a header. */

import Anthropic from '@anthropic-ai/sdk';
import { expect } from 'chai';
import OpenAI from 'openai';
import type { Behaviour } from '../providers/script.ts';
import { changedPolicy } from '../stack/policy.ts';
import { freePort, type Stack, startStack } from '../stack/stack.ts';
import { anthropicCaller, openAiCaller, post } from './callers.ts';

const FAILURES: readonly (readonly [what: string, behaviour: Behaviour, told: string])[] = [
  ...(
    [
      [529, 'overloaded'],
      [503, 'overloaded'],
      [500, 'server_error'],
      [502, 'server_error'],
      [429, 'rate_limited'],
      [401, 'credential_refused'],
      [402, 'billing'],
      [404, 'model_not_found'],
    ] as const
  ).map(([status, reason]): [string, Behaviour, string] => [
    String(status),
    { kind: 'status', status },
    `reason=${reason};status=${status}`,
  ]),
  ['a reset connection', { kind: 'reset' }, 'reason=connection_failed'],
  ['no headers within the deadline', { kind: 'stall' }, 'reason=deadline_exceeded'],
  [
    'an error page',
    { kind: 'raw', status: 502, headers: { 'content-type': 'text/html' }, body: '<h1>Bad gateway</h1>' },
    'reason=server_error;status=502',
  ],
];

async function ask(caller: OpenAI, streamed: boolean): Promise<{ text: string; response: Response }> {
  const request = { model: 'fast-summariser', messages: [{ role: 'user' as const, content: 'hello' }] };
  if (!streamed) {
    const { data, response } = await caller.chat.completions.create(request).withResponse();
    return { text: data.choices[0]?.message.content ?? '', response };
  }
  const { data, response } = await caller.chat.completions.create({ ...request, stream: true }).withResponse();
  let text = '';
  for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? '';
  return { text, response };
}

describe('fallback, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    const policyPath = changedPolicy((policy) => {
      policy.targets['nobody'] = { cluster: 'local', schema: 'openai-chat', model: 'gpt-5.6-luna', max_output_tokens: 1000 };
      policy.aliases['fast-summariser'] = {
        chain: ['gpt-luna', 'claude-haiku'],
        attempt_deadline: { plain: '700ms', stream: '700ms' },
      };
      policy.aliases['refused'] = { chain: ['nobody', 'claude-haiku'] };
      policy.aliases['refused-alone'] = { chain: ['nobody'] };
      policy.aliases['three-steps'] = { chain: ['claude-overloaded', 'gpt-luna', 'claude-haiku'] };
      policy.aliases['only-gpt'] = { chain: ['gpt-luna'] };
      policy.aliases['strict-gpt'] = { chain: ['gpt-luna'], strict: true };
    });
    stack = await startStack({ policyPath, overlay: { local: await freePort() } });
  });
  after(() => stack.stop());
  afterEach(() => {
    expect([...stack.openai.violations, ...stack.anthropic.violations]).to.deep.equal([]);
    stack.openai.reset();
    stack.anthropic.reset();
  });

  for (const [what, behaviour, told] of FAILURES) {
    for (const stream of [false, true]) {
      it(`${what}: an OpenAI caller gets the Anthropic target's answer${stream ? ', streamed' : ''}`, async () => {
        stack.openai.script(behaviour);
        const { text, response } = await ask(openAiCaller(stack), stream);
        expect(text).to.equal('You said: hello');
        expect(response.headers.get('x-gateway-target')).to.equal('claude-haiku');
        expect(response.headers.get('x-gateway-attempt')).to.equal('2');
        expect(response.headers.get('x-gateway-failed-attempts')).to.equal(`gpt-luna;${told}`);
        expect(stack.openai.requests).to.have.length(1);
        const record = await stack.auditOf(response.headers.get('x-gateway-request-id'));
        expect(record).to.include({ outcome: 'ok', status: 200, response_model: 'claude-haiku-5-5-20260901' });
        expect(record.attempts.map(({ number, target, outcome }) => ({ number, target, outcome }))).to.deep.equal([
          { number: 1, target: 'gpt-luna', outcome: /reason=(\w+)/.exec(told)?.[1] },
          { number: 2, target: 'claude-haiku', outcome: 'ok' },
        ]);
        for (const attempt of record.attempts) expect(attempt.duration_ms).to.be.greaterThan(0);
        const [lost, answered] = record.attempts;
        expect(lost?.first_byte_ms).to.equal(null);
        if (stream)
          expect(answered?.first_byte_ms).to.be.within(answered?.duration_ms ?? 0, record.duration_ms.to_first_byte ?? 0);
        else expect(answered?.first_byte_ms).to.equal(null);
      });
    }
  }

  it("an Anthropic caller gets the OpenAI target's answer, streamed", async () => {
    stack.anthropic.script({ kind: 'status', status: 529 });
    const message = await anthropicCaller(stack)
      .messages.stream({ model: 'careful-writer', max_tokens: 50, messages: [{ role: 'user', content: 'hello' }] })
      .finalMessage();
    expect(message.content).to.deep.equal([{ type: 'text', text: 'You said: hello' }]);
    expect(message.model).to.equal('gpt-5.6-luna-2026-08-01');
  });

  it('a refused connection', async () => {
    const answer = await post(stack, '/v1/chat/completions', {
      model: 'refused',
      messages: [{ role: 'user', content: 'hello' }],
    });
    expect(answer.status).to.equal(200);
    expect(answer.headers.get('x-gateway-failed-attempts')).to.equal('nobody;reason=connection_failed');
  });

  it('forty callers at once lose nothing when the first target is down', async () => {
    stack.openai.script({ kind: 'status', status: 529 }, 40);
    const answers = await Promise.all(
      Array.from({ length: 40 }, () =>
        post(stack, '/v1/chat/completions', { model: 'fast-summariser', messages: [{ role: 'user', content: 'hello' }] }),
      ),
    );
    expect(answers.map(({ status }) => status)).to.deep.equal(Array(40).fill(200));
    expect(new Set(answers.map(({ headers }) => headers.get('x-gateway-attempt')))).to.deep.equal(new Set(['2']));
  });

  it("does not fall back from the caller's own mistake, and passes the provider's words on", async () => {
    const answer = await post(stack, '/v1/chat/completions', {
      model: 'fast-summariser',
      messages: [{ role: 'user', content: 'x' }],
      frobnicate: 1,
    });
    expect(answer.status).to.equal(400);
    expect(JSON.parse(answer.text).error.message).to.equal('Unrecognized request argument supplied: frobnicate');
    expect(stack.anthropic.requests).to.have.length(0);
    expect(answer.headers.get('x-gateway-error-source')).to.equal('provider');
  });

  it('asks the next target when the first cannot be told what the caller wants', async () => {
    const body = { max_tokens: 5, messages: [{ role: 'user', content: 'x' }], container: 'c' };
    const moved = await post(stack, '/v1/messages', { model: 'fast-summariser', ...body });
    expect(moved.status).to.equal(200);
    expect(moved.headers.get('x-gateway-target')).to.equal('claude-haiku');
    expect(moved.headers.get('x-gateway-skipped-targets')).to.equal('gpt-luna;reason=not_translatable');
    const record = await stack.auditOf(moved.headers.get('x-gateway-request-id'));
    expect(record.attempts.map(({ outcome }) => outcome)).to.deep.equal(['not_translatable', 'ok']);
  });

  it('goes on over a target in the middle of the chain that cannot be told', async () => {
    const body = { max_tokens: 5, messages: [{ role: 'user', content: 'x' }], container: 'c' };
    const answer = await post(stack, '/v1/messages', { model: 'three-steps', ...body });
    expect(answer.status).to.equal(200);
    expect(answer.headers.get('x-gateway-attempt')).to.equal('2');
    expect(answer.headers.get('x-gateway-failed-attempts')).to.equal('claude-overloaded;reason=overloaded;status=529');
    expect(answer.headers.get('x-gateway-skipped-targets')).to.equal('gpt-luna;reason=not_translatable');
  });

  it('refuses with field and target when none can be told; a strict alias for advisory fields too', async () => {
    const body = { max_tokens: 5, messages: [{ role: 'user', content: 'x' }] };
    const refused = await post(stack, '/v1/messages', { model: 'only-gpt', ...body, container: 'c' });
    expect(refused.status).to.equal(400);
    expect(JSON.parse(refused.text).error.message).to.match(/^container: .*gpt-luna/);
    expect(refused.headers.get('x-gateway-error-source')).to.equal('gateway');
    const lenient = await post(stack, '/v1/messages', { model: 'only-gpt', ...body, top_k: 5 });
    expect(lenient.status).to.equal(200);
    expect(lenient.headers.get('x-gateway-dropped-fields')).to.equal('top_k');
    const strict = await post(stack, '/v1/messages', { model: 'strict-gpt', ...body, top_k: 5 });
    expect(strict.status).to.equal(400);
    expect(JSON.parse(strict.text).error.message).to.contain('top_k').and.contain('strict');
  });

  describe('when every target fails', () => {
    it('the openai SDK raises its InternalServerError, with a Retry-After', async () => {
      for (const stream of [false, true]) {
        const error = await openAiCaller(stack)
          .chat.completions.create({ model: 'all-down', messages: [{ role: 'user', content: 'x' }], stream })
          .then(
            () => undefined,
            (raised: unknown) => raised,
          );
        expect(error).to.be.instanceOf(OpenAI.InternalServerError);
        if (!(error instanceof OpenAI.APIError)) throw new Error('unreachable');
        expect(error.status).to.equal(503);
        expect(error.code).to.equal('chain_exhausted');
        expect(error.headers?.get('retry-after')).to.equal('2');
        expect(error.headers?.get('x-gateway-failed-attempts')).to.equal(
          'gpt-overloaded;reason=overloaded;status=529, claude-overloaded;reason=overloaded;status=529',
        );
      }
    });

    it('@anthropic-ai/sdk raises its InternalServerError, with a Retry-After', async () => {
      for (const stream of [false, true]) {
        const error = await anthropicCaller(stack)
          .messages.create({ model: 'all-down', max_tokens: 5, messages: [{ role: 'user', content: 'x' }], stream })
          .then(
            () => undefined,
            (raised: unknown) => raised,
          );
        expect(error).to.be.instanceOf(Anthropic.InternalServerError);
        if (!(error instanceof Anthropic.APIError)) throw new Error('unreachable');
        expect(error.error).to.nested.include({ type: 'error', 'error.type': 'overloaded_error' });
        expect(error.headers?.get('retry-after')).to.equal('2');
      }
    });

    it('a connection that nobody takes is a refusal too', async () => {
      const answer = await post(
        stack,
        '/v1/messages',
        { model: 'refused-alone', max_tokens: 5, messages: [{ role: 'user', content: 'x' }] },
        { 'anthropic-version': '2023-06-01' },
      );
      expect(answer.status).to.equal(503);
      expect(answer.headers.get('retry-after')).to.equal('5');
      expect(JSON.parse(answer.text)).to.nested.include({ type: 'error', 'error.details.error_code': 'chain_exhausted' });
      expect(answer.headers.get('x-gateway-failed-attempts')).to.equal('nobody;reason=connection_failed');
    });

    it("passes the last provider's Retry-After on", async () => {
      stack.openai.script({ kind: 'status', status: 429, headers: { 'retry-after': '31' } });
      stack.anthropic.script({ kind: 'status', status: 429, headers: { 'retry-after': '17' } });
      const answer = await post(stack, '/v1/chat/completions', {
        model: 'fast-summariser',
        messages: [{ role: 'user', content: 'x' }],
      });
      expect(answer.status).to.equal(503);
      expect(answer.headers.get('retry-after')).to.equal('17');
    });

    it('says nothing of our account: no provider text, no credential trouble', async () => {
      stack.openai.script({ kind: 'status', status: 401 });
      stack.anthropic.script({ kind: 'status', status: 401 });
      const answer = await post(stack, '/v1/chat/completions', {
        model: 'fast-summariser',
        messages: [{ role: 'user', content: 'x' }],
      });
      expect(answer.status).to.equal(503);
      expect(answer.text).to.not.include('mock');
    });
  });
});
