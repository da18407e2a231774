import { expect } from 'chai';
import { redactBody } from '../../../filter/observability/redact.ts';
import { compile } from '../../../filter/policy/compile.ts';
import type { RedactedField } from '../../../filter/policy/compiled/body-recording.ts';
import type { TenantId } from '../../../filter/policy/compiled/names.ts';
import type { PolicyDocument } from '../../../filter/policy/document.ts';

const SECRETS: Readonly<Record<string, string>> = {
  openai: 'sk-proj-AbCdEf0123456789AbCdEf0123456789',
  anthropic: 'sk-ant-api03-AbCdEf0123456789_AbCdEf-0123456789',
  caller: 'gk-0123456789abcdefghijABCDEFGHIJ01234567',
  aws: 'AKIAIOSFODNN7EXAMPLE',
  google: `AIza${'Sy0123456789abcdefghijABCDEFGHIJ012'}`,
  github: `ghp_${'0123456789abcdefghijABCDEFGHIJ012345'}`,
  'fine-grained github': `github_pat_${'0123456789_abcdefghijABCDEFGHIJ012345'}`,
  jwt: 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl',
  bearer: 'Bearer abcdefghijklmnop.qrstuv',
  email: 'jane.doe+x@mail.example.com',
  'email of another alphabet': 'jürgen@müller.example',
  card: '4111 1111 1111 1111',
};

const whole = (body: unknown, fields: readonly RedactedField[] = []): string =>
  redactBody(typeof body === 'string' ? body : JSON.stringify(body), fields, 'whole') ?? 'undefined';

/** Fields as a policy has them. */
function fields(...redact: string[]): readonly RedactedField[] {
  const document: PolicyDocument = {
    ...{ version: 1, targets: {}, aliases: {} },
    tenants: { t: { record_bodies: { request: true, redact } } },
  };
  const compiled = compile(document, { version: 'v', baseDirectory: '/' });
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  return compiled.policy.recordedBodies.get('t' as TenantId)?.redact ?? [];
}

/** A stream of Chat Completions that sends `text` in pieces of `size` characters. */
function streamOf(text: string, size: number): string {
  const pieces = text.match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? [];
  const events = pieces.map((content) => ({
    id: 'c-1',
    created: 1_700_000_000,
    choices: [{ index: 0, delta: { content } }],
  }));
  return `: x-gateway-target: t\n\n${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`;
}

