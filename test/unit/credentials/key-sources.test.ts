import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type ExecSource, runForKey } from '../../../filter/credentials/exec-key.ts';
import { reasonOf } from '../../../filter/credentials/problem.ts';
import { readSdsFile } from '../../../filter/credentials/sds-file.ts';

describe('keys from programs', () => {
  const run = (script: string, more: Partial<ExecSource> = {}, environment: NodeJS.ProcessEnv = process.env) =>
    runForKey({ from: 'exec', command: ['/bin/sh', '-c', script], variables: [], timeoutMs: 5_000, ...more }, environment);
  const reason = (script: string, more: Partial<ExecSource> = {}): Promise<string> =>
    run(script, more).then(
      () => 'none',
      (error: unknown) => reasonOf(error),
    );

  it('are its output, or the key in its JSON with an end', async () => {
    expect(await run('echo secret-1')).to.deep.equal({ value: 'secret-1' });
    expect(await run(`echo '{"key": "secret-2"}'`)).to.deep.equal({ value: 'secret-2' });
    const expiresAt = Date.parse('2100-01-02T03:04:05Z');
    expect(await run(`echo '{"key":"secret-3","expires_at":"2100-01-02T03:04:05Z"}'`)).to.deep.equal({
      ...{ value: 'secret-3', expiresAt },
    });
  });

  it('get PATH and the variables that are named, and no other', async () => {
    const environment = { PATH: process.env['PATH'], GIVEN: 'given', HIDDEN: 'hidden' };
    const { value } = await run('echo "$GIVEN-$HIDDEN-end"', { variables: ['GIVEN', 'ABSENT'] }, environment);
    expect(value).to.equal('given--end');
  });

  it('failures tell how the program ended, and nothing of what it wrote', async () => {
    expect(await reason('echo secret; echo secret >&2; exit 3')).to.equal('the program ended with exit code 3');
    expect(await reason('kill -9 $$')).to.equal('the program ended with SIGKILL');
    expect(await reason('', { command: ['/no/such/program'] })).to.equal(
      'the program /no/such/program cannot be started: ENOENT',
    );
    expect(await reason('echo secret one'))
      .to.include('white space')
      .and.not.include('secret');
    expect(await reason('')).to.equal("the program's output is not set or empty");
    expect(await reason(`echo '{"secret": 1}'`)).to.equal('the program wrote JSON without a "key"');
    expect(await reason(`echo '{"key":"secret","expires_at":"soon"}'`)).to.include('no RFC 3339 time');
    expect(await reason('head -c 100000 /dev/zero')).to.include('more than 65536 bytes');
  });

  it('one that does not end is ended, with what it holds open', async () => {
    const began = performance.now();
    expect(await reason('sleep 60 & sleep 60', { timeoutMs: 200 })).to.equal('the program did not end in 0.2 s');
    expect(performance.now() - began).to.be.lessThan(5_000);
  });
});

describe('keys from files of Envoy’s shape', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sds-'));
  after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'sds.yaml');
  const read = (text: string, secret = 'mine'): string => {
    writeFileSync(path, text);
    chmodSync(path, 0o600);
    return readSdsFile({ from: 'sds', path, secret });
  };

  it('are the one secret, or the one of the credential’s name; YAML, JSON, text or bytes', () => {
    expect(read('resources:\n- generic_secret: {secret: {inline_string: secret-1}}\n')).to.equal('secret-1');
    expect(read('{"resources":[{"generic_secret":{"secret":{"inline_bytes":"c2VjcmV0LTI="}}}]}')).to.equal('secret-2');
    const two = `resources:
- {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret, name: other, generic_secret: {secret: {inline_string: secret-3}}}
- {name: mine, generic_secret: {secret: {inline_string: secret-4}}}
- {name: mine, tls_certificate: {}}`;
    expect(read(two)).to.equal('secret-4');
    expect(() => read(two, 'third')).to.throw('several secrets, and not exactly one is named "third"');
  });

  it('what is wrong is told without a word of what is there', () => {
    for (const [text, said] of [
      ['resources: [{generic_secret: secret', 'is neither YAML nor JSON'],
      ['resources: []', 'holds no generic_secret'],
      ['secret', 'holds no generic_secret'],
      ['resources: [{generic_secret: {secret: {filename: /secret}}}]', 'is not set or empty'],
      ['resources: [{generic_secret: {secret: {inline_string: "secret two"}}}]', 'white space'],
    ] as const) {
      expect(() => read(text))
        .to.throw(said)
        .with.property('message')
        .that.satisfies((message: string) => !message.replaceAll('generic_secret', '').includes('secret'));
    }
  });
});
