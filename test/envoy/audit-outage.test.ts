/** A gateway that may serve nothing without a record, and its audit log on a disk that is full, or not there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { expect } from 'chai';
import OpenAI from 'openai';
import { verifyChains } from '../../filter/cli/audit-verify.ts';
import { waitFor } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { anthropicCaller, openAiCaller, post } from './callers.ts';

const MESSAGES = [{ role: 'user' as const, content: 'x' }];
const BODY = { model: 'fast-summariser', messages: MESSAGES };

const raised = (error: unknown): unknown => error;
const ask = async (stack: Stack): Promise<number> => (await post(stack, '/v1/chat/completions', BODY)).status;
const isReady = async ({ filter }: Stack): Promise<boolean> =>
  (await fetch(`http://127.0.0.1:${filter.adminPort}/readyz`)).ok;

async function expectRefusal(stack: Stack): Promise<void> {
  const asked = stack.openai.asked;
  const openai = await openAiCaller(stack).chat.completions.create(BODY).catch(raised);
  const anthropic = await anthropicCaller(stack)
    .messages.create({ ...BODY, max_tokens: 9 })
    .catch(raised);
  expect(openai).to.be.instanceOf(OpenAI.InternalServerError).with.property('status', 503);
  expect(anthropic).to.be.instanceOf(Anthropic.InternalServerError).with.property('status', 503);
  const { headers, text } = await post(stack, '/v1/chat/completions', BODY);
  expect(headers.get('retry-after')).to.equal('2');
  expect(text).to.contain('audit_unavailable');
  expect(stack.openai.asked).to.equal(asked);
}

describe('without an audit log', () => {
  let directory: string;
  let stack: Stack | undefined;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gw-outage-'));
  });
  afterEach(async () => {
    await stack?.stop();
    stack = undefined;
    rmSync(directory, { recursive: true, force: true });
  });

  for (const workers of [1, 2])
    it(`${workers} process(es) that begin without a place for it refuse, and serve when there is one`, async () => {
      const blocked = join(directory, 'blocked');
      writeFileSync(blocked, 'a file where a directory should be');
      const auditDirectory = join(blocked, 'audit');
      const started = await startStack({ auditDirectory, workers, environment: { GATEWAY_AUDIT_OUTAGE: 'refuse' } });
      stack = started;
      expect(await isReady(started)).to.equal(false);
      await expectRefusal(started);
      rmSync(blocked);
      await waitFor('all to serve again', started.filter, async () => {
        const statuses = await Promise.all(Array.from({ length: 8 }, () => ask(started)));
        return statuses.every((status) => status === 200);
      });
      expect(await isReady(started)).to.equal(true);
      await waitFor('the records of what was refused', started.filter, async () =>
        started.audit().some(({ fault, outcome }) => fault === 'audit_unavailable' && outcome === 'failed'),
      );
      for (const { problem } of await verifyChains(auditDirectory, [])) expect(problem).to.equal(undefined);
    });

  describe('on a disk that is full', () => {
    /** As to the process: the kernel takes nothing more from it into any file, and says so as it does on a full disk (EFBIG for ENOSPC). */
    const limitFiles = ({ filter: { pid } }: Stack, to: '0' | 'unlimited'): void => {
      execFileSync('prlimit', ['--pid', String(pid), `--fsize=${to}:`]);
    };
    const askUntilFailing = async (started: Stack): Promise<void> => {
      await waitFor('the disk to be found full', started.filter, async () => {
        await ask(started);
        const metrics = await (await fetch(`http://127.0.0.1:${started.filter.adminPort}/metrics`)).text();
        return metrics.includes('gateway_audit_failing 1');
      });
    };

    it('refuse: new requests are refused, those in flight end, and it serves when there is room again', async () => {
      const auditDirectory = join(directory, 'refuse');
      const started = await startStack({ auditDirectory, environment: { GATEWAY_AUDIT_OUTAGE: 'refuse' } });
      stack = started;
      const { promise: until, resolve } = Promise.withResolvers<void>();
      started.openai.script({ kind: 'held', until }, 1, 'in flight');
      const inFlight = openAiCaller(started).chat.completions.create({
        ...{ model: 'fast-summariser', messages: [{ role: 'user', content: 'in flight' }] },
      });
      await waitFor('the request to be in flight', started.filter, async () => started.openai.asked === 1);
      limitFiles(started, '0');
      await askUntilFailing(started);
      expect(await isReady(started)).to.equal(false);
      await expectRefusal(started);
      resolve();
      expect((await inFlight).choices).to.have.length(1);
      limitFiles(started, 'unlimited');
      await waitFor('it to serve again', started.filter, async () => (await ask(started)) === 200);
      expect(await isReady(started)).to.equal(true);
      await waitFor('all records', started.filter, async () => started.audit().at(-1)?.outcome === 'ok');
      const [report] = await verifyChains(auditDirectory, []);
      expect(report).to.include({ lost: 0, problem: undefined });
    });

    it('serve, the default: requests are served, and their records are written when there is room again', async () => {
      const auditDirectory = join(directory, 'serve');
      const started = await startStack({ auditDirectory });
      stack = started;
      limitFiles(started, '0');
      await askUntilFailing(started);
      expect(await isReady(started)).to.equal(true);
      const { headers, status } = await post(started, '/v1/chat/completions', BODY);
      expect(status).to.equal(200);
      limitFiles(started, 'unlimited');
      await started.auditOf(headers.get('x-gateway-request-id'));
      const [report] = await verifyChains(auditDirectory, []);
      expect(report).to.include({ lost: 0, problem: undefined });
    });
  });
});
