/** kill -9 of the process that exports, and is the workers' parent: they end what they hold while others of their names begin. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { verifyChains } from '../../filter/cli/audit-verify.ts';
import { linkOf } from '../../filter/observability/audit-line.ts';
import { post } from '../envoy/callers.ts';
import { startOtlpCollector } from '../stack/otlp-collector.ts';
import { waitFor } from '../stack/processes.ts';
import { startRedis } from '../stack/redis.ts';
import { startStack } from '../stack/stack.ts';

const CHAT = '/v1/chat/completions';
const ASKED = { model: 'fast-summariser', messages: [{ role: 'user', content: 'x' }] };

function linesIn(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .filter((line) => linkOf(line) !== undefined);
}

describe('audit export, when the supervisor is killed', () => {
  it('has every record of old and new workers, in whole chains, though they overlap', async () => {
    const redis = await startRedis();
    const collector = await startOtlpCollector();
    const stack = await startStack({
      workers: 2,
      environment: {
        GATEWAY_AUDIT_EXPORT: 'redis,otlp',
        GATEWAY_AUDIT_REDIS_URL: redis.url,
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${collector.url}/v1/logs`,
      },
    });
    const audits = join(stack.directory, 'audit');
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    try {
      const workers = childrenOf(stack.filter.pid);
      stack.openai.script({ kind: 'held', until: released }, 6, 'held');
      const begun = stack.openai.asked;
      const held = Array.from({ length: 6 }, () =>
        post(stack, CHAT, { ...ASKED, messages: [{ role: 'user', content: 'held' }] }),
      );
      await waitFor('the held ones', stack.filter, async () => stack.openai.asked === begun + 6);
      for (let index = 0; index < 20; index++) await post(stack, CHAT, ASKED);

      process.kill(stack.filter.pid, 'SIGKILL');
      await stack.filter.exited;
      await stack.restart(1);
      let answered = 0;
      await waitFor('answers of new workers', undefined, async () => {
        if ((await post(stack, CHAT, ASKED)).status === 200) answered += 1;
        return answered === 20;
      });
      release();
      const statuses = (await Promise.all(held)).map(({ status }) => status);
      expect(statuses).to.deep.equal(Array(6).fill(200));
      await waitFor('the old workers to end', undefined, async () => workers.every((pid) => !isAlive(pid)));

      const sent = async (): Promise<readonly Set<string>[]> => [
        new Set((await redis.client.xrange('gateway:audit', '-', '+')).map(([, [, , , , , line]]) => line ?? '')),
        new Set(collector.logs.map(({ body }) => body)),
      ];
      await waitFor('all records', undefined, async () => {
        const lines = linesIn(audits);
        return lines.length >= 46 && (await sent()).every((set) => lines.every((line) => set.has(line)));
      });
      const ok = linesIn(audits).filter((line) => line.includes('"outcome":"ok"'));
      expect(ok.length).to.be.at.least(46);
      for (const report of await verifyChains(audits, [])) expect(report).to.deep.include({ problem: undefined });
      expect(collector.violations).to.deep.equal([]);
    } finally {
      release();
      await stack.stop();
      await collector.close();
      await redis.stop();
    }
  }).timeout(120_000);
});

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
