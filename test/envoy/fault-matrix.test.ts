/** Every way to fail, at every place of a chain, whole and streamed, in the caller's schema and in others: one answer, one record, no more asked than needed. */
import { expect } from 'chai';
import type { AuditRecord } from '../../filter/observability/audit-record.ts';
import type { MockProvider } from '../providers/mock-provider.ts';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { freePort, type Stack, startStack } from '../stack/stack.ts';
import { postToEnd } from './callers.ts';
import {
  afterFailures,
  BEFORE,
  behavioursOf,
  type Cell,
  CHAINS,
  cellsOf,
  type Expected,
  PLACES,
  RETRY_AFTER,
  seen,
  TARGETS,
  type TargetName,
  WORDS,
} from './fault-cells.ts';
import { ENDING, ENVOYS_OWN, type Ending, MOVING_ON, type MovingOn } from './fault-kinds.ts';
import { readAnswer } from './read-answer.ts';

describe('fault matrix, through Envoy', () => {
  let stack: Stack;
  const finished: { name: string; mark: string }[] = [];
  before(async () => {
    const policyPath = changedPolicy((policy) => {
      policy.credentials = {
        ...policy.credentials,
        vertex: { env: 'MOCK_GOOGLE_KEY', header: 'authorization' },
        aws: {
          aws: {
            ...{ region: 'eu-central-1', source: 'static', access_key_id: { env: 'MOCK_AWS_ACCESS_KEY_ID' } },
            secret_access_key: { env: 'MOCK_AWS_SECRET_ACCESS_KEY' },
          },
        },
      };
      for (const [name, target] of Object.entries(TARGETS)) {
        policy.targets[name] = target;
        policy.targets[`${name}-away`] = { ...target, cluster: 'local' };
      }
      const patient = { attempt_deadline: { plain: '15s', stream: '15s' }, stream_idle: '15s' };
      const brief = { attempt_deadline: { plain: '1200ms', stream: '1200ms' }, stream_idle: '1200ms' };
      for (const [name, { targets }] of Object.entries(CHAINS)) {
        const chain = [...targets];
        const rest = { retry_after: `${RETRY_AFTER}s` };
        policy.aliases[name] = { chain, ...patient, ...rest };
        policy.aliases[`${name}-brief`] = { chain, ...brief, ...rest };
        for (const [place, failing] of Object.entries(PLACES)) {
          const away = chain.map((id, index) => (failing.some((one) => one === index) ? `${id}-away` : id));
          policy.aliases[`${name}-away-${place}`] = { chain: away, ...patient, ...rest };
        }
      }
    });
    stack = await startStack({
      policyPath,
      copies: { 'openai-2': 'openai', 'openai-3': 'openai', 'anthropic-2': 'anthropic', 'anthropic-3': 'anthropic' },
      // Nobody listens there.
      overlay: { local: await freePort() },
    });
  });
  after(() => stack.stop());

  const mockOf = (target: TargetName): MockProvider => {
    const { cluster } = TARGETS[target];
    const own = { openai: stack.openai, anthropic: stack.anthropic, vertex: stack.google, bedrock: stack.bedrock };
    const mock = stack.copies.get(cluster) ?? own[cluster as keyof typeof own];
    if (mock === undefined) throw new Error(`no mock for ${target}`);
    return mock;
  };
  const asked = (target: TargetName, { mark }: Cell): number =>
    mockOf(target).requests.filter(({ bytes }) => bytes.includes(mark)).length;

  const runCell = async (
    cell: Cell,
    kind: MovingOn | Ending,
    expected: Expected,
    headsTaken: () => Promise<void>,
  ): Promise<void> => {
    const { chain, chainName, place, stream, mark } = cell;
    const { promise: firstBytes, resolve: onBegun } = Promise.withResolvers<void>();
    const behaviours = behavioursOf(place, kind, () => (stream ? firstBytes : headsTaken()));
    for (const [index, target] of chain.targets.entries()) {
      const behaviour = behaviours[index];
      if (behaviour !== undefined && behaviour !== 'connection refused') mockOf(target).script(behaviour, 1, mark);
    }
    const isAway = behaviours.includes('connection refused');
    const model = isAway ? `${chainName}-away-${place}` : kind.waits === undefined ? chainName : `${chainName}-brief`;
    const messages = [{ role: 'user', content: `${mark} ${WORDS}` }];
    const [path, body, headers] =
      chain.caller === 'openai'
        ? [
            '/v1/chat/completions',
            { model, messages, stream, ...(stream ? { stream_options: { include_usage: true } } : {}) },
            {},
          ]
        : ['/v1/messages', { model, max_tokens: 500, messages, stream }, { 'anthropic-version': '2023-06-01' }];
    const answer = await postToEnd(stack, path, body, { ...headers, 'x-gateway-on-behalf-of': mark }, onBegun);
    finished.push(cell);
    const { attempts, end } = expected;
    const names = attempts.map((_, index) => {
      const target = chain.targets[index] ?? '';
      return behaviours[index] === 'connection refused' ? `${target}-away` : target;
    });

    // What stands on the wire.
    const reading = readAnswer(chain.caller, answer.text, stream);
    const own = 'kind' in end ? undefined : end;
    const status = own?.status ?? ('kind' in end && end.kind === 'answer' ? 200 : 503);
    expect(answer.status, `status: ${answer.text.slice(0, 200)} ${String(answer.broke ?? '')}`).to.equal(status);
    if (own?.answer === 'broken connection') {
      expect(answer.broke, 'a clean end').to.be.instanceOf(Error);
      expect(reading.ending).to.equal('broken');
    } else {
      expect(answer.broke, 'a broken connection').to.equal(undefined);
      expect(reading.ending, answer.text.slice(-300)).to.equal('kind' in end && end.kind === 'answer' ? 'whole' : 'error');
    }
    if ('kind' in end) {
      if (end.kind === 'answer') expect(reading.text).to.equal(`You said: ${mark} ${WORDS}`);
      else {
        expect(reading.error).to.match(/^chain_exhausted: /);
        expect(answer.headers.get('retry-after'), 'retry-after').to.equal(String(end.retryAfter));
        expect(answer.headers.get('x-gateway-error-source')).to.equal('provider');
      }
    } else if (end.error !== undefined) expect(reading.error).to.contain(end.error);

    // What the caller is told of the attempts. An answer of Envoy's own, past the filter, tells nothing.
    const failures = attempts.flatMap(({ outcome, status: code }, index) => {
      if (outcome === 'ok') return [];
      return [`${names[index]};reason=${outcome}${code === null ? '' : `;status=${code}`}`];
    });
    const last = attempts.at(-1)?.outcome === 'ok';
    if (own?.error !== ENVOYS_OWN) {
      expect(answer.headers.get('x-gateway-failed-attempts')).to.equal(failures.length === 0 ? null : failures.join(', '));
      expect(answer.headers.get('x-gateway-attempt')).to.equal(last ? String(attempts.length) : null);
      expect(answer.headers.get('x-gateway-target')).to.equal(last ? names.at(-1) : null);
    }

    // Who was asked.
    for (const [index, target] of chain.targets.entries()) {
      const reached = index < attempts.length && behaviours[index] !== 'connection refused';
      expect(asked(target, cell), `requests to ${target}`).to.equal(reached ? 1 : 0);
    }

    // What is recorded.
    const record = await recordOf(cell);
    expect(
      record.attempts.map(({ number, target, outcome, status: code }) => ({ number, target, outcome, code })),
    ).to.deep.equal(
      attempts.map(({ outcome, status: code }, index) => ({ number: index + 1, target: names[index], outcome, code })),
    );
    const audited =
      own?.audit ?? (status === 200 ? { outcome: 'ok', fault: null } : { outcome: 'failed', fault: 'chain_exhausted' });
    expect(record).to.include({ ...audited, stream });
  };

  let records = new Map<string, AuditRecord>();
  const recordOf = async ({ mark, name }: Cell): Promise<AuditRecord> => {
    await waitFor(`the record of ${name}`, stack.filter, async () => {
      if (!records.has(mark)) records = new Map(stack.audit().map((record) => [record.on_behalf_of ?? '', record]));
      return records.has(mark);
    });
    const record = records.get(mark);
    if (record === undefined) throw new Error('no record');
    return record;
  };

  /** How often a provider has answered well, by Envoy's word: from then on it does not move on. */
  const goodHeads = async (): Promise<number> => {
    const stats = await (await fetch(`${stack.envoy.adminUrl}/stats?filter=^cluster\\.[^.]*\\.upstream_rq_2xx$`)).text();
    return stats
      .split('\n')
      .filter((line) => /^cluster\.(openai|anthropic|vertex|bedrock)/.test(line))
      .reduce((sum, line) => sum + Number(line.split(': ')[1]), 0);
  };

  /** All cells of a kind at once. */
  const runAll = async (what: string, plan: (cell: Cell) => [MovingOn | Ending, Expected]): Promise<void> => {
    const wrong: string[] = [];
    const all = cellsOf(what);
    const before = await goodHeads();
    let taken: Promise<void> | undefined;
    const headsTaken = (): Promise<void> => {
      taken ??= waitFor('the heads of all answers', stack.envoy, async () => (await goodHeads()) >= before + all.length);
      return taken;
    };
    await Promise.all(
      all.map((cell) =>
        runCell(cell, ...plan(cell), headsTaken).catch((error: unknown) => {
          wrong.push(`${cell.name}: ${error instanceof Error ? error.message : String(error)}`);
        }),
      ),
    );
    if (wrong.length > 0) throw new Error(`${wrong.length} cells are wrong:\n${wrong.join('\n')}`);
  };

  describe('before the answer has begun: the next target is asked', () => {
    for (const [what, kind] of Object.entries(MOVING_ON))
      it(what, () => runAll(what, ({ place }) => [kind, afterFailures(place, kind)]));
  });

  describe('then, and for the caller’s own mistake: nobody else is asked', () => {
    for (const [what, ways] of Object.entries(ENDING)) {
      it(what, () =>
        runAll(what, ({ place, stream }) => {
          const kind = ways[stream ? 'stream' : 'plain'];
          return [kind, { attempts: [...Array(PLACES[place][0]).fill(seen(BEFORE)), kind.attempt], end: kind }];
        }),
      );
    }
  });

  // In a suite of its own, so that it comes after the others.
  describe('all in all', () => {
    it('of every cell there is one record, and no mock saw what is not its own', () => {
      const counts = new Map<string, number>();
      for (const { on_behalf_of } of stack.audit())
        counts.set(on_behalf_of ?? '', (counts.get(on_behalf_of ?? '') ?? 0) + 1);
      const wrong = finished.filter(({ mark }) => counts.get(mark) !== 1);
      expect(wrong.map(({ name }) => name)).to.deep.equal([]);
      expect(finished.length).to.be.at.least(
        Object.keys({ ...MOVING_ON, ...ENDING }).length * Object.keys(CHAINS).length * 8,
      );
      expect(stack.mocks.flatMap(({ violations }) => violations)).to.deep.equal([]);
    });
  });
});
