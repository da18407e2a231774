/** What requests are taken to have used, where nobody says. */
import { expect } from 'chai';
import type { Exchange } from '../../../filter/exchange/exchange.ts';
import { spentOf } from '../../../filter/exchange/token-use.ts';
import { anthropicCountTokensCaller } from '../../../filter/transform/callers/anthropic-messages/count-tokens.ts';
import { watchStream } from '../../../filter/transform/providers/openai-pass-through/watch.ts';
import { gatewayOf, policyOf, requestOf } from './exchange-fixture.ts';

function abandoned(changes: Partial<Exchange>): Exchange {
  const exchange = requestOf(gatewayOf(policyOf({ targets: { one: { price_id: 'gpt-5.5' } } })));
  const [target] = exchange.plan.chain;
  if (target === undefined) throw new Error('a plan without a target');
  exchange.attempts.push({
    ...{ number: 1, target, startedAt: 0, endedAt: 1, outcome: 'abandoned', status: undefined },
  });
  return Object.assign(exchange, changes);
}

describe('what nobody counted', () => {
  it('a prompt that was read is used, whoever leaves; counting its tokens takes nothing', () => {
    expect(spentOf(abandoned({ requestBytes: 400 }), 'caller_left')).to.deep.include({ source: 'estimated' });
    const counting = abandoned({ requestBytes: 400, callerSchema: anthropicCountTokensCaller });
    expect(spentOf(counting, 'caller_left')).to.equal(undefined);
  });

  it('text of a stream that tells no usage: of completions, and of what was heard', () => {
    const watch = watchStream();
    const push = (event: object): void => watch.push(Buffer.from(`data: ${JSON.stringify(event)}\n\n`));
    push({ object: 'text_completion', choices: [{ index: 0, text: 'four' }] });
    push({ type: 'transcript.text.delta', delta: 'a "b"' });
    push({ type: 'image_generation.partial_image', b64_json: 'aGk=' });
    // Escapes as they are written: 4, and 5 with two backslashes.
    expect(watch.outputCharacters).to.equal(4 + 7);
    expect(watch.facts.usage).to.equal(undefined);
    push({ type: 'transcript.text.done', text: 'all of it', usage: { input_tokens: 14, output_tokens: 3 } });
    expect(watch.outputCharacters).to.equal(11);
    expect(watch.facts.usage).to.deep.include({ inputUncached: 14, outputVisible: 3 });
  });
});
