/** Gateway keys through Envoy: where they come from, how they are exchanged, and whom they serve. */
import { chmodSync, renameSync, symlinkSync } from 'node:fs';
import { expect } from 'chai';
import { waitFor } from '../stack/processes.ts';
import { CALLER_KEYS } from '../stack/stack.ts';
import { carried, keyPools, ONE, TWO } from './key-pools.ts';

describe('gateway keys, through Envoy: where they come from, whom they serve', () => {
  const { path, write, start, ask, metrics } = keyPools();

  it('a key is exchanged by its file under load: no request fails, the new one serves within seconds', async () => {
    const keys = Array.from({ length: 6 }, (_, index) => `quokka-rotated-${index}`);
    // As Kubernetes does it: a link to the folder of the version is exchanged.
    const point = (version: number): void => {
      write(`version-${version}`, `${keys[version]}\n`);
      symlinkSync(path(`version-${version}`), path('link.new'));
      renameSync(path('link.new'), path('link'));
    };
    point(0);
    const stack = await start({ credentials: { rotated: { file: path('link') } }, accepts: keys.slice(0, 1) });
    let running = true;
    const bad: string[] = [];
    const answered = Array.from({ length: 8 }, () => 0);
    const worker = async (index: number): Promise<void> => {
      while (running) {
        const answer = await ask('pool', { stream: index % 2 === 0 });
        answered[index] = (answered[index] ?? 0) + 1;
        if (answer.status !== 200 || answer.headers.get('x-gateway-attempt') !== '1')
          bad.push(`${answer.status} ${answer.text}`);
      }
    };
    const workers = answered.map((_, index) => worker(index));
    for (let version = 1; version < keys.length; version++) {
      stack.openai.accepts.add(keys[version] ?? '');
      const changedAt = performance.now();
      point(version);
      await waitFor('the new key', stack.filter, async () => carried(stack.openai, keys[version] ?? '') > 0);
      expect(performance.now() - changedAt).to.be.lessThan(5_000);
      // The old one is withdrawn once nothing is under way with it any more: whoever has had another answer began on the new one since.
      const seen = [...answered];
      await waitFor('the old key to drain', stack.filter, async () =>
        answered.every((count, index) => count >= (seen[index] ?? 0) + 2),
      );
      stack.openai.accepts.delete(keys[version - 1] ?? '');
    }
    running = false;
    await Promise.all(workers);
    expect(bad).to.deep.equal([]);
    expect(answered.reduce((sum, count) => sum + count, 0)).to.be.greaterThan(100);
  }).timeout(60_000);

  it('keys come from programs and from files of Envoy’s shape; a tenant’s own key serves it alone, and first', async () => {
    const program = write('vault.sh', `#!/bin/sh\necho "quokka-stderr-$MOUNT" >&2\necho '{"key": "quokka-exec-key"}'\n`);
    chmodSync(program, 0o700);
    const sds = { resources: [{ name: 'sds', generic_secret: { secret: { inline_string: 'quokka-sds-key' } } }] };
    const stack = await start({
      credentials: {
        exec: { exec: { command: [program], env: ['MOUNT'] } },
        sds: { file: write('sds.json', JSON.stringify(sds)), format: 'sds' },
        betas: { env: 'KEY_TWO', tenants: ['beta'] },
      },
      accepts: ['quokka-exec-key', 'quokka-sds-key', TWO],
      options: { environment: { MOUNT: 'here' } },
    });
    for (let round = 0; round < 6; round++) expect((await ask()).status).to.equal(200);
    expect([carried(stack.openai, 'quokka-exec-key'), carried(stack.openai, 'quokka-sds-key')]).to.deep.equal([3, 3]);
    expect(carried(stack.openai, TWO)).to.equal(0);
    for (let round = 0; round < 4; round++) expect((await ask('pool', { as: CALLER_KEYS.beta })).status).to.equal(200);
    expect(carried(stack.openai, TWO)).to.equal(4);
    // Set aside, it leaves its tenant to everybody's keys.
    stack.openai.accepts.delete(TWO);
    expect((await ask('pool', { as: CALLER_KEYS.beta })).headers.get('x-gateway-attempt')).to.equal('2');
  });

  it('a tenant for whom the target has no key is refused, told why, and costs no provider a request', async () => {
    const stack = await start({ credentials: { betas: { env: 'KEY_TWO', tenants: ['beta'] } }, accepts: [TWO] });
    const refused = await ask();
    expect(refused.status, refused.text).to.equal(403);
    const { error } = JSON.parse(refused.text);
    expect(error.code).to.equal('no_eligible_target');
    expect(error.message).to.include('(targets: gpt-luna)').and.to.include('platform team');
    expect(refused.headers.get('x-gateway-error-source')).to.equal('policy');
    expect(stack.openai.requests).to.have.length(0);
    const other = await ask('pool-first');
    expect(other.headers.get('x-gateway-target')).to.equal('claude-haiku');
    const { excluded } = await stack.auditOf(other.headers.get('x-gateway-request-id'));
    expect(excluded).to.deep.equal([{ target: 'gpt-luna', rule: 'credential_scope' }]);
    expect((await ask('pool', { as: CALLER_KEYS.beta })).status).to.equal(200);
  });

  it('a draining key serves only while no active one can, and a disabled one never', async () => {
    const stack = await start({
      credentials: {
        old: { file: write('old', ONE), state: 'draining' },
        now: { env: 'KEY_TWO' },
        gone: { file: path('not-there'), state: 'disabled' },
      },
      accepts: [ONE, TWO],
    });
    for (let round = 0; round < 6; round++) expect((await ask()).status).to.equal(200);
    expect(carried(stack.openai, ONE)).to.equal(0);
    stack.openai.accepts.delete(TWO);
    for (let round = 0; round < 6; round++) expect((await ask()).status).to.equal(200);
    expect(carried(stack.openai, ONE)).to.equal(6);
    expect(await metrics()).to.include('gateway_credential_state{credential="gone",state="disabled"} 1');
  });
});
