/** What requests are taken to have used, where nobody says. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { settleQuota } from '../../../filter/exchange/admission.ts';
import type { Exchange } from '../../../filter/exchange/exchange.ts';
import { spentOf } from '../../../filter/exchange/token-use.ts';
import type { Attempt } from '../../../filter/fallback/attempt.ts';
import type { Target } from '../../../filter/policy/compiled/target.ts';
import type { Price } from '../../../filter/prices/price.ts';
import { loadPriceBook } from '../../../filter/prices/price-book.ts';
import { KINDS, type Platform, type PriceTable } from '../../../filter/prices/rates.ts';
import { anthropicCountTokensCaller } from '../../../filter/transform/callers/anthropic-messages/count-tokens.ts';
import { openAiChatCaller } from '../../../filter/transform/callers/openai-chat/caller.ts';
import { openAiEmbeddingsCaller } from '../../../filter/transform/callers/openai-embeddings/caller.ts';
import { openAiPassThroughCaller } from '../../../filter/transform/callers/openai-pass-through/caller.ts';
import { watchStream } from '../../../filter/transform/providers/openai-pass-through/watch.ts';
import { NO_USAGE } from '../../../filter/transform/unified.ts';
import { needed } from '../transform/original.ts';
import { gatewayOf, policyOf, requestOf } from './exchange-fixture.ts';

/** Of a target whose price is known. */
function asked(outcome: Attempt['outcome'], changes: Partial<Exchange>): Exchange & { readonly target: Target } {
  const exchange = requestOf(gatewayOf(policyOf({ targets: { one: { price_id: 'gpt-5.5' } } })));
  const target = needed(exchange.plan.chain[0]);
  exchange.attempts.push({ ...{ number: 1, target, startedAt: 0, endedAt: 1, outcome, status: undefined } });
  return Object.assign(exchange, changes, { target });
}

describe('what nobody counted', () => {
  it('a prompt that was read is used, whoever leaves; counting its tokens takes nothing', () => {
    expect(spentOf(asked('abandoned', { requestBytes: 400 }), 'caller_left')).to.deep.include({ source: 'estimated' });
    const counting = asked('abandoned', { requestBytes: 400, callerSchema: anthropicCountTokensCaller });
    expect(spentOf(counting, 'caller_left')).to.equal(undefined);
  });

  it('is taken to be served as it was asked for: leaving is no way to standard prices', () => {
    const cut = { original: undefined, requestBytes: 4_000, outputCharacters: 400, answerIncomplete: true };
    const costs = (['standard', 'flex', 'priority'] as const).map((serviceTier) => {
      const spent = needed(spentOf(asked('abandoned', { ...cut, asked: { serviceTier } }), 'caller_left'));
      expect(spent.source).to.equal('estimated');
      return spent.nanoUsd;
    });
    // 1,000 x 5.00 + 100 x 30.00 USD for a million; half of it, and two and a half times as much.
    expect(costs).to.deep.equal([8_000_000, 4_000_000, 20_000_000]);
    const told = { facts: { usage: { ...NO_USAGE, inputUncached: 1_000 } }, asked: { serviceTier: 'priority' as const } };
    expect(spentOf(asked('abandoned', { ...cut, ...told }), 'caller_left')?.nanoUsd).to.equal(8_000_000);
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

  it('is never taken to cost nothing: of every price in the table, whatever was asked', () => {
    const charged: number[] = [];
    const settle = (_: unknown, { nanoUsd }: { nanoUsd: number }): void => void charged.push(nanoUsd);
    const callers = [openAiChatCaller, openAiEmbeddingsCaller, openAiPassThroughCaller];
    const exchange = asked('ok', { requestBytes: 400, responseBytes: 400 });
    Object.assign(exchange, {
      estimate: { inputTokens: 100, outputTokens: 100, images: 1, serviceTier: 'standard' },
      reservation: {},
      gateway: { ...exchange.gateway, quotas: { ...exchange.gateway.quotas, settle } },
    });
    let prices = 0;
    for (const [name, price] of everyPrice()) {
      const target = { ...exchange.target, price, maxOutputTokens: 100 };
      exchange.attempts[0] = { ...needed(exchange.attempts[0]), target };
      prices += 1;
      for (const callerSchema of callers) {
        exchange.callerSchema = callerSchema;
        const spent = spentOf(exchange, 'answered');
        expect(spent?.nanoUsd, `${name}, ${callerSchema.name}`).not.to.equal(0);
        settleQuota(exchange, spent);
        expect(charged.pop(), `${name}, ${callerSchema.name}`).to.be.greaterThan(0);
      }
    }
    expect(prices).to.be.greaterThan(800);
  });
});

function* everyPrice(): Generator<readonly [name: string, price: Price]> {
  const table: PriceTable = JSON.parse(readFileSync(new URL('../../../filter/prices/prices.json', import.meta.url), 'utf8'));
  const book = loadPriceBook();
  for (const [id, platforms] of Object.entries(table.models)) {
    for (const [platform, { regions = {} }] of Object.entries(platforms)) {
      for (const region of [undefined, ...Object.keys(regions)]) {
        const price = book.priceOf(id, region, platform as Platform);
        if (price !== undefined && !isFree(price)) yield [[id, platform, region].join(' '), price];
      }
    }
  }
}

function isFree({ base, perRequest, perImage, perSearch }: Price): boolean {
  return perRequest + perImage + perSearch === 0 && KINDS.every((kind) => base[kind] === 0);
}
