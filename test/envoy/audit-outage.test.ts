/** A gateway that may serve nothing without a record, and its audit log on a disk that is full, or not there. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
    let disk: string;
    before(function () {
      disk = mkdtempSync(join(tmpdir(), 'gw-disk-'));
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'none', disk], { stdio: 'ignore' });
      } catch {
        rmSync(disk, { recursive: true });
        // It takes root to have a small disk.
        this.skip();
      }
    });
    after(() => {
      execFileSync('umount', [disk]);
      rmSync(disk, { recursive: true });
    });
    const filler = (): string => join(disk, 'filler');
    const fill = (): void => {
      try {
        writeFileSync(filler(), Buffer.alloc(1 << 20));
      } catch (error) {
        expect(error).to.have.property('code', 'ENOSPC');
      }
    };
    /** Until a record needs a page more than there is. */
    const askUntilFailing = async (started: Stack): Promise<void> => {
      await waitFor('the disk to be found full', started.filter, async () => {
        await ask(started);
        const metrics = await (await fetch(`http://127.0.0.1:${started.filter.adminPort}/metrics`)).text();
        return metrics.includes('gateway_audit_failing 1');
      });
    };

    it('refuse: new requests are refused, those in flight end, and it serves when there is room again', async () => {
      const auditDirectory = join(disk, 'refuse');
      mkdirSync(auditDirectory);
      const started = await startStack({ auditDirectory, environment: { GATEWAY_AUDIT_OUTAGE: 'refuse' } });
      stack = started;
      const { promise: until, resolve } = Promise.withResolvers<void>();
      started.openai.script({ kind: 'held', until }, 1, 'in flight');
      const inFlight = openAiCaller(started).chat.completions.create({
        ...{ model: 'fast-summariser', messages: [{ role: 'user', content: 'in flight' }] },
      });
      await waitFor('the request to be in flight', started.filter, async () => started.openai.asked === 1);
      fill();
      await askUntilFailing(started);
      expect(await isReady(started)).to.equal(false);
      await expectRefusal(started);
      resolve();
      expect((await inFlight).choices).to.have.length(1);
      rmSync(filler());
      await waitFor('it to serve again', started.filter, async () => (await ask(started)) === 200);
      expect(await isReady(started)).to.equal(true);
      await waitFor('all records', started.filter, async () => started.audit().at(-1)?.outcome === 'ok');
      const [report] = await verifyChains(auditDirectory, []);
      expect(report).to.include({ lost: 0, problem: undefined });
    });

    it('serve, the default: requests are served, and their records are written when there is room again', async () => {
      const auditDirectory = join(disk, 'serve');
      mkdirSync(auditDirectory);
      const started = await startStack({ auditDirectory });
      stack = started;
      fill();
      await askUntilFailing(started);
      expect(await isReady(started)).to.equal(true);
      const { headers, status } = await post(started, '/v1/chat/completions', BODY);
      expect(status).to.equal(200);
      rmSync(filler());
      await started.auditOf(headers.get('x-gateway-request-id'));
      const [report] = await verifyChains(auditDirectory, []);
      expect(report).to.include({ lost: 0, problem: undefined });
    });
  });
});
