/** The opt-in guard: what turns out not to be an answer before its first content is the next target's to answer. */
import { expect } from 'chai';
import type { Behaviour } from '../providers/script.ts';
import { changedPolicy } from '../stack/policy.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { openAiCaller, post } from './callers.ts';

const MESSAGES = [{ role: 'user' as const, content: 'Hello there' }];

const BEFORE_CONTENT: readonly (readonly [what: string, behaviour: Behaviour, reason: string])[] = [
  ['an error as its first event', { kind: 'error_in_stream', events: 0 }, 'server_error'],
  ['an error after the event that has no content', { kind: 'error_in_stream', events: 1 }, 'server_error'],
  ['an end before anything', { kind: 'cut_after', bytes: 0, how: 'end' }, 'no_answer'],
  ['an end in the middle of its first event', { kind: 'cut_after', bytes: 20, how: 'end' }, 'no_answer'],
  ['a stall before its content', { kind: 'stall_after', bytes: 60 }, 'deadline_exceeded'],
  [
    'something that is no event',
    { kind: 'raw', status: 200, headers: { 'content-type': 'text/event-stream' }, body: 'data: {oops\n\n' },
    'no_answer',
  ],
];

describe('guard, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    const policyPath = changedPolicy((policy) => {
      policy.aliases['guarded'] = { chain: ['gpt-luna', 'claude-haiku'], guard: { first_content: '500ms' } };
      policy.aliases['guarded-alone'] = { chain: ['gpt-luna'], guard: {} };
    });
    stack = await startStack({ policyPath });
  });
  after(() => stack.stop());
  afterEach(() => {
    stack.openai.reset();
    stack.anthropic.reset();
  });

  for (const [what, behaviour, reason] of BEFORE_CONTENT) {
    it(`a stream that has ${what} moves on`, async () => {
      stack.openai.script(behaviour);
      const { data, response } = await openAiCaller(stack)
        .chat.completions.create({ model: 'guarded', messages: MESSAGES, stream: true })
        .withResponse();
      let text = '';
      for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? '';
      expect(text).to.equal('You said: Hello there');
      expect(response.headers.get('x-gateway-target')).to.equal('claude-haiku');
      expect(response.headers.get('x-gateway-attempt')).to.equal('2');
      expect(response.headers.get('x-gateway-failed-attempts')).to.match(new RegExp(`^gpt-luna;reason=${reason}(;|$)`));
    });
  }

  it('a good stream passes, event by event, and so does a whole answer', async () => {
    const stream = await post(stack, '/v1/chat/completions', { model: 'guarded', messages: MESSAGES, stream: true });
    expect(stream.text).to.contain('"content":"You "').and.contain('data: [DONE]');
    expect(stream.headers.get('x-gateway-attempt')).to.equal('1');
    const whole = await post(stack, '/v1/chat/completions', { model: 'guarded', messages: MESSAGES });
    expect(JSON.parse(whole.text).choices[0].message.content).to.equal('You said: Hello there');
  });

  it('a context that is too long for one target is another one’s to answer; without a guard it is the caller’s to mend', async () => {
    const body = JSON.stringify({
      error: { message: 'too many tokens', type: 'invalid_request_error', code: 'context_length_exceeded' },
    });
    const behaviour: Behaviour = { kind: 'raw', status: 400, headers: { 'content-type': 'application/json' }, body };
    stack.openai.script(behaviour, 2);
    const guarded = await post(stack, '/v1/chat/completions', { model: 'guarded', messages: MESSAGES });
    expect(guarded.status).to.equal(200);
    expect(guarded.headers.get('x-gateway-failed-attempts')).to.equal('gpt-luna;reason=request_refused;status=400');
    const plain = await post(stack, '/v1/chat/completions', { model: 'fast-summariser', messages: MESSAGES });
    expect(plain.status).to.equal(400);
  });

  it("a caller's own mistake does not move on", async () => {
    const answer = await post(stack, '/v1/chat/completions', { model: 'guarded', messages: MESSAGES, frobnicate: 1 });
    expect(answer.status).to.equal(400);
    expect(JSON.parse(answer.text).error.message).to.contain('frobnicate');
    expect(stack.anthropic.requests).to.have.length(0);
  });

  it('the last target has nobody after it: its word is the answer', async () => {
    stack.openai.script({ kind: 'error_in_stream', events: 0 });
    const answer = await post(stack, '/v1/chat/completions', { model: 'guarded-alone', messages: MESSAGES, stream: true });
    expect(answer.text).to.contain('"code":"stream_error"').and.not.contain('[DONE]');
    stack.openai.script({ kind: 'error_in_stream', events: 0 });
    stack.anthropic.script({ kind: 'error_in_stream', events: 0 });
    const both = await post(stack, '/v1/chat/completions', { model: 'guarded', messages: MESSAGES, stream: true });
    expect(both.text).to.contain('"code":"stream_error"').and.not.contain('[DONE]');
  });

  it('many at once', async () => {
    stack.openai.script({ kind: 'error_in_stream', events: 0 }, 20);
    const answers = await Promise.all(
      Array.from({ length: 40 }, () =>
        post(stack, '/v1/chat/completions', { model: 'guarded', messages: MESSAGES, stream: true }),
      ),
    );
    for (const answer of answers) expect(answer.text).to.contain('data: [DONE]');
    expect(answers.filter(({ headers }) => headers.get('x-gateway-attempt') === '2')).to.have.length(20);
  });
});
