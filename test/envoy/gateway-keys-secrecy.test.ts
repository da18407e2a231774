/** Gateway keys through Envoy: none of them is ever seen where it should not be. */
import { chmodSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { readBootstrap } from '../stack/envoy-config.ts';
import { waitFor } from '../stack/processes.ts';
import type { RawAnswer } from './callers.ts';
import { keyPools, ONE, TWO } from './key-pools.ts';

describe('gateway keys, through Envoy: never seen', () => {
  const { write, two, start, ask, log } = keyPools();

  it('a hostile route gets no key of a pool, at no attempt', async () => {
    // It sends every attempt to a cluster that the filter did not choose.
    const bootstrapText = readBootstrap()
      .replace('            name: egress\n', '            name: egress\n            validate_clusters: false\n')
      .replace('override_metadata_namespace: gateway.chain', 'override_metadata_namespace: elsewhere')
      .replace('cluster_name: no_chain, weight: 1', 'cluster_name: anthropic, weight: 1');
    const stack = await start({ credentials: two(), accepts: [ONE, TWO], options: { bootstrapText } });
    for (let round = 0; round < 4; round++) expect((await ask()).status).to.equal(500);
    for (const mock of stack.mocks) expect(mock.requests).to.have.length(0);
  });

  it('nothing of a key is in anything that the gateway writes or answers', async () => {
    const program = write('leaky.sh', '#!/bin/sh\necho quokka-stderr >&2\necho quokka-broken key\nexit 3\n');
    chmodSync(program, 0o700);
    const stack = await start({
      credentials: { ...two(), leaky: { exec: { command: [program] } } },
      accepts: [TWO],
    });
    const answers: RawAnswer[] = [];
    // Providers repeat what they were sent.
    const echo = { kind: 'raw', status: 401, headers: { 'content-type': 'application/json', 'x-echo': ONE } } as const;
    stack.openai.scriptKey(ONE, {
      ...echo,
      body: `{"error":{"message":"Incorrect API key provided: ${ONE}","code":"invalid_api_key"}}`,
    });
    for (let round = 0; round < 4; round++) answers.push(await ask('pool', { stream: round % 2 === 0 }));
    stack.openai.accepts.delete(TWO);
    for (let round = 0; round < 4; round++) answers.push(await ask());
    write('one', 'quokka-bad key');
    await waitFor('the bad file to be told', stack.filter, async () => log().includes('white space'));
    answers.push(await ask('pool-first'));
    await stack.auditOf(answers.at(-1)?.headers.get('x-gateway-request-id') ?? null);
    expect(answers.map(({ status }) => status)).to.include.members([200, 503]);
    expect(log()).to.include('exit code 3');
    const admin = async (page: string): Promise<string> =>
      (await fetch(`http://127.0.0.1:${stack.filter.adminPort}${page}`)).text();
    const envoy = async (page: string): Promise<string> => (await fetch(stack.envoy.adminUrl + page)).text();
    const written: Record<string, string> = {
      answers: JSON.stringify(answers.map(({ headers, text }) => [[...headers], text])),
      ...Object.fromEntries(filesOf(stack.directory).map((file) => [file, readFileSync(file, 'latin1')])),
    };
    for (const page of ['/metrics', '/healthz', '/readyz', '/']) written[`admin ${page}`] = await admin(page);
    for (const page of ['/config_dump', '/config_dump?include_eds', '/clusters', '/stats', '/listeners', '/server_info'])
      written[`envoy ${page}`] = await envoy(page);
    expect(Object.keys(written).some((name) => name.endsWith('.jsonl'))).to.equal(true);
    for (const [where, text] of Object.entries(written)) expect(text.includes('quokka'), where).to.equal(false);
  });
});

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
