/** A session of the console that is signed out of in one pod, and a copy of its cookie in others. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { SessionId } from '../../filter/admin/console/session-cookie.ts';
import { openSignedOut, SIGNED_OUT } from '../../filter/admin/console/signed-out.ts';
import { waitFor } from '../stack/processes.ts';
import { type RedisServer, startLine, startRedis } from '../stack/redis.ts';
import { ANA, silent, snapshot, startConsole, type TestConsole } from '../unit/admin/console-fixture.ts';
import { settingsOf } from './stores.ts';

describe('signing out of the console, with a Redis', () => {
  let server: RedisServer;
  const pods: TestConsole[] = [];
  const startPod = async (url = server.url): Promise<TestConsole> => {
    const pod = await startConsole(() => [snapshot()], 1, settingsOf(url));
    pods.push(pod);
    return pod;
  };
  before(async () => {
    server = await startRedis({ config: ['appendonly no'] });
  });
  after(() => server.stop());
  afterEach(async () => {
    for (const pod of pods.splice(0)) await pod.close();
    await server.client.flushall();
  });

  const signIn = async (pod: TestConsole): Promise<string> => {
    const body = new URLSearchParams({ token: ANA });
    const { headers } = await pod.get('/console/sign-in', { method: 'POST', body });
    return headers.get('set-cookie')?.split(';')[0] ?? '';
  };
  const signOut = (pod: TestConsole, cookie: string) =>
    pod.get('/console/sign-out', { method: 'POST', headers: { cookie } });
  const isIn = async (pod: TestConsole, cookie: string): Promise<boolean> =>
    (await pod.get('/console/', { headers: { cookie } })).status === 200;
  const isOut = async (pod: TestConsole, cookie: string): Promise<boolean> => !(await isIn(pod, cookie));

  it('is known in all pods, and in one that begins later without a file', async () => {
    const [one, other] = [await startPod(), await startPod()];
    const [cookie, stays] = [await signIn(one), await signIn(one)];
    expect([await isIn(other, cookie), await isIn(other, stays)]).to.deep.equal([true, true]);
    await signOut(one, cookie);
    expect(await isOut(one, cookie)).to.equal(true);
    await waitFor('the other pod to know', undefined, () => isOut(other, cookie));
    expect(await isOut(await startPod(), cookie)).to.equal(true);
    for (const pod of pods) expect(await isIn(pod, stays)).to.equal(true);
    // What Redis keeps lets nobody in, and ends when the cookie would have.
    const id = cookie.split('~')[2] ?? '';
    expect(await server.client.zrangebyscore(SIGNED_OUT.keys[0], '-inf', '+inf')).to.deep.equal([id]);
    expect(await server.client.pttl(SIGNED_OUT.keys[0])).to.be.within(12 * 3_600_000, SIGNED_OUT.keepMs);
  });

  it('is known in others though its own pod ends at once', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'signed-out-'));
    const line = await startLine(server.port);
    try {
      // It knows no script: that takes two words, and the second waits for an answer.
      await server.client.script('FLUSH');
      const signedOut = openSignedOut({ stateDirectory: directory, redis: settingsOf(line.url), log: silent });
      await signedOut.ready;
      line.mode = 'stalled';
      await signedOut.add('an-id' as SessionId);
      const closed = signedOut.close();
      line.mode = 'open';
      await closed;
      expect(await server.client.zrangebyscore(SIGNED_OUT.keys[0], '-inf', '+inf')).to.deep.equal(['an-id']);
    } finally {
      await line.stop();
      rmSync(directory, { recursive: true });
    }
  });

  it('is told when Redis is back, by a pod that was started again meanwhile', async () => {
    const away = await startRedis({ config: ['appendonly no'] });
    try {
      const [one, other] = [await startPod(away.url), await startPod(away.url)];
      const cookie = await signIn(one);
      await away.kill();
      await signOut(one, cookie);
      await one.restart();
      expect([await isOut(one, cookie), await isIn(other, cookie)]).to.deep.equal([true, true]);
      await away.start();
      await waitFor('the other pod to know', undefined, () => isOut(other, cookie));
    } finally {
      for (const pod of pods.splice(0)) await pod.close();
      await away.stop();
    }
  });
});
