/** Everything that is not a conversation, with the vendors' SDKs, through Envoy: embeddings, OpenAI's other endpoints, counts, model lists. */
import { GoogleGenAI } from '@google/genai';
import { expect } from 'chai';
import { toFile } from 'openai';
import { vectorOf } from '../providers/embeddings.ts';
import { CHAT_TARGETS, everyProviderPolicy, OTHER_TARGETS } from '../stack/every-provider.ts';
import { CALLER_KEYS, type Stack, startStack } from '../stack/stack.ts';
import { anthropicCaller, openAiCaller, post } from './callers.ts';

describe('endpoints besides chat, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack({ policyPath: everyProviderPolicy() });
  });
  after(() => stack.stop());
  afterEach(() => {
    expect(stack.mocks.flatMap(({ violations }) => violations)).to.deep.equal([]);
    for (const mock of stack.mocks) mock.reset();
  });

  describe('embeddings', () => {
    for (const model of Object.keys(OTHER_TARGETS).filter((name) => name.startsWith('embed-'))) {
      it(`${model}: one text; the SDK asks for base64, and reads floats as well`, async () => {
        for (const format of [undefined, 'float'] as const) {
          const answer = await openAiCaller(stack).embeddings.create({
            ...{ model, input: 'Grüße an alle' },
            ...(format === undefined ? {} : { encoding_format: format }),
          });
          expect(answer.data.map(({ embedding }) => [...embedding])).to.deep.equal([vectorOf('Grüße an alle')]);
          expect(answer.usage.prompt_tokens).to.be.greaterThan(0);
        }
      });
    }

    it('several texts, where the target takes several; where not, a 400 says so', async () => {
      const input = ['one', 'two words', 'three more words'];
      for (const model of ['embed-openai', 'embed-azure', 'embed-cohere', 'embed-vertex']) {
        const { data } = await openAiCaller(stack).embeddings.create({ model, input });
        expect(data.map(({ embedding }) => [...embedding])).to.deep.equal(input.map(vectorOf));
        expect(data.map(({ index }) => index)).to.deep.equal([0, 1, 2]);
      }
      for (const model of ['embed-titan', 'embed-gemini']) {
        const refused = await post(stack, '/v1/embeddings', { model, input });
        expect(refused.status).to.equal(400);
        expect(JSON.parse(refused.text).error).to.include({ param: 'input', code: 'not_translatable' });
      }
    });

    it('bad input is told with its place, and an alias that cannot embed by name', async () => {
      const wrong = await post(stack, '/v1/embeddings', { model: 'embed-titan', input: [{}] });
      expect(JSON.parse(wrong.text).error.param).to.equal('input[0]');
      const chat = await post(stack, '/v1/embeddings', { model: 'anthropic', input: 'x' });
      expect(chat.status).to.equal(400);
      expect(JSON.parse(chat.text).error.message).to.contain('anthropic-messages').and.contain('embeddings');
      const backwards = await post(stack, '/v1/chat/completions', {
        model: 'embed-openai',
        messages: [{ role: 'user', content: 'x' }],
      });
      expect(backwards.status).to.equal(400);
    });

    it('leaves its tokens in the audit', async () => {
      const answer = await post(stack, '/v1/embeddings', { model: 'embed-titan', input: 'four words are here' });
      const record = await stack.auditOf(answer.headers.get('x-gateway-request-id'));
      expect(record).to.include({ caller_schema: 'openai-embeddings', outcome: 'ok' });
      expect(record.usage).to.include({ input_tokens: 4, output_tokens: 0 });
    });
  });

  describe('endpoints of OpenAI’s own shape', () => {
    it('images', async () => {
      const answer = await openAiCaller(stack).images.generate({ model: 'pictures', prompt: 'a dog' });
      expect(answer.data?.[0]?.b64_json).to.equal('aGk=');
      const file = await toFile(Buffer.from('an image'), 'in.png', { type: 'image/png' });
      const edited = await openAiCaller(stack).images.edit({ model: 'pictures', prompt: 'a cat', image: file });
      expect(edited.data?.[0]?.b64_json).to.equal('aGk=');
      expect(stack.openai.requests.at(-1)?.path).to.equal('/v1/images/edits');
    });

    it('images of a model that is priced by the image cost what was made, whole, streamed or out of a form', async () => {
      const each = 40_000_000;
      const client = openAiCaller(stack);
      const whole = await client.images.generate({ model: 'painter', prompt: 'a dog', n: 3 }).withResponse();
      expect(whole.data.data).to.have.length(3);
      const ofWhole = await stack.auditOf(whole.response.headers.get('x-gateway-request-id'));
      expect(ofWhole.usage).to.include({ images: 3, input_tokens: 0, output_tokens: 0, source: 'provider' });
      expect(ofWhole.cost_nano_usd).to.equal(3 * each);

      const streamed = await client.images
        .generate({ model: 'painter', prompt: 'a dog', n: 2, stream: true })
        .withResponse();
      const types: string[] = [];
      for await (const { type } of streamed.data) types.push(type);
      expect(types.filter((type) => type === 'image_generation.completed')).to.have.length(2);
      const ofStream = await stack.auditOf(streamed.response.headers.get('x-gateway-request-id'));
      expect(ofStream.usage).to.include({ images: 2, input_tokens: 5, output_tokens: 272 });
      expect(ofStream.cost_nano_usd).to.equal(2 * each);

      const image = await toFile(Buffer.from('an image'), 'in.png', { type: 'image/png' });
      const edited = await client.images.edit({ model: 'painter', prompt: 'a cat', image, n: 2 }).withResponse();
      const ofEdit = await stack.auditOf(edited.response.headers.get('x-gateway-request-id'));
      expect(ofEdit.usage?.images).to.equal(2);
      expect(ofEdit.cost_nano_usd).to.equal(2 * each);
    });

    it('transcription: a multipart form with a file of some MiB, whose other bytes are untouched', async () => {
      const bytes = Buffer.alloc(3 * 1024 * 1024, 'sound\r\n--not-a-boundary\r\n');
      const file = await toFile(bytes, 'talk.mp3', { type: 'audio/mpeg' });
      const { data, response } = await openAiCaller(stack)
        .audio.transcriptions.create({ model: 'listener', file, language: 'de' })
        .withResponse();
      expect(data.text).to.equal(`heard ${bytes.length} bytes`);
      expect(stack.openai.requests.at(-1)?.body).to.include({ model: 'gpt-transcribe', language: 'de' });
      const record = await stack.auditOf(response.headers.get('x-gateway-request-id'));
      expect(record).to.include({ caller_schema: 'openai-pass-through', alias: 'listener', outcome: 'ok' });
      expect(record.usage).to.include({ input_tokens: 14, output_tokens: 3 });
      const text = await openAiCaller(stack).audio.transcriptions.create({
        model: 'listener',
        file,
        response_format: 'text',
      });
      expect(text).to.equal('Said so.\n');
    });

    it('speech comes as it is, byte for byte', async () => {
      const answer = await openAiCaller(stack).audio.speech.create({ model: 'speaker', voice: 'alloy', input: 'hello' });
      expect(answer.headers.get('content-type')).to.equal('audio/mpeg');
      expect(Buffer.from(await answer.arrayBuffer()).toString()).to.equal('sound of hello'.repeat(1000));
    });

    it('moderations, completions (streamed too), rerank', async () => {
      const { results } = await openAiCaller(stack).moderations.create({ model: 'moderator', input: 'x' });
      expect(results[0]?.flagged).to.equal(false);
      const whole = await openAiCaller(stack).completions.create({ model: 'completer', prompt: 'so it goes' });
      expect(whole.choices[0]?.text).to.equal(' and so');
      let text = '';
      for await (const chunk of await openAiCaller(stack).completions.create({
        model: 'completer',
        prompt: 'so',
        stream: true,
      }))
        text += chunk.choices[0]?.text ?? '';
      expect(text).to.equal(' and so');
      const ranked = await post(stack, '/v1/rerank', { model: 'ranker', query: 'q', documents: ['a', 'b'] });
      expect(JSON.parse(ranked.text).results[0].relevance_score).to.equal(0.9);
    });

    it('a rerank costs what its provider billed, which is no tokens', async () => {
      const documents = Array.from({ length: 150 }, (_, index) => `document ${index}`);
      const { headers, text } = await post(stack, '/v2/rerank', { model: 'cohere-ranker', query: 'q', documents });
      expect(JSON.parse(text).meta.billed_units.search_units).to.equal(2);
      const record = await stack.auditOf(headers.get('x-gateway-request-id'));
      expect(record.usage).to.include({ search_units: 2, input_tokens: 0, source: 'provider' });
      expect(record.cost_nano_usd).to.equal(2 * 2_000_000);
    });

    it('a streamed completion whose provider was not asked for usage is estimated: it is no way round a budget', async () => {
      const { data, response } = await openAiCaller(stack)
        .completions.create({ model: 'completer', prompt: 'so it goes', stream: true })
        .withResponse();
      for await (const { choices } of data) expect(choices).to.have.length(1);
      const record = await stack.auditOf(response.headers.get('x-gateway-request-id'));
      // ' and so', four characters a token.
      expect(record.usage).to.include({ output_tokens: 2, source: 'estimated' });
      expect(record.usage?.input_tokens).to.be.within(3, 30);
      expect(record.cost_nano_usd).to.be.greaterThan(0);
    });

    it("a provider's refusal passes, ours names the field", async () => {
      const theirs = await post(stack, '/v1/audio/speech', { model: 'speaker', voice: 'a' });
      expect(theirs.status).to.equal(400);
      expect(JSON.parse(theirs.text).error.message).to.equal('input: Field required');
      const ours = await post(stack, '/v1/images/generations', { prompt: 'x' });
      expect(JSON.parse(ours.text).error.param).to.equal('model');
      const form = new FormData();
      form.set('file', new Blob(['x']), 'a.mp3');
      const response = await fetch(`${stack.url}/v1/audio/transcriptions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${CALLER_KEYS.alpha}` },
        body: form,
      });
      expect(response.status).to.equal(400);
      expect(JSON.stringify(await response.json())).to.contain('model');
    });
  });

  describe('count_tokens', () => {
    it("asks the provider's own endpoint where it has one", async () => {
      const messages = [{ role: 'user' as const, content: 'How many words are these' }];
      for (const model of ['anthropic', 'openai-responses', 'bedrock-converse', 'vertex-gemini']) {
        const { data, response } = await anthropicCaller(stack).messages.countTokens({ model, messages }).withResponse();
        expect(data.input_tokens, model).to.be.greaterThan(3);
        expect(response.headers.get('x-gateway-target'), model).to.equal(model);
        expect(response.headers.get('x-gateway-token-count')).to.equal(null);
      }
      expect(stack.anthropic.requests[0]?.path).to.equal('/v1/messages/count_tokens');
    });

    it('estimates where it has none, and says so', async () => {
      const answer = await post(stack, '/v1/messages/count_tokens', {
        model: 'local',
        messages: [{ role: 'user', content: 'x'.repeat(400) }],
      });
      expect(JSON.parse(answer.text).input_tokens).to.be.within(100, 130);
      expect(answer.headers.get('x-gateway-token-count')).to.equal('estimated');
      expect(stack.openai.requests).to.have.length(0);
      const wrong = await post(stack, '/v1/messages/count_tokens', { model: 'local', messages: [] });
      expect(wrong.status).to.equal(400);
    });
  });

  describe('model lists', () => {
    it('are what the caller key may use, as each SDK lists them', async () => {
      const listed: string[] = [];
      for await (const { id } of openAiCaller(stack, CALLER_KEYS.beta).models.list()) listed.push(id);
      expect(listed).to.deep.equal(['all-down', 'careful-writer', 'fast-summariser', 'rainy-day']);
      const all: string[] = [];
      // More than a page.
      for await (const { id } of anthropicCaller(stack).models.list({ limit: 5 })) all.push(id);
      expect(all).to.include.members([...Object.keys(CHAT_TARGETS), ...Object.keys(OTHER_TARGETS)]);
      expect(new Set(all).size).to.equal(all.length);
      const google = new GoogleGenAI({ apiKey: CALLER_KEYS.beta, httpOptions: { baseUrl: stack.url } });
      const names: string[] = [];
      for await (const { name } of await google.models.list({ config: { pageSize: 3 } })) names.push(name ?? '');
      expect(names).to.deep.equal(listed.map((id) => `models/${id}`));
    });

    it('one model, and one that is not the caller’s', async () => {
      expect((await openAiCaller(stack).models.retrieve('local')).id).to.equal('local');
      expect((await anthropicCaller(stack).models.retrieve('local')).type).to.equal('model');
      const error = await openAiCaller(stack, CALLER_KEYS.beta)
        .models.retrieve('local')
        .catch((raised: unknown) => raised);
      expect(error).to.have.property('status', 404);
      const nobody = await fetch(`${stack.url}/v1/models`);
      expect(nobody.status).to.equal(401);
    });
  });
});
