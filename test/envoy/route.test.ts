/** Route key, zones, deadline, conditions and the contract with the caller, through Envoy. */
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { expect } from 'chai';
import OpenAI from 'openai';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { CALLER_KEYS, type Stack, startStack } from '../stack/stack.ts';
import { anthropicCaller, openAiCaller, post, type RawAnswer } from './callers.ts';

const PATHS = { openai: '/v1/chat/completions', anthropic: '/v1/messages' } as const;

describe('routing, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    const policyPath = changedPolicy((policy) => {
      policy.zones = { eu: { last_resort: ['local'] }, moon: {} };
      policy.audit = { zones: ['eu', 'moon'] };
      Object.assign(policy.targets['claude-haiku'] ?? {}, { zones: ['eu'] });
      const local = {
        cluster: 'local',
        schema: 'openai-chat',
        model: 'gpt-5.6-terra',
        credential: 'local',
        max_output_tokens: 1000,
      };
      policy.credentials = { ...policy.credentials, local: { env: 'MOCK_OPENAI_KEY' } };
      policy.targets['local'] = { ...local, zones: ['eu'] };
      Object.assign(policy.aliases, {
        product: { chain: ['gpt-luna', 'claude-haiku'], fall_back_on: ['throttled', 'context_too_long', 'content_refused'] },
        patient: { chain: ['gpt-luna', 'gpt-luna', 'claude-haiku'] },
        strict: { chain: ['gpt-luna', 'claude-haiku'], fall_back_on: [] },
        quick: { chain: ['gpt-luna', 'claude-haiku'], route: { latency_budget: '1500ms' } },
        // A tenth of it, which is what a fast target is left, is time enough on a busy machine too.
        calm: { chain: ['gpt-luna', 'claude-haiku'], route: { latency_budget: '4s' } },
      });
      const [key] = policy.tenants['alpha']?.caller_keys ?? [];
      Object.assign(key ?? {}, { explain: 'allowed' });
      for (const tenant of Object.values(policy.tenants)) for (const one of tenant.caller_keys ?? []) one.aliases = 'all';
      Object.assign(policy.tenants['beta'] ?? {}, { route: { privacy_zones: ['eu'] } });
    });
    stack = await startStack({ policyPath, order: 'as_written', environment: { GATEWAY_REGION: 'eu-west-1' } });
  });
  after(() => stack.stop());
  // Each test finds targets that are well: the alias's targets would remember the failures of the one before.
  afterEach(async () => {
    for (const mock of stack.mocks) mock.reset();
    await waitFor('all targets to be well', stack.filter, async () => {
      const led = [await ask('patient'), await ask('careful-writer')].map(({ headers }) => headers.get('x-gateway-target'));
      const well = (await metrics()).every((line) => !/state="(down|throttled|probing|recovering)"/.test(line));
      return led[0] === 'gpt-luna' && led[1] === 'claude-haiku' && well;
    });
    for (const mock of stack.mocks) mock.reset();
  });

  const metrics = async (): Promise<string[]> =>
    (await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text())
      .split('\n')
      .filter((line) => line.startsWith('gateway_target_health'));

  const ask = (
    model: string,
    { schema = 'openai' as keyof typeof PATHS, stream = false, key = CALLER_KEYS.alpha as string, ...headers } = {},
  ): Promise<RawAnswer> =>
    post(
      stack,
      PATHS[schema],
      { model, max_tokens: 50, stream, messages: [{ role: 'user', content: 'hello' }] },
      { authorization: `Bearer ${key}`, ...(headers as Record<string, string>) },
    );

  describe('privacy zones', () => {
    it('a zone’s requests go to its targets alone, first and later, and its last resort is the last', async () => {
      for (const stream of [false, true]) {
        stack.anthropic.script({ kind: 'status', status: 529 });
        const answer = await ask('fast-summariser', { key: CALLER_KEYS.beta, stream });
        expect(answer.status, `${answer.text} ${answer.headers.get('x-gateway-failed-attempts')}`).to.equal(200);
        expect(answer.headers.get('x-gateway-target')).to.equal('local');
        expect(answer.headers.get('x-gateway-failed-attempts')).to.match(/^claude-haiku;reason=overloaded/);
      }
      // `local` and gpt-luna share a mock: the model tells them apart.
      const models = stack.openai.requests.map(({ body }) => body?.['model']);
      expect(models).to.deep.equal(['gpt-5.6-terra', 'gpt-5.6-terra']);
    });

    it('when all of a zone fail, the caller is refused and nothing has left it', async () => {
      stack.anthropic.script({ kind: 'status', status: 529 }, 2);
      stack.openai.script({ kind: 'status', status: 503 }, 2);
      const answer = await ask('fast-summariser', { key: CALLER_KEYS.beta, schema: 'anthropic' });
      expect(answer.status).to.equal(503);
      expect(stack.openai.requests.map(({ body }) => body?.['model'])).to.deep.equal(['gpt-5.6-terra']);
      const record = await stack.auditOf(answer.headers.get('x-gateway-request-id'));
      expect(record.route_key?.privacy_zones).to.deep.equal(['eu']);
      expect(record.excluded).to.deep.equal([{ target: 'gpt-luna', rule: 'privacy_zone' }]);
    });

    it('no target in the zone is a refusal that the SDKs read as one of permission', async () => {
      const headers = { 'x-gateway-privacy-zone': 'moon' };
      const request = { model: 'product', messages: [{ role: 'user' as const, content: 'x' }] };
      const raised = (error: unknown): unknown => error;
      const openai = await openAiCaller(stack).chat.completions.create(request, { headers }).catch(raised);
      expect(openai).to.be.instanceOf(OpenAI.PermissionDeniedError);
      expect(String(openai)).to.contain('lies in the privacy zone moon');
      const anthropic = await anthropicCaller(stack)
        .messages.create({ ...request, max_tokens: 5 }, { headers })
        .catch(raised);
      expect(anthropic).to.be.instanceOf(Anthropic.PermissionDeniedError);
      expect(stack.mocks.flatMap(({ requests }) => requests)).to.have.length(0);
    });

    it('embedding calls are bound as well', async () => {
      const answer = await post(
        stack,
        '/v1/embeddings',
        { model: 'fast-summariser', input: 'x' },
        { authorization: `Bearer ${CALLER_KEYS.beta}` },
      );
      expect(answer.status).to.be.within(400, 403);
      expect(stack.openai.requests.filter(({ body }) => body?.['model'] !== 'gpt-5.6-terra')).to.have.length(0);
    });
  });

  describe('the contract', () => {
    it('tells the same on every schema, in headers and in a stream’s comment', async () => {
      for (const schema of ['openai', 'anthropic'] as const) {
        for (const stream of [false, true]) {
          stack.openai.script({ kind: 'status', status: 529 });
          const { headers, text } = await ask('quick', { schema, stream });
          expect(headers.get('x-gateway-target')).to.equal('claude-haiku');
          expect(headers.get('x-gateway-model')).to.equal('claude-haiku-5-5');
          expect(headers.get('x-gateway-attempt')).to.equal('2');
          expect(headers.get('x-gateway-degraded')).to.equal('true');
          expect(headers.get('x-gateway-cache')).to.equal('off');
          expect(headers.get('x-gateway-deadline')).to.match(/^budget=1500, remaining=\d+$/);
          if (!stream) continue;
          const comment = text.slice(0, text.indexOf('\n\n'));
          expect(comment).to.contain(': x-gateway-target: claude-haiku\n').and.contain(': x-gateway-degraded: true\n');
          expect(comment).to.contain(': x-gateway-failed-attempts: gpt-luna;reason=overloaded;status=529\n');
        }
      }
    });

    it('the official SDKs pass over the comment', async () => {
      const openai = await openAiCaller(stack).chat.completions.create({
        ...{ model: 'product', stream: true, messages: [{ role: 'user', content: 'hello' }] },
      });
      let said = '';
      for await (const chunk of openai as AsyncIterable<OpenAI.ChatCompletionChunk>)
        said += chunk.choices[0]?.delta.content ?? '';
      expect(said).to.contain('You said: hello');
      const anthropic = anthropicCaller(stack).messages.stream({
        ...{ model: 'product', max_tokens: 50, messages: [{ role: 'user', content: 'hello' }] },
      });
      expect(await anthropic.finalText()).to.contain('You said: hello');
      const gemini = new GoogleGenAI({ apiKey: CALLER_KEYS.alpha, httpOptions: { baseUrl: stack.url } });
      let told = '';
      for await (const chunk of await gemini.models.generateContentStream({ model: 'product', contents: 'hello' }))
        told += chunk.text ?? '';
      expect(told).to.contain('You said: hello');
      const responses = await openAiCaller(stack).responses.create({ model: 'product', input: 'hello', stream: true });
      let spoken = '';
      for await (const event of responses) if (event.type === 'response.output_text.delta') spoken += event.delta;
      expect(spoken).to.contain('You said: hello');
    });

    it('a caller may rather have no answer than a lesser one', async () => {
      stack.openai.script({ kind: 'status', status: 529 });
      const answer = await ask('product', { 'x-gateway-degradation': 'refused' } as object);
      expect(answer.status).to.equal(503);
      expect(stack.anthropic.requests).to.have.length(0);
    });

    it('explains a route to those who may ask', async () => {
      const headers = { 'x-gateway-explain': '1', 'x-gateway-privacy-zone': 'eu', 'x-gateway-workload-class': 'batch' };
      const answer = await ask('product', headers as object);
      expect(answer.headers.get('x-gateway-explanation')).to.equal(
        'claude-haiku;place=1;rule=eligible, local;place=2;rule=eligible, gpt-luna;excluded=privacy_zone',
      );
      expect(answer.headers.get('x-gateway-route-key')).to.equal(
        'workload_class=batch, privacy_zones=(eu), degradation=allowed',
      );
      const refused = await ask('product', { key: CALLER_KEYS.beta, 'x-gateway-explain': '1' } as object);
      expect(refused.status).to.equal(403);
      expect(refused.text).to.contain('x-gateway-explain');
    });

    it('a header that cannot be read is the caller’s to mend, by name', async () => {
      const answer = await ask('product', { 'x-gateway-latency-budget': 'soon' } as object);
      expect(answer.status).to.equal(400);
      expect(answer.text).to.contain('x-gateway-latency-budget takes a duration');
    });
  });

  describe('the latency budget', () => {
    /** Without a budget nothing would come for 20 s; what comes before this was not waited for. */
    const LATE_MS = 8_000;
    const timed = async (run: () => Promise<RawAnswer>): Promise<RawAnswer & { ms: number }> => {
      const began = performance.now();
      return { ...(await run()), ms: performance.now() - began };
    };

    for (const stream of [false, true]) {
      const kind = stream ? 'stream' : 'plain';
      it(`${kind}: a target that is silent leaves the next one its time`, async () => {
        stack.openai.script({ kind: 'stall' });
        const answer = await ask('calm', { stream });
        expect(answer.status).to.equal(200);
        expect(answer.headers.get('x-gateway-target')).to.equal('claude-haiku');
        expect(answer.headers.get('x-gateway-failed-attempts')).to.equal('gpt-luna;reason=deadline_exceeded');
        expect(Number(/remaining=(\d+)/.exec(answer.headers.get('x-gateway-deadline') ?? '')?.[1])).to.be.greaterThan(0);
      });

      it(`${kind}: when all are silent the refusal comes in time`, async () => {
        stack.openai.script({ kind: 'stall' });
        stack.anthropic.script({ kind: 'stall' });
        const answer = await timed(() => ask('quick', { stream }));
        expect(answer.status).to.equal(504);
        expect(answer.text).to.contain('latency budget of 1500 ms');
        expect(answer.headers.get('retry-after')).to.equal('5');
        expect(answer.ms).to.be.within(1400, LATE_MS);
        const record = await stack.auditOf(answer.headers.get('x-gateway-request-id'));
        expect(record.attempts.map(({ outcome }) => outcome)).to.deep.equal(['deadline_exceeded', 'deadline_exceeded']);
        expect(record.fault).to.equal('deadline_exceeded');
      });
    }

    it('a plain answer that begins in time and does not end in time is refused, not broken', async () => {
      stack.openai.script({ kind: 'stall_after', bytes: 20 });
      const answer = await timed(() => ask('quick'));
      expect(answer.status).to.equal(504);
      expect(answer.ms).to.be.within(1400, LATE_MS);
      expect(answer.headers.get('x-gateway-target')).to.equal(null);
      expect(answer.headers.get('x-gateway-degraded')).to.equal(null);
      expect(answer.headers.get('x-gateway-failed-attempts')).to.match(/;reason=deadline_exceeded;status=200$/);
    });

    it('a stream that has begun in time may go on past it', async () => {
      stack.openai.script({ kind: 'chunks', size: 60, delayMs: 150 });
      const answer = await timed(() => ask('quick', { stream: true }));
      expect(answer.text).to.contain('data: [DONE]');
      expect(answer.ms).to.be.greaterThan(1500);
    });
  });

  describe('what moves on', () => {
    it('a retry on the same target is for failures that may pass', async () => {
      stack.openai.script({ kind: 'status', status: 500 });
      const again = await ask('patient');
      expect(again.headers.get('x-gateway-target')).to.equal('gpt-luna');
      expect(again.headers.get('x-gateway-attempt')).to.equal('2');
      stack.openai.script({ kind: 'status', status: 429, headers: { 'retry-after': '1' } }, 2);
      const moved = await ask('patient');
      expect(moved.headers.get('x-gateway-target')).to.equal('claude-haiku');
      expect(moved.headers.get('x-gateway-attempt')).to.equal('2');
      expect(stack.openai.requests).to.have.length(3);
    });

    it('a throttled target is left alone until its time', async () => {
      const waitMs = 2_000;
      stack.openai.script({ kind: 'status', status: 429, headers: { 'retry-after': String(waitMs / 1000) } });
      const began = performance.now();
      await ask('patient');
      for (let asked = 0; ; asked++) {
        const answer = await ask('patient');
        // Its time cannot have come before this, however slow the machine is.
        if (performance.now() - began >= waitMs) {
          expect(asked).to.be.greaterThan(0);
          break;
        }
        expect(answer.headers.get('x-gateway-target'), 'asked the throttled one').to.equal('claude-haiku');
        expect(answer.headers.get('x-gateway-attempt')).to.equal('1');
      }
      await waitFor(
        'a probe',
        stack.filter,
        async () => (await ask('patient')).headers.get('x-gateway-target') === 'gpt-luna',
      );
    });

    for (const [what, message] of [
      [
        'a context that is too long',
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 tokens.",
      ],
    ] as const) {
      for (const stream of [false, true]) {
        it(`${what}, where the policy says so: ${stream ? 'stream' : 'plain'}`, async () => {
          const body = JSON.stringify({
            error: { message, type: 'invalid_request_error', param: 'messages', code: 'context_length_exceeded' },
          });
          const raw = { kind: 'raw', status: 400, headers: { 'content-type': 'application/json' }, body } as const;
          stack.openai.script(raw);
          const moved = await ask('product', { stream });
          expect(moved.status, moved.text).to.equal(200);
          expect(moved.headers.get('x-gateway-target')).to.equal('claude-haiku');
          stack.openai.script(raw);
          const kept = await ask('patient', { stream });
          expect(kept.status).to.equal(400);
          expect(kept.text).to.contain('maximum context length');
        });
      }
    }

    it('a content refusal, where the policy says so', async () => {
      const body = JSON.stringify({
        error: { message: 'Blocked.', type: 'invalid_request_error', param: 'prompt', code: 'content_filter' },
      });
      const raw = { kind: 'raw', status: 400, headers: { 'content-type': 'application/json' }, body } as const;
      stack.openai.script(raw);
      expect((await ask('product')).headers.get('x-gateway-target')).to.equal('claude-haiku');
      stack.openai.script(raw);
      expect((await ask('patient')).status).to.equal(400);
    });

    it('a caller’s own mistake is asked once, and told in the provider’s words', async () => {
      const body = JSON.stringify({
        error: { message: 'temperature must be at most 2', type: 'invalid_request_error', param: 'temperature', code: null },
      });
      for (const alias of ['product', 'patient', 'strict']) {
        stack.openai.script({ kind: 'raw', status: 400, headers: { 'content-type': 'application/json' }, body });
        const answer = await ask(alias);
        expect(answer.status).to.equal(400);
        expect(answer.text).to.contain('temperature must be at most 2');
      }
      expect(stack.anthropic.requests).to.have.length(0);
    });

    it('with no conditions only a target that is not available moves on', async () => {
      stack.openai.script({ kind: 'status', status: 429, headers: { 'retry-after': '1' } });
      const throttled = await ask('strict');
      expect(throttled.status).to.equal(503);
      expect(stack.anthropic.requests).to.have.length(0);
    });
  });
});
