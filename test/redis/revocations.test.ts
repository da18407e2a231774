/** Revocations on real Redis servers: who hears what, and what becomes of it when a server loses some. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';
import { issueKey } from '../../filter/cli/key-commands.ts';
import { distribute, revokedThere } from '../../filter/cli/key-revocation.ts';
import { isDone, revocationLines, revokeEverywhere } from '../../filter/cli/revoke-key.ts';
import { readTold, revokeValues } from '../../filter/identity/revocation-words.ts';
import { CALLER_KEY_REVOCATIONS as LIST, openRevocations, type Revocations } from '../../filter/identity/revocations.ts';
import type { CallerKeyId } from '../../filter/policy/compiled/names.ts';
import { connectRedis, type RedisSettings } from '../../filter/quota/redis-link.ts';
import { followRevocations, type RevocationFeed } from '../../filter/revocation-feed.ts';
import { waitFor } from '../stack/processes.ts';
import {
  makeTlsFiles,
  type RedisServer,
  startLine,
  startRedis,
  startRedisCluster,
  startWatchedRedis,
} from '../stack/redis.ts';
import { settingsOf } from './stores.ts';

const [REVOKED, LAST, READERS] = LIST.keys;

interface Reader {
  readonly revocations: Revocations<CallerKeyId>;
  readonly feed: RevocationFeed<CallerKeyId>;
}

describe('revocations in Redis', () => {
  const directory = mkdtempSync(join(tmpdir(), 'revocation-feed-'));
  const readers: Reader[] = [];
  let made = 0;
  let server: RedisServer;
  before(async () => {
    server = await startRedis({ config: ['appendonly no'] });
  });
  after(async () => {
    await server.stop();
    rmSync(directory, { recursive: true });
  });
  afterEach(async () => {
    await leave();
    await server.client.flushall();
  });

  const leave = async (): Promise<void> => {
    for (const { feed, revocations } of readers.splice(0)) {
      await feed.close();
      await revocations.written();
    }
  };
  const read = async (redis: RedisSettings, name = `reader-${++made}`): Promise<Reader> => {
    const revocations = openRevocations<CallerKeyId>({
      ...{ list: LIST, file: join(directory, `${name}.json`), wallClock: Date.now, onChange: () => undefined },
      onError: (error) => {
        throw error;
      },
    });
    const feed = await followRevocations({
      ...{ redis, list: LIST, revocations, reader: name, now: () => performance.now(), log: pino({ level: 'silent' }) },
      onNews: () => undefined,
    });
    readers.push({ revocations, feed });
    return { revocations, feed };
  };
  const has = ({ revocations }: Reader, id: string): boolean => revocations.has(id as CallerKeyId);
  const stands = async (id: string, { client }: RedisServer = server): Promise<boolean> =>
    (await client.zscore(REVOKED, id)) !== null;

  it('who reads hears of it, and says so; who comes later knows at once; who leaves is waited for no longer', async () => {
    const settings = settingsOf(server.url);
    expect(await distribute(settings, 'k_early')).to.deep.equal({ outcome: 'unread' });
    const two = [await read(settings), await read(settings)];
    expect(two.map((reader) => has(reader, 'k_early'))).to.deep.equal([true, true]);
    expect(await distribute(settings, 'k_1')).to.deep.equal({ outcome: 'known', processes: 2 });
    expect(two.map((reader) => has(reader, 'k_1'))).to.deep.equal([true, true]);
    const at = await server.client.zscore(REVOKED, 'k_1');
    expect(await distribute(settings, 'k_1')).to.deep.equal({ outcome: 'known', processes: 2 });
    expect(await server.client.zscore(REVOKED, 'k_1')).to.equal(at);
    const said = await revokedThere(settings);
    expect(said.outcome === 'read' && [...said.revoked.keys()]).to.deep.equal(['k_early', 'k_1']);
    await readers.pop()?.feed.close();
    expect(await distribute(settings, 'k_2')).to.deep.equal({ outcome: 'known', processes: 1 });
    for (const key of LIST.keys) expect(await server.client.pttl(key), key).to.be.above(0);
  }).timeout(30_000);

  it('one that does not hear is named', async () => {
    const line = await startLine(server.port);
    try {
      const settings = settingsOf(server.url);
      await read(settings, 'near');
      await read(settingsOf(line.url), 'far');
      await waitFor('both to say so', undefined, async () => (await server.client.zcard(READERS)) === 2);
      line.mode = 'stalled';
      expect(await distribute(settings, 'k_1')).to.deep.equal({ outcome: 'partly', processes: 1, waiting: ['far'] });
      line.mode = 'open';
    } finally {
      await leave();
      await line.stop();
    }
  });

  it('what a server has lost is written back: all of it, or what was told last', async () => {
    const settings = settingsOf(server.url);
    const [one, other] = [await read(settings), await read(settings)];
    for (const id of ['k_1', 'k_2']) await distribute(settings, id);
    await server.client.flushall();
    await waitFor('all', undefined, async () => (await stands('k_1')) && (await stands('k_2')));
    await waitFor('quiet', undefined, async () => (await server.client.zcard(READERS)) === 2);

    // A replica that took over before it had been told: the time before, and without the key.
    const before = await server.client.hget(LAST, 'last');
    await distribute(settings, 'k_3');
    await server.client.multi().zrem(REVOKED, 'k_3').hset(LAST, 'last', Number(before)).exec();
    await waitFor('the last', undefined, () => stands('k_3'));
    expect([has(one, 'k_3'), has(other, 'k_3')]).to.deep.equal([true, true]);
  });

  it('a broken connection is followed by a comparison, since what came later hides what was lost', async () => {
    const line = await startLine(server.port);
    try {
      const reader = await read(settingsOf(line.url));
      await distribute(settingsOf(server.url), 'k_1');
      expect(has(reader, 'k_1')).to.equal(true);
      await server.client.zrem(REVOKED, 'k_1');
      await distribute(settingsOf(server.url), 'k_2');
      line.cut();
      await waitFor('the first', undefined, () => stands('k_1'));
      expect(has(reader, 'k_2')).to.equal(true);
    } finally {
      await leave();
      await line.stop();
    }
  });

  it('what is about to be forgotten is not written back: Redis, by its own clock, may have forgotten it already', async () => {
    const revocations = openRevocations<CallerKeyId>({
      ...{ list: LIST, file: join(directory, 'old.json'), wallClock: Date.now, onChange: () => undefined },
      onError: () => undefined,
    });
    const old = Date.now() - LIST.keepMs + 60_000;
    revocations.learn([
      ['k_old' as CallerKeyId, old],
      ['k_young' as CallerKeyId, Date.now()],
    ]);
    const feed = await followRevocations({
      ...{ redis: settingsOf(server.url), list: LIST, revocations, reader: 'old', now: () => performance.now() },
      ...{ log: pino({ level: 'silent' }), onNews: () => undefined },
    });
    readers.push({ revocations, feed });
    await waitFor('the young one', undefined, () => stands('k_young'));
    expect(await stands('k_old')).to.equal(false);
    expect(revocations.has('k_old' as CallerKeyId)).to.equal(true);
  });

  it('what was known is kept while Redis is away, and a reader that began then hears when it is there', async () => {
    const away = await startRedis({ config: ['appendonly no'] });
    try {
      const settings = settingsOf(away.url);
      await read(settings, 'kept');
      await distribute(settings, 'k_1');
      await leave();
      await away.kill();
      const began = performance.now();
      const again = await read(settings, 'kept');
      expect(performance.now() - began).to.be.within(1_900, 5_000);
      expect(has(again, 'k_1')).to.equal(true);
      const failed = await distribute(settings, 'k_2');
      expect(failed.outcome === 'failed' && failed.reason).to.match(/ECONNREFUSED/);
      expect(again.feed.ageMs()).to.be.above(3_000);
      await away.start();
      await waitFor('what was lost', undefined, () => stands('k_1', away));
      expect(await distribute(settings, 'k_2')).to.deep.equal({ outcome: 'known', processes: 1 });
      expect(again.feed.ageMs()).to.be.below(3_000);
    } finally {
      await leave();
      await away.stop();
    }
  });

  it('is bounded: what somebody asks for displaces the oldest, what is written back does not', async () => {
    const link = connectRedis(settingsOf(server.url), () => undefined);
    const tell = async (ids: readonly string[], whenFull: 'displace' | 'if_room') =>
      readTold(await link.run('revoke', LIST.keys, revokeValues(LIST, ids, whenFull)));
    try {
      await waitFor('the connection', undefined, async () => (await tell(['k_oldest'], 'displace')).at > 0);
      const many = Array.from({ length: LIST.max - 1 }, (_, index) => `k_${index}`);
      await tell(many, 'displace');
      expect((await tell(['k_back'], 'if_room')).at).to.equal(0);
      expect((await tell(['k_new'], 'displace')).at).to.be.above(0);
      expect([await stands('k_oldest'), await stands('k_back'), await stands('k_new')]).to.deep.equal([false, false, true]);
      expect(await server.client.zcard(REVOKED)).to.equal(LIST.max);
    } finally {
      link.close();
    }
  });

  it('a file that cannot be written is told, and the filters all the same', async () => {
    const own = mkdtempSync(join(directory, 'read-only-'));
    const file = join(own, 'caller-keys.json');
    const { made: key } = await issueKey(file, { tenant: 'alpha', name: 'app' }, Date.now());
    const settings = settingsOf(server.url);
    await read(settings);
    // A lock that a living writer holds: root may write what is read-only.
    writeFileSync(`${file}.lock`, 'another');
    chmodSync(file, 0o444);
    const revocation = await revokeEverywhere(file, key.id, settings, Date.now());
    expect(revocation.distribution).to.deep.equal({ outcome: 'known', processes: 1 });
    expect(isDone(revocation)).to.equal(false);
    expect(revocationLines(file, revocation).join()).to.match(/is NOT revoked in .*another process changes the keys/);
    expect(readFileSync(file, 'utf8')).to.not.include('revoked_at');
  });

  it('by TLS, as the ACL user of docs/quota.md; a wrong password is told without it', async () => {
    const files = makeTlsFiles();
    const [right, wrong] = ['right', 'wrong'].map((name) => join(directory, name));
    writeFileSync(right ?? '', 'pass-of-the-gateway\n');
    writeFileSync(wrong ?? '', 'wrong-password\n');
    const rules = readFileSync('docs/quota.md', 'utf8').match(/^`(~\{mg:\*[^`]*)`/m)?.[1];
    const secured = await startRedis({
      config: [
        ...[`tls-cert-file ${files.certificate}`, `tls-key-file ${files.key}`, `tls-ca-cert-file ${files.ca}`],
        ...['tls-auth-clients no', `user gateway on >pass-of-the-gateway -@all ${rules}`],
        'user default on >pass-of-the-tests ~* &* +@all',
      ],
      client: { password: 'pass-of-the-tests', tls: { ca: readFileSync(files.ca, 'utf8') } },
    });
    try {
      const url = secured.url.replace('rediss://', 'rediss://gateway@');
      const settings = { ...settingsOf(url), caFile: files.ca, passwordFile: right };
      await read(settings);
      expect(await distribute(settings, 'k_1')).to.deep.equal({ outcome: 'known', processes: 1 });
      await secured.client.flushall();
      await waitFor('what was lost', undefined, () => stands('k_1', secured));
      const refused = await distribute({ ...settings, passwordFile: wrong }, 'k_2');
      expect(refused.outcome === 'failed' && refused.reason)
        .to.match(/WRONGPASS/)
        .and.not.include('wrong-password');
      const nowhere = await distribute({ ...settings, passwordFile: join(directory, 'none') }, 'k_2');
      expect(nowhere.outcome === 'failed' && nowhere.reason).to.include('ENOENT');
    } finally {
      await leave();
      await secured.stop();
      rmSync(files.directory, { recursive: true });
    }
  });

  it('on a cluster, and over a failover by sentinels', async () => {
    const cluster = await startRedisCluster();
    try {
      const settings: RedisSettings = { ...settingsOf(...cluster.urls), mode: 'cluster' };
      await read(settings);
      expect(await distribute(settings, 'k_1')).to.deep.equal({ outcome: 'known', processes: 1 });
    } finally {
      await leave();
      await cluster.stop();
    }
    const group = await startWatchedRedis();
    try {
      const settings: RedisSettings = { ...settingsOf(...group.urls), mode: 'sentinel', sentinelName: group.name };
      await read(settings);
      expect(await distribute(settings, 'k_1')).to.deep.equal({ outcome: 'known', processes: 1 });
      await group.master.kill();
      await waitFor('the new master to be read', undefined, async () => {
        const said = await distribute(settings, 'k_2');
        return said.outcome === 'known';
      });
      for (const id of ['k_1', 'k_2']) expect(await stands(id, group.replica), id).to.equal(true);
    } finally {
      await leave();
      await group.stop();
    }
  });
});
