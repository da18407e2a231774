import { expect } from 'chai';
import fc from 'fast-check';
import { Fault } from '../../../../filter/fault.ts';
import { openAiEmbeddingsCaller } from '../../../../filter/transform/callers/openai-embeddings/caller.ts';
import { openAiPassThroughCaller } from '../../../../filter/transform/callers/openai-pass-through/caller.ts';
import { boundaryOf, formFields } from '../../../../filter/transform/codecs/multipart.ts';
import { modelListPath, renderModels } from '../../../../filter/transform/model-list/model-list.ts';
import { azureOpenAiChatProvider } from '../../../../filter/transform/providers/azure-openai/provider.ts';
import { bedrockCohereEmbeddingsProvider } from '../../../../filter/transform/providers/bedrock-embeddings/provider.ts';
import { vertexEmbeddingsProvider } from '../../../../filter/transform/providers/vertex-embeddings/provider.ts';
import type { OriginalRequest } from '../../../../filter/transform/schema.ts';
import { expectFault } from '../anthropic-messages/bodies.ts';
import { needed, originalOf, targetOf } from '../original.ts';

function form(bytes: Buffer, contentType: string, path = '/v1/audio/transcriptions'): OriginalRequest {
  return {
    line: { path, query: '' },
    bytes,
    json: {},
    header: (name) => (name === 'content-type' ? contentType : undefined),
  };
}

