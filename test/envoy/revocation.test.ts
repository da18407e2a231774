/** Pods that share no file of keys: a revocation reaches all of them through Redis. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { CALLER_KEY_REVOCATIONS } from '../../filter/identity/revocations.ts';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { type RedisServer, startRedis } from '../stack/redis.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { ask, type Issued, issue, keys, type Said } from './keys-command.ts';

const PROCESSES = 4;

describe('revocation through Redis, on two pods of two workers with files of their own', () => {
  const directory = mkdtempSync(join(tmpdir(), 'revocation-'));
  const operatorFile = join(directory, 'operator.json');
  const operatorPolicy = policyWith(operatorFile);
  const podFiles = [1, 2].map((pod) => join(directory, `pod-${pod}.json`));
  const podPolicies = podFiles.map(policyWith);
  let redis: RedisServer;
  let stack: Stack;
  let leaked: Issued;
  let later: Issued;
  let good: Issued;

  function policyWith(file: string): string {
    return changedPolicy((policy) => {
      policy.caller_keys = { file };
      policy.identity = { failures_per_minute: 10_000 };
    });
  }
  const revoke = (id: string): Promise<Said> =>
    keys(operatorPolicy, ['revoke', id], { environment: { GATEWAY_REDIS_URL: redis.url } });
  const metric = async (pod: 0 | 1, name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${stack.filters[pod]?.adminPort}/metrics`)).text();
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')
        .at(-1),
    );
  };
  /** Several processes take turns. @returns the statuses that there were */
  const statuses = async (key: string, requests = 6 * PROCESSES): Promise<number[]> => {
    const answers = await Promise.all(Array.from({ length: requests }, () => ask(stack, key)));
    return [...new Set(answers.map(({ status }) => status))];
  };

  before(async () => {
    // What it has is gone when it ends.
    redis = await startRedis({ config: ['appendonly no'] });
    for (const file of [operatorFile, ...podFiles]) writeFileSync(file, '{"version": 1, "keys": []}');
    leaked = await issue(operatorPolicy, '--tenant', 'alpha', '--name', 'leaked');
    later = await issue(operatorPolicy, '--tenant', 'alpha', '--name', 'later');
    good = await issue(operatorPolicy, '--tenant', 'alpha', '--name', 'good');
    for (const file of podFiles) copyFileSync(operatorFile, file);
    stack = await startStack({
      policyPathOf: (pod) => podPolicies[pod - 1] ?? operatorPolicy,
      ...{ order: 'as_written', pods: 2, workers: 2, environment: { GATEWAY_REDIS_URL: redis.url } },
    });
  });
  after(async () => {
    await stack?.stop();
    await redis.stop();
    rmSync(directory, { recursive: true });
  });

  it('all refuse the key within 5 s, and the command says so', async () => {
    for (const { key } of [leaked, later, good]) expect(await statuses(key)).to.deep.equal([200]);
    const asked = Date.now();
    let saidAt = Number.POSITIVE_INFINITY;
    const said = revoke(leaked.id).then((result) => {
      saidAt = Date.now();
      return result;
    });
    let [lastGood, requests] = [asked, 0];
    // Asked over and over for 8 s: a process that has not heard of it would show.
    while (Date.now() - asked < 8_000) {
      const began = Date.now();
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask(stack, leaked.key)));
      requests += answers.length;
      if (answers.some(({ status }) => status === 200)) lastGood = began;
      await sleep(100);
    }
    const { code, stdout } = await said;
    // As the command has it: how long its process takes to start says nothing of the filters.
    const revokedAt = Date.parse(/"revoked_at": ?"([^"]+)"/.exec(readFileSync(operatorFile, 'utf8'))?.[1] ?? '');
    const [refusedAfter, saidAfter] = [lastGood, saidAt].map((at) => Math.round(at - revokedAt));
    console.log(
      `    the last of ${requests} requests was served ${refusedAfter} ms after the key was revoked; the command ended after ${saidAfter} ms`,
    );
    expect(code, stdout).to.equal(0);
    expect(stdout).to.include(`all ${PROCESSES} filter processes that read it refuse the key now`);
    expect(lastGood).to.be.above(asked);
    expect(refusedAfter).to.be.below(5_000);
    // What the command says is so: nobody served it any longer.
    expect(lastGood).to.be.lessThan(saidAt);
    expect(await statuses(good.key)).to.deep.equal([200]);
    for (const pod of [0, 1] as const) {
      expect(await metric(pod, 'gateway_caller_keys{state="revoked"}')).to.equal(1);
      expect(await metric(pod, 'gateway_revocations_known')).to.equal(1);
      expect(await metric(pod, 'gateway_revocations_missing_in_file')).to.equal(1);
      expect(await metric(pod, 'gateway_revocation_feed_age_seconds')).to.be.within(0, 5);
    }
    for (const file of podFiles) expect(readFileSync(file, 'utf8')).to.not.include('revoked_at');
    const list = (await keys(operatorPolicy, ['list', '--redis', redis.url])).stdout;
    expect(list).to.match(new RegExp(`${leaked.id} .* revoked \\(Redis\\)`));
    expect(list).to.match(new RegExp(`${good.id} .* active`));
    const elsewhere = (await keys(podPolicies[0] ?? '', ['list', '--redis', redis.url])).stdout;
    expect(elsewhere).to.match(new RegExp(`${leaked.id} .* revoked \\(Redis, not in this file\\)`));
  });

  it('without Redis what was known stays, over a restart too; the command says what it could not do', async () => {
    await redis.kill();
    expect(await statuses(leaked.key)).to.deep.equal([401]);
    const { code, stdout } = await revoke(later.id);
    expect(code).to.equal(1);
    expect(stdout).to.match(/is revoked in .*operator\.json since .*\nNOT told through Redis \(connect ECONNREFUSED/);
    expect(readFileSync(operatorFile, 'utf8')).to.match(new RegExp(`${later.id}.*revoked_at`));
    expect(await statuses(later.key)).to.deep.equal([200]);

    await stack.filters[0]?.stop('SIGKILL');
    await stack.restart(1);
    await waitFor('both pods', undefined, async () => (await statuses(good.key)).join() === '200');
    expect(await statuses(leaked.key)).to.deep.equal([401]);
    expect(await metric(0, 'gateway_revocation_feed_age_seconds')).to.be.greaterThan(0);
  });

  it('a Redis that comes back empty is told what it has lost, and so is a new pod', async () => {
    await redis.start();
    await waitFor('the revocation to be written back', undefined, async () =>
      (await redis.client.zrangebyscore(CALLER_KEY_REVOCATIONS.keys[0], '-inf', '+inf')).includes(leaked.id),
    );
    await waitFor(
      'all to read it',
      undefined,
      async () => (await redis.client.zcard(CALLER_KEY_REVOCATIONS.keys[2])) === PROCESSES,
    );
    const { code, stdout } = await revoke(later.id);
    expect(code, stdout).to.equal(0);
    expect(await statuses(later.key)).to.deep.equal([401]);

    // A pod that knows nothing but its old file.
    await stack.filters[1]?.stop();
    rmSync(join(stack.directory, 'filter-pod-2-state'), { recursive: true });
    await stack.restart(2);
    await waitFor('both pods', undefined, async () => (await statuses(good.key)).join() === '200');
    for (const { key } of [leaked, later]) expect(await statuses(key)).to.deep.equal([401]);
    expect(await metric(1, 'gateway_revocations_missing_in_file')).to.equal(2);
  });
});
