/** Records of real requests are what the published schema says, in a whole chain. */
import { join } from 'node:path';
import { expect } from 'chai';
import { verifyChains } from '../../filter/cli/audit-verify.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { isPublished } from '../unit/observability/audit-schema.ts';
import { post } from './callers.ts';

const CHAT = '/v1/chat/completions';
const TRACE = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };

describe('audit, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack();
  });
  after(() => stack.stop());

  it('an answer, a stream, a refusal and a mistake are records of the published schema, in a whole chain', async () => {
    const messages = [{ role: 'user', content: 'x' }];
    const answers = [
      await post(stack, CHAT, { model: 'fast-summariser', messages }),
      await post(stack, CHAT, { model: 'fast-summariser', messages, stream: true }),
      await post(stack, CHAT, { model: 'fast-summariser', messages }, { authorization: '' }),
      await post(stack, CHAT, { model: 'no-such-alias', messages }),
      await post(stack, CHAT, '{"model": '),
    ];
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 401, 404, 400]);
    for (const { headers } of answers) {
      const record = await stack.auditOf(headers.get('x-gateway-request-id'));
      expect(isPublished(record), JSON.stringify(isPublished.errors)).to.equal(true);
    }
    const { headers } = await post(
      stack,
      CHAT,
      { model: 'fast-summariser', messages },
      { 'x-claude-code-session-id': 'run-7', ...TRACE },
    );
    expect(await stack.auditOf(headers.get('x-gateway-request-id'))).to.include({
      ...{ trace_id: '0af7651916cd43dd8448eb211c80319c', parent_span_id: 'b7ad6b7169203331', session_id: 'run-7' },
    });
    const [report] = await verifyChains(join(stack.directory, 'audit'), []);
    expect(report).to.include({ name: 'filter', records: answers.length + 1, problem: undefined });
  });
});