describe('multipart forms', () => {
  it('property: the model alone is changed, whatever the files hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.string(), async (content, language) => {
        const data = new FormData();
        data.set('file', new Blob([content]), 'model"; name="x.bin');
        data.set('language', language);
        data.set('model', 'my-alias');
        const request = new Request('http://x', { method: 'POST', body: data });
        const contentType = request.headers.get('content-type') ?? '';
        const bytes = Buffer.from(await request.arrayBuffer());
        const original = form(bytes, contentType);
        expect(openAiPassThroughCaller.readHead(original)).to.deep.equal({ alias: 'my-alias', stream: false });
        const changed = openAiPassThroughCaller.withModel(original, 'a-much-longer-model');
        expect(changed.toString('latin1')).to.equal(
          bytes.toString('latin1').replace('\r\nmy-alias\r\n', '\r\na-much-longer-model\r\n'),
        );
        const again = await new Response(new Uint8Array(changed), { headers: { 'content-type': contentType } }).formData();
        expect(again.get('model')).to.equal('a-much-longer-model');
        // The platform makes line ends of forms.
        expect(again.get('language')).to.equal(language.replaceAll(/\r\n|\r|\n/g, '\r\n'));
      }),
      { numRuns: 100 },
    );
  });

  it('a field that we read stands there once, as text: readers of others disagree on which one counts', () => {
    const head = (parts: readonly (readonly [disposition: string, text: string])[]) => () => {
      const of = parts.map(([name, text]) => `--b\r\ncontent-disposition: form-data; ${name}\r\n\r\n${text}\r\n`).join('');
      const original = form(Buffer.from(`${of}--b--\r\n`), 'multipart/form-data; boundary=b', '/v1/images/edits');
      return [openAiPassThroughCaller.readHead(original).alias, openAiPassThroughCaller.imagesOf(original)];
    };
    const alias = ['name="model"', 'my-alias'] as const;
    const two = ['name="n"', '2'] as const;
    expect(head([alias, two, ['name="tag[]"', 'a'], ['name="tag[]"', 'b']])()).to.deep.equal(['my-alias', 2]);
    for (const name of ['name="model"', 'name=model', 'name="model"; filename=""'])
      expectFault(head([alias, [name, 'another-model']]), 'body_invalid', 'model', 'several');
    expectFault(head([['name="model"; filename=""', 'another-model']]), 'body_invalid', 'model', 'a file');
    expectFault(head([alias, two, ['name="n"', '10']]), 'body_invalid', 'n', 'several');
    expectFault(head([alias, ['name="stream"', 'false'], ['name="stream"', 'true']]), 'body_invalid', 'stream', 'several');
  });

  it('what readers do not all take for the same parts is refused', () => {
    const alias = '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nmy-alias\r\n';
    const head = (more: string) => () =>
      openAiPassThroughCaller.readHead(form(Buffer.from(`${alias}${more}`), 'multipart/form-data; boundary=b')).alias;
    const part = (headers: string) => `--b\r\n${headers}\r\n\r\nanother-model\r\n--b--\r\n`;
    const read = [
      '--b--',
      '--b--\r\n--b\r\n',
      part('content-type: text/plain\r\ncontent-disposition:form-data;name=x ; filename="a; name=\\"model\\".wav"'),
      part('Content-Disposition: form-data; name="x"; filename*=UTF-8\'\'model'),
    ];
    for (const more of read) expect(head(more)(), more).to.equal('my-alias');
    const disputed = [
      '',
      '--b',
      part('content-disposition: form-data;\r\n name="model"'),
      part('content-disposition: form-data; name="x"\r\ncontent-disposition: form-data; name="model"'),
      part('content-disposition: form-data; name="x"; name="model"'),
      part('content-disposition: form-data; name="x"; name*=UTF-8\'\'model'),
      part("content-disposition: form-data; name*=UTF-8''model"),
      part('content-disposition: form-data; name="mo\\del"'),
      part('content-disposition: form-data; name="x"\ncontent-disposition: form-data; name="model"'),
      part('content-disposition : form-data; name="model"'),
      part('content-disposition: form-data; name="x" name="model"'),
      part('content-disposition: attachment; name="model"'),
      part('x: y'),
      part(`x: ${'y'.repeat(20_000)}\r\ncontent-disposition: form-data; name="x"`),
      part(`content-disposition: form-data; name="${'\\\\;a='.repeat(5_000_000)}`),
      part('content-disposition: form-data; name="x"').replace(
        'another',
        'a\n--b\ncontent-disposition: form-data; name="model"\n\n',
      ),
      part('content-disposition: form-data; name="x"').replace('another', 'a\r\n--bc\r\n'),
      part('content-disposition: form-data; name="model"').replace('\r\n--b--\r\n', ''),
      `${'--b\r\ncontent-disposition: form-data; name="x"\r\n\r\n\r\n'.repeat(1_000)}--b--\r\n`,
    ];
    for (const more of disputed) expectFault(head(more), 'body_invalid', 'body', 'closing boundary');
  });

  it('any bytes are read or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ minLength: 1, maxLength: 5 }), (text, boundary) => {
        for (const body of [text, `--${boundary}\r\n${text}\r\n--${boundary}--`])
          for (const { start, end } of formFields(Buffer.from(body), boundary) ?? []) expect(start).to.be.at.most(end);
      }),
    );
    expect(boundaryOf('multipart/form-data; boundary="a b"; charset=x')).to.equal('a b');
    expect(boundaryOf('multipart/form-data; charset=x; boundary=abc')).to.equal('abc');
    expect(boundaryOf('multipart/form-data')).to.equal(undefined);
    expect(() => openAiPassThroughCaller.readHead(form(Buffer.from('x'), 'multipart/form-data'))).to.throw(
      Fault,
      'boundary',
    );
    expect(() =>
      openAiPassThroughCaller.readHead(form(Buffer.from('--b\r\n\r\n'), 'multipart/form-data; boundary=b')),
    ).to.throw(Fault, 'closing boundary');
  });

  it('speech and streams that are asked for are streams', () => {
    const head = (path: string, json: Record<string, string | boolean>) =>
      openAiPassThroughCaller.readHead(originalOf({ model: 'a', ...json }, { path }));
    expect(head('/v1/audio/speech', {}).stream).to.equal(true);
    expect(head('/v1/completions', { stream: true }).stream).to.equal(true);
    expect(head('/v1/moderations', {}).stream).to.equal(false);
    expect(openAiPassThroughCaller.endpoint({ path: '/v1/images/generations', query: '' })).to.equal('/images/generations');
  });
});

