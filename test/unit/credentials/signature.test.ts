import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { expect } from 'chai';
import fc from 'fast-check';
import type { OutgoingRequest } from '../../../filter/credentials/credentials.ts';
import { createSigner, sign } from '../../../filter/credentials/signature.ts';
import { canonicalRequest, signatureOf, signingKey, verifySigV4 } from '../../providers/aws-signature.ts';

/** The example keys of AWS's own documentation. */
const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const DATE = new Date('2015-08-30T12:36:00Z');
const HOST = 'bedrock-runtime.us-east-1.amazonaws.com';

const request = (parts: Partial<OutgoingRequest> = {}): OutgoingRequest => ({
  method: 'POST',
  host: undefined,
  path: '/',
  headers: [],
  body: Buffer.alloc(0),
  ...parts,
});

/** What the provider receives. */
const received = (
  host: string,
  asked: OutgoingRequest,
  signed: readonly (readonly [string, string])[],
): IncomingHttpHeaders => ({
  host,
  ...Object.fromEntries(asked.headers),
  ...Object.fromEntries(signed),
});

describe('SigV4', () => {
  describe("AWS's published values", () => {
    it('the derived key of the IAM example', () => {
      const key = signingKey('20150830', { region: 'us-east-1', service: 'iam', secretAccessKey: KEYS.secretAccessKey });
      expect(key.toString('hex')).to.equal('c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9');
    });

    it('the signature of the IAM example, by the checker', () => {
      const headers = {
        'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
        host: 'iam.amazonaws.com',
        'x-amz-date': '20150830T123600Z',
      };
      const canonical = canonicalRequest(headers, ['content-type', 'host', 'x-amz-date'], {
        method: 'GET',
        url: '/?Action=ListUsers&Version=2010-05-08',
        bytes: Buffer.alloc(0),
      });
      expect(createHash('sha256').update(canonical).digest('hex')).to.equal(
        'f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59',
      );
      expect(
        signatureOf(canonical, '20150830T123600Z', {
          region: 'us-east-1',
          service: 'iam',
          secretAccessKey: KEYS.secretAccessKey,
        }),
      ).to.equal('5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7');
    });

    it('post-vanilla of the test suite, by the gateway', async () => {
      const signer = await createSigner(KEYS, 'us-east-1', 'service');
      const signed = await sign(signer, request(), 'example.amazonaws.com', DATE);
      expect(Object.fromEntries(signed)).to.deep.equal({
        authorization:
          'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
        'x-amz-date': '20150830T123600Z',
      });
    });
  });

  it('an inference profile ARN: the path as sent is encoded once more, token and body are signed', async () => {
    const body = Buffer.from('{"messages":[{"role":"user","content":[{"text":"héllo"}]}]}');
    const asked = request({
      path: '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-v1%3A0/converse',
      headers: [
        ['content-type', 'application/json'],
        ['accept', 'application/json'],
        ['accept-encoding', 'identity'],
        ['user-agent', 'model-gateway'],
        ['x-amzn-bedrock-trace', 'ENABLED'],
        ['x-amzn-trace-id', 'Root=1'],
      ],
      body,
    });
    const signer = await createSigner({ ...KEYS, sessionToken: 'the/session+token==' }, 'us-east-1', 'bedrock');
    const signed = Object.fromEntries(await sign(signer, asked, HOST, DATE));

    const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
    const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
    const canonical = `POST
/model/arn%253Aaws%253Abedrock%253Aus-east-1%253A123456789012%253Ainference-profile%252Fus.anthropic.claude-v1%253A0/converse

content-type:application/json
host:${HOST}
x-amz-date:20150830T123600Z
x-amz-security-token:the/session+token==
x-amzn-bedrock-trace:ENABLED

content-type;host;x-amz-date;x-amz-security-token;x-amzn-bedrock-trace
${sha256(body)}`;
    const scope = '20150830/us-east-1/bedrock/aws4_request';
    const key = ['20150830', 'us-east-1', 'bedrock', 'aws4_request'].reduce<string | Buffer>(
      (previous, part) => hmac(previous, part),
      `AWS4${KEYS.secretAccessKey}`,
    );
    const signature = hmac(key, `AWS4-HMAC-SHA256\n20150830T123600Z\n${scope}\n${sha256(canonical)}`).toString('hex');
    expect(signed).to.deep.equal({
      authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/${scope}, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amzn-bedrock-trace, Signature=${signature}`,
      'x-amz-date': '20150830T123600Z',
      'x-amz-security-token': 'the/session+token==',
    });
  });

  const scope = { region: 'us-east-1', service: 'bedrock', secretAccessKey: KEYS.secretAccessKey, now: DATE };

  for (const path of [
    '/model/anthropic.claude-x-v1:0/converse',
    '/model/anthropic.claude-x-v1%3A0/converse',
    '/openai/v1/chat/completions?b=2&a=1&a=0&empty=&x=%20%2F+%C3%A9',
    '/a!(b)*c/~d',
  ]) {
    it(`signs what is sent: ${path}`, async () => {
      const signer = await createSigner(KEYS, 'us-east-1', 'bedrock');
      const asked = request({ path, body: Buffer.from('{}'), headers: [['content-type', 'application/json']] });
      const headers = received(HOST, asked, await sign(signer, asked, HOST, DATE));
      expect(verifySigV4(headers, { method: 'POST', url: path, bytes: asked.body }, scope)).to.equal(undefined);
    });
  }

  it('any path of encoded segments, any body', async () => {
    const signer = await createSigner(KEYS, 'us-east-1', 'bedrock');
    const segment = fc.string({ minLength: 1, unit: 'binary' }).filter((text) => !/^\.{1,2}$/.test(text));
    await fc.assert(
      fc.asyncProperty(fc.array(segment, { minLength: 1, maxLength: 4 }), fc.uint8Array(), async (segments, bytes) => {
        const path = `/${segments.map(encodeURIComponent).join('/')}`;
        const asked = request({ path, body: Buffer.from(bytes) });
        const headers = received(HOST, asked, await sign(signer, asked, HOST, DATE));
        return verifySigV4(headers, { method: 'POST', url: path, bytes: asked.body }, scope) === undefined;
      }),
    );
  });

  describe('the checker refuses', () => {
    const asked = request({ path: '/model/m%3A0/converse', body: Buffer.from('{}') });
    const sent = { method: 'POST', url: asked.path, bytes: asked.body };
    let headers: IncomingHttpHeaders = {};
    before(async () => {
      const signer = await createSigner({ ...KEYS, sessionToken: 's' }, 'us-east-1', 'bedrock');
      headers = received(HOST, asked, await sign(signer, asked, HOST, DATE));
    });

    it('nothing that is right', () => {
      expect(verifySigV4(headers, sent, { ...scope, sessionToken: 's' })).to.equal(undefined);
    });

    for (const [what, said, change] of [
      ['another host', 'does not match', () => [{ host: 'other' }, {}, {}]],
      ['another body', 'does not match', () => [{}, { bytes: Buffer.from('{ }') }, {}]],
      ['another path', 'does not match', () => [{}, { url: '/model/m:0/converse' }, {}]],
      ['another secret', 'does not match', () => [{}, {}, { secretAccessKey: 'x' }]],
      ['another region', 'region', () => [{}, {}, { region: 'eu-west-1' }]],
      ['another service', 'service', () => [{}, {}, { service: 'bedrock-mantle' }]],
      ['an old date', 'expired', () => [{}, {}, { now: new Date(DATE.getTime() + 6 * 60_000) }]],
      ['another token', 'security token', () => [{}, {}, { sessionToken: 't' }]],
      ['a content-type that was not signed', 'content-type is not signed', () => [{ 'content-type': 'a/b' }, {}, {}]],
      ['a plain key', 'AWS4-HMAC-SHA256', () => [{ authorization: 'Bearer x' }, {}, {}]],
    ] as const satisfies [string, string, () => [object, object, object]][]) {
      it(what, () => {
        const [otherHeaders, otherRequest, otherScope] = change();
        expect(
          verifySigV4({ ...headers, ...otherHeaders }, { ...sent, ...otherRequest }, { ...scope, ...otherScope }),
        ).to.include(said);
      });
    }
  });
});