function textOf(stream: string): string {
  return [...stream.matchAll(/^data: (\{.*)$/gm)].map(([, json = '']) => JSON.parse(json).choices[0].delta.content).join('');
}

describe('redaction of bodies', () => {
  for (const [what, secret] of Object.entries(SECRETS)) {
    it(`${what}: in a text, after an escape, as a name, in JSON inside of a text`, () => {
      const bodies = [
        { a: `it is ${secret}, yes` },
        { a: [`\n${secret}\n`, `é${secret}`] },
        { [secret]: 1 },
        { a: JSON.stringify({ b: secret }) },
      ];
      for (const body of bodies) {
        const told = whole(body);
        expect(told).to.contain('[redacted ');
        expect(told).not.to.contain(secret.slice(-10));
        expect(() => JSON.parse(told), told).not.to.throw();
      }
    });

    it(`${what}: wherever a stream has cut it`, () => {
      for (let size = 1; size < 30; size++) {
        const told = whole(streamOf(`before ${secret} after`, size));
        expect(textOf(told)).to.match(/^before (Bearer )?\[redacted \w+\] after$/);
      }
    });

    it(`${what}: nothing of it is left wherever the cap falls`, () => {
      for (const body of [
        JSON.stringify({ m: [{ content: `before ${secret} after` }] }),
        streamOf(`before ${secret} after`, 7),
      ]) {
        for (let end = 1; end < body.length; end++) {
          const told = redactBody(body.slice(0, end), [], 'cut') ?? '';
          const pieces = told.startsWith('{')
            ? told
            : [...told.matchAll(/"content":"([^"]*)"?/g)].map(([, piece]) => piece).join('');
          expect(pieces, `${end}: ${told}`).not.to.contain(secret.replace('Bearer ', '').slice(0, 4));
        }
      }
    });
  }

  it('what was written with escapes', () => {
    expect(whole('{"a":"jane\\u0040example.com"}')).to.equal('{"a":"[redacted email]"}');
  });

  it('a card’s number only when its check digit is right, as a number too', () => {
    expect(whole({ a: '4111 1111 1111 1112', b: 4111111111111111, c: 1700000000 })).to.equal(
      '{"a":"4111 1111 1111 1112","b":"[redacted card]","c":1700000000}',
    );
  });

  it('fields by name, at any depth and of any kind, and by path', () => {
    const body = {
      Password: 'x',
      a: [{ password: { deep: ['x'] } }, { password: 7, keep: 'yes' }],
      messages: [{ content: 'x' }, { content: 'x', role: 'user' }],
      content: 'stays',
    };
    expect(JSON.parse(whole(body, fields('password', '$.messages[*].content')))).to.deep.equal({
      Password: '[redacted]',
      a: [{ password: '[redacted]' }, { password: '[redacted]', keep: 'yes' }],
      messages: [{ content: '[redacted]' }, { content: '[redacted]', role: 'user' }],
      content: 'stays',
    });
    expect(whole({ a: [1, 2] }, fields('$.a[1]'))).to.equal('{"a":[1,"[redacted]"]}');
  });

  it('fields in the arguments of a tool call, in one piece and in many', () => {
    const args = JSON.stringify({ user: 'u', password: 'hunter2' });
    expect(whole({ arguments: args }, fields('password'))).not.to.contain('hunter2');
    const stream = streamOf(args, 5);
    expect(textOf(whole(stream, fields('password')))).to.equal('{"user":"u","password":"[redacted]"}');
  });

  it('a field whose value the cap cuts', () => {
    const body = '{"password":"hunter2 and more';
    for (let end = 12; end <= body.length; end++)
      expect(redactBody(body.slice(0, end), fields('password'), 'cut')).not.to.contain('hunter');
  });

  it('base64: in data URLs and on its own; its size is told', () => {
    const data = Buffer.alloc(900, 'picture').toString('base64');
    const told = whole({ url: `data:image/png;base64,${data}`, data, short: 'aGk=' });
    expect(told).to.equal(
      `{"url":"[base64, ${data.length + 22} characters]","data":"[base64, 1200 characters]","short":"aGk="}`,
    );
  });

  it('choices that come mixed are texts of their own', () => {
    const event = (index: number, content: string): string =>
      `data: ${JSON.stringify({ choices: [{ index, delta: { content } }] })}\n\n`;
    const told = whole(event(0, 'jane@ex') + event(1, 'ok') + event(0, 'ample.com'));
    expect(told).to.contain('[redacted email]').and.not.to.contain('jane');
    expect(told).to.contain('"ok"');
  });

  it('a stream whose events say an index now and then, and carry one choice or several', () => {
    const [one, two] = ['key sk-ant-api03-AbCdEf', '0123456789AbCdEf ok'];
    const gemini = (index: object, text: string): object => ({ candidates: [{ content: { parts: [{ text }] }, ...index }] });
    const choice = (index: number, content: string, more = {}): object => ({ index, delta: { content, ...more } });
    const streams = [
      [gemini({}, one), gemini({ index: 0 }, two)],
      [{ choices: [choice(0, one), choice(1, 'x')] }, { choices: [choice(1, 'y')] }, { choices: [choice(0, two)] }],
      [{ choices: [choice(1, 'x'), choice(0, one)] }, { choices: [choice(0, two)] }],
      [{ choices: [choice(0, one)] }, { choices: [choice(0, two, { annotations: [{ start_index: 4 }] })] }],
    ];
    for (const events of streams) {
      const told = whole(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''));
      expect(told).to.contain('key [redacted key] ok').and.not.to.contain('AbCdEf');
    }
  });

  it('likelihoods of tokens, which spell the text out', () => {
    const { anthropic = '' } = SECRETS;
    const content = [...anthropic].map((token) => ({ token, bytes: [...Buffer.from(token)] }));
    const bodies = [
      { choices: [{ message: { content: 'ok' }, logprobs: { content } }] },
      { output: [{ content: [{ text: 'ok', logprobs: content }] }] },
      { candidates: [{ logprobsResult: { chosenCandidates: content } }] },
    ];
    for (const body of bodies) expect(whole(body)).to.match(/"logprobs(Result)?":"\[redacted\]"/);
    const nothing = '{"logprobs":true,"a":{"logprobs":null},"b":{"logprobs": [ ]},"c":{"logprobs":"tokens"}}';
    expect(whole(nothing)).to.equal(nothing);
  });

  it('what has nothing of the kind stays as it is, byte for byte', () => {
    const body = '{ "a" : [ 1.5e3, true, null, {} , [] ],\n "b": "x\\u00e9\\n \\"q\\"" }';
    expect(whole(body)).to.equal(body);
    expect(whole(streamOf('hello world', 3))).to.equal(streamOf('hello world', 3));
  });

  it('what is no JSON is not kept, from where it is none', () => {
    expect(redactBody('password=hunter2', [], 'whole')).to.equal(undefined);
    expect(whole('{"a":1, password: "hunter2"}')).to.equal('{"a":1, [not JSON]');
    expect(whole('{"a":1} hunter2')).to.equal('{"a":1}[not JSON]');
  });

  it('fields by name in JSON that stands among other words, or whose text has words of ours', () => {
    const secret = { password: 'hunter2' };
    const texts = [
      `${JSON.stringify(secret)} is it`,
      `it is ${JSON.stringify(secret)}`,
      `{"a":1}\n${JSON.stringify(secret)}`,
      JSON.stringify([1, secret]),
      JSON.stringify([null, secret]),
      JSON.stringify({ note: '[not JSON]', ...secret }),
      `{ not JSON } ${JSON.stringify(secret)}`,
    ];
    for (const text of texts) {
      const told = whole({ arguments: text }, fields('password'));
      expect(told).not.to.contain('hunter2');
      expect(JSON.parse(told).arguments).to.equal(text.replace('hunter2', '[redacted]'));
    }
  });

  it('what an escape that is told as text stands before', () => {
    const { openai = '', bearer = '' } = SECRETS;
    expect(whole({ code: `print("\\n${openai}\\n${bearer}")` })).to.equal(
      '{"code":"print(\\"\\\\n[redacted key]\\\\nBearer [redacted token]\\")"}',
    );
    // No JSON, as it has a control character in a string: what it means is plain all the same.
    expect(whole(`{"a":"\tjane\\u0040example.com"}`)).to.equal('{"a":"\\t[redacted email]"}');
  });

  it('of an event stream all lines, not only those with JSON', () => {
    const { openai = '' } = SECRETS;
    const first = `data: {"a":"\u2028${openai} \u2029${openai}","password":"hunter2"}\n\n`;
    const told = whole(
      `${first}: ${openai}\nevent: ${openai}\ndata: hunter2\npast: {"password":"hunter2"}\ndata: [DONE]\r\rdata: {"b":\ndata: "hunter2"}\n\n`,
      fields('password'),
    );
    expect(told).not.to.contain('hunter2').and.not.to.contain('AbCdEf');
    expect(told).to.contain('\u2029[redacted key]').and.to.contain('data: [DONE]');
  });

  it('takes no longer for a text that is made to take long', () => {
    const texts = ['eyJ-'.repeat(60_000), '{"a":['.repeat(40_000), '[ '.repeat(120_000), '\\'.repeat(240_000)];
    for (const text of texts) {
      const began = performance.now();
      whole({ a: `${text} x` }, fields('password'));
      expect(performance.now() - began, text.slice(0, 8)).to.be.lessThan(1_500);
    }
  });
});