describe('embeddings', () => {
  const parse = (input: unknown, rest = {}) =>
    openAiEmbeddingsCaller.parseRequest(originalOf({ model: 'a', input: input as string, ...rest }));

  it('reads a text, texts, tokens and lists of tokens; says what is wrong with the rest', () => {
    expect(parse('x').inputs).to.deep.equal(['x']);
    expect(parse(['x', 'y']).inputs).to.deep.equal(['x', 'y']);
    expect(parse([1, 2]).inputs).to.deep.equal([[1, 2]]);
    expect(parse([[1], [2]]).inputs).to.deep.equal([[1], [2]]);
    for (const [input, param] of [
      ['', 'input'],
      [[], 'input'],
      [Array(2049).fill('x'), 'input'],
      [[{}], 'input[0]'],
      [[['x']], 'input[0]'],
      [undefined, 'input'],
    ] as const)
      expect(() => parse(input))
        .to.throw(Fault)
        .with.property('param', param);
    expect(() => parse('x', { encoding_format: 'hex' }))
      .to.throw(Fault)
      .with.property('param', 'encoding_format');
    expect(parse('x', { truncate: 'END' }).unmapped).to.deep.equal(['truncate']);
  });

  it('property: base64 is little-endian floats, and the same numbers', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }), (vector) => {
        const answer = JSON.parse(
          openAiEmbeddingsCaller.encodeAnswer({ model: 'm', vectors: [vector] }, originalOf({ encoding_format: 'base64' })),
        );
        const bytes = Buffer.from(answer.data[0].embedding, 'base64');
        expect(vector.map((_, index) => bytes.readFloatLE(index * 4))).to.deep.equal(vector);
      }),
    );
  });

  it('tokens go nowhere that reads text; what a vector is for is told or named', () => {
    const cohere = needed(bedrockCohereEmbeddingsProvider.embeddings);
    expect(() => cohere.encodeRequest(parse([[1]]), targetOf('m')))
      .to.throw(Fault)
      .with.property('param', 'input[0]');
    expect(cohere.encodeRequest(parse('x'), targetOf('m')).dropped).to.deep.equal(['input_type=absent']);
    const told = cohere.encodeRequest(parse('x', { input_type: 'search_query' }), targetOf('m'));
    expect(told).to.deep.include({ dropped: [] });
    expect(told.body['input_type']).to.equal('search_query');
    const vertex = needed(vertexEmbeddingsProvider.embeddings);
    expect(vertex.encodeRequest(parse('x', { dimensions: 8 }), targetOf('text-embedding-005')).body).to.deep.equal({
      instances: [{ content: 'x' }],
      parameters: { autoTruncate: false, outputDimensionality: 8 },
    });
    expect(vertex.path(targetOf('gemini-embedding-2'))).to.match(/:embedContent$/);
    expect(vertex.path(targetOf('gemini-embedding-001'))).to.match(/:predict$/);
  });
});

describe('Azure OpenAI', () => {
  it('knows the errors of its filters and its front door', () => {
    const kind = (status: number, body: unknown): string =>
      azureOpenAiChatProvider.decodeError(status, () => undefined, Buffer.from(JSON.stringify(body))).kind;
    expect(
      kind(400, { error: { code: 'content_filter', message: 'x', innererror: { code: 'ResponsibleAIPolicyViolation' } } }),
    ).to.equal('content_refused');
    expect(kind(404, { error: { code: 'DeploymentNotFound', message: 'x' } })).to.equal('not_found');
    expect(kind(429, { statusCode: 429, message: 'Rate limit is exceeded.' })).to.equal('rate_limit');
    expect(kind(401, { error: { code: '401', message: 'Access denied' } })).to.equal('authentication');
    expect(kind(403, { error: { code: '403', message: 'Out of call volume quota.' } })).to.equal('billing');
  });

  it('has the deployment in its path', () => {
    expect(needed(azureOpenAiChatProvider.chat).path(targetOf('my deployment'), false)).to.equal(
      '/openai/deployments/my%20deployment/chat/completions',
    );
  });
});

describe('model list', () => {
  const aliases = ['a', 'b', 'c', 'd', 'e'];
  const line = (query: string) => ({ path: '/v1/models', query });

  it('knows its paths', () => {
    expect(modelListPath('/v1/models')).to.deep.equal({ style: 'openai', id: undefined });
    expect(modelListPath('/v1/models/a%20b')).to.deep.equal({ style: 'openai', id: 'a b' });
    expect(modelListPath('/v1beta/models')).to.deep.equal({ style: 'gemini', id: undefined });
    for (const path of ['/v1/models/', '/v1/models/a/b', '/v1/model', '/v1beta/models/a:generateContent'])
      expect(modelListPath(path)).to.equal(undefined);
  });

  it('pages as Anthropic does: by cursor, forwards and backwards', () => {
    const page = (query: string) => renderModels('anthropic', aliases, line(query));
    const ids = (query: string) => (page(query)['data'] as { id: string }[]).map(({ id }) => id);
    expect(ids('limit=2')).to.deep.equal(['a', 'b']);
    expect(page('limit=2')).to.deep.include({ has_more: true, first_id: 'a', last_id: 'b' });
    expect(ids('limit=2&after_id=b')).to.deep.equal(['c', 'd']);
    expect(page('limit=2&after_id=d')).to.include({ has_more: false });
    expect(ids('limit=2&before_id=d')).to.deep.equal(['b', 'c']);
    expect(renderModels('anthropic', [], line(''))).to.deep.equal({
      data: [],
      has_more: false,
      first_id: null,
      last_id: null,
    });
    expect(ids('limit=oops')).to.deep.equal(aliases);
  });
});
