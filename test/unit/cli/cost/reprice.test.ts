import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { rePriced, usageOf } from '../../../../filter/cli/cost/re-price.ts';
import type { AuditLine, AuditRecord } from '../../../../filter/observability/audit-record.ts';
import { auditUsage } from '../../../../filter/observability/estimate.ts';
import { costNanoUsd } from '../../../../filter/prices/cost.ts';
import { loadPriceBook } from '../../../../filter/prices/price-book.ts';
import type { ServiceTier } from '../../../../filter/transform/unified.ts';
import { auditRecords } from '../../../load/audit-records.ts';
import { attempt, record } from '../../observability/observed.ts';
import { needed } from '../../transform/original.ts';
import { CostCommand } from './cost-command.ts';

const book = loadPriceBook();
const sealed = (of: AuditRecord): AuditLine => ({ ...of, seq: 1, chain: '0'.repeat(64) });
const count = fc.nat(3_000_000);

/** As providers tell it: what is told apart is part of its whole. */
const anyUsage = fc
  .record({
    ...{ inputUncached: count, cacheRead: count, cacheWrite5m: count, cacheWrite1h: count, cacheWriteOther: count },
    ...{ outputVisible: count, outputReasoning: count, part: fc.double({ min: 0, max: 1, noNaN: true }) },
    serviceTier: fc.constantFrom<ServiceTier>('standard', 'batch', 'flex', 'priority', 'ultrafast'),
    geo: fc.constantFrom({}, { inferenceGeo: 'us' as const }),
    ...{ webSearches: fc.nat(5), searchUnits: fc.integer({ min: 1, max: 9 }) },
  })
  .map(({ part, serviceTier, geo, webSearches, searchUnits, ...whole }) => ({
    ...whole,
    apart: {
      ...geo,
      ...{ serviceTier, webSearches, searchUnits, cacheWrite12h: Math.floor(whole.cacheWriteOther * part) },
      ...{ audioInput: Math.floor(whole.inputUncached * part), imageInput: Math.floor(whole.inputUncached * (1 - part)) },
      ...{ audioCacheRead: Math.floor(whole.cacheRead * part), audioOutput: Math.floor(whole.outputVisible * part) },
      imageOutput: Math.floor(whole.outputVisible * (1 - part)),
    },
  }));
const PRICED = [
  ['gpt-5.5', null, 'eu'],
  ['gpt-audio', null, null],
  ['gpt-6-luna', 'azure', null],
  ['claude-haiku-5-5', null, null],
  ['claude-opus-4-8', null, null],
  ['anthropic.claude-haiku-5-5', 'bedrock', 'us-gov-west-1'],
  ['gemini-2.5-flash', 'gemini', null],
  ['gemini-3.8-flash', 'vertex', 'europe-west4'],
  ['rerank-v3.5', 'cohere', null],
] as const;

describe('re-pricing', () => {
  it('property: with the book of before a record costs what it did, to the nano-dollar', () => {
    fc.assert(
      fc.property(anyUsage, fc.constantFrom(...PRICED), (usage, [id, platform, region]) => {
        const price = book.priceOf(id, region ?? undefined, platform ?? undefined);
        fc.pre(price !== undefined);
        const cost = costNanoUsd(needed(price), usage);
        const told = auditUsage(usage, 'provider');
        const { serviceTier: tier, inferenceGeo } = usage.apart;
        const priced = { id, platform, tier, inference_geo: inferenceGeo ?? null };
        const made = record('r', {
          ...{ usage: told, cost_nano_usd: cost, price_book: book.version },
          attempts: [attempt({ price: priced, region, usage: told, cost_nano_usd: cost })],
        });
        expect(rePriced(sealed(JSON.parse(JSON.stringify(made))), book)).to.deep.equal({ kind: 'priced', nanoUsd: cost });
      }),
      { numRuns: 500 },
    );
  });

  it('has no price for what the record does not tell, and says why', () => {
    const usage = auditUsage(
      {
        inputUncached: 1,
        cacheRead: 0,
        cacheWrite5m: 0,
        cacheWrite1h: 0,
        cacheWriteOther: 0,
        outputVisible: 1,
        outputReasoning: 0,
      },
      'provider',
    );
    const reason = (price: unknown, used: unknown = usage): unknown => {
      const line = sealed(JSON.parse(JSON.stringify(record('r', { usage, attempts: [attempt()] }))));
      return rePriced(
        JSON.parse(JSON.stringify({ ...line, usage: used, attempts: [{ ...line.attempts[0], price }] })),
        book,
      );
    };
    const unpriceable = (text: string) => ({ kind: 'unpriceable', reason: text });
    const unknown = unpriceable('the record does not tell its price inputs');
    expect(reason(undefined)).to.deep.equal(unknown);
    expect(reason({ id: 'gpt-5.5', platform: null, tier: null })).to.deep.equal(unknown);
    expect(reason({ id: 'gpt-5.5', platform: 'moon', tier: 'flex' })).to.deep.equal(unknown);
    expect(
      reason({ id: 'gpt-5.5', platform: null, tier: 'flex' }, { ...usage, cache_write_1h_input_tokens: undefined }),
    ).to.deep.equal(unknown);
    expect(reason(null)).to.deep.equal(unpriceable('the target had no price'));
    expect(reason({ id: 'gpt-nobody', platform: null, tier: 'flex' })).to.deep.equal(
      unpriceable('the price book does not have it'),
    );
    expect(reason(null, null)).to.equal(undefined);
    expect(usageOf(usage)?.outputVisible).to.equal(1);
  });

  describe('as a command', () => {
    const records = [
      ...auditRecords({ count: 3_000, fromMs: Date.UTC(2026, 10, 1), untilMs: Date.UTC(2026, 10, 20), seed: 7 }),
    ];
    const old = JSON.parse(JSON.stringify(record('old', { cost_nano_usd: 77, attempts: [attempt({ price: undefined })] })));
    let command: CostCommand;
    before(async () => {
      command = await CostCommand.of([...records, old]);
    });
    after(() => command.remove());
    const POLICY = 'cost-policy.yaml';
    const policy = (prices: string): string => {
      command.file('prices.yaml', prices);
      return command.file(POLICY, 'prices: {file: prices.yaml}\n');
    };

    it('with the same book: the same sum; what cannot be priced is in neither, and counted', () => {
      const carried = command.file('none.yaml', 'aliases: {}\n');
      const { total, not_re_priceable, contradicted } = command.json('reprice', '--policy', carried);
      const known = records.reduce((sum, { cost_nano_usd }) => sum + BigInt(cost_nano_usd ?? 0), 0n);
      expect(total.usd_now).to.equal(total.usd_before);
      expect(BigInt(total.usd_now.replace('.', ''))).to.equal(known);
      expect(contradicted).to.equal(0);
      const unpriced = records.filter(({ usage, cost_nano_usd }) => usage !== null && cost_nano_usd === null).length;
      expect(not_re_priceable).to.deep.equal({
        'the price book does not have it': unpriced,
        'the record does not tell its price inputs': 1,
      });
      expect(total.usd_not_re_priceable).to.equal('0.000000077');
    });

    it('with other prices: both sums, and each request in a new file; the log stays as it is', () => {
      const before = readFileSync(join(command.log, 'audit.filter.000000000000001.jsonl'));
      const out = join(command.directory, 'out.jsonl');
      const prices = policy('version: next\nprices: {gpt-5.5: {input_per_mtok: "1", output_per_mtok: "0"}}\n');
      const { rows } = command.json('reprice', '--policy', prices, '--by', 'model', '--out', out);
      const gpt = rows.find((row: Record<string, unknown>) => row['model'] === 'gpt-5.5');
      const tokens = records
        .filter(({ response_model, usage }) => response_model === 'gpt-5.5' && usage !== null)
        .reduce((sum, { usage }) => sum + (usage?.input_tokens ?? 0), 0);
      // A dollar for a million of whatever kind of input: 1,000 nano-dollars a token. No rate for a search: it is free.
      expect(BigInt(gpt.usd_now.replace('.', ''))).to.equal(BigInt(tokens) * 1000n);
      const untold = rows.find((row: Record<string, unknown>) => row['usd_before'] === null);
      expect(untold).to.deep.include({ usd_now: null, not_re_priceable: untold?.requests });
      const lines = readFileSync(out, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines).to.have.length(records.filter(({ usage }) => usage !== null).length + 1);
      expect(lines.at(-1)).to.deep.include({ request_id: 'old', usd: '0.000000077', new_usd: null });
      expect(lines[0].new_price_book).to.match(/\+next-[0-9a-f]{12}$/);
      expect(readFileSync(join(command.log, 'audit.filter.000000000000001.jsonl')).equals(before)).to.equal(true);
      expect(command.run('reprice', '--policy', prices, '--out', out)).to.deep.include({ code: 1 });
      expect(command.run('reprice', '--policy', prices).out).to.contain('not re-priceable, the price book does not have it');
    });

    it('what had no price has one, where the new book knows its model: told apart, for there is nothing to compare it with', () => {
      const prices = policy(
        'version: next\nprices: {house-llama: {input_per_mtok: "1", cache_read_per_mtok: "1", output_per_mtok: "0"}}\n',
      );
      const { total, rows, not_re_priceable } = command.json('reprice', '--policy', prices, '--by', 'model');
      const llama = records.filter(({ response_model, usage }) => response_model === 'house-llama' && usage !== null);
      const tokens = llama.reduce((sum, { usage }) => sum + (usage?.input_tokens ?? 0), 0);
      expect(llama.length).to.be.greaterThan(100);
      expect(total.newly_priced).to.equal(llama.length);
      expect(BigInt(total.usd_newly_priced.replace('.', ''))).to.equal(BigInt(tokens) * 1000n);
      expect(total.usd_now).to.equal(total.usd_before);
      const row = rows.find((each: Record<string, unknown>) => each['model'] === 'house-llama');
      expect(row).to.include({ usd_before: null, usd_now: null, newly_priced: llama.length });
      expect(not_re_priceable).to.deep.equal({ 'the record does not tell its price inputs': 1 });
      expect(command.run('reprice', '--policy', prices).out).to.contain('newly priced');
    });

    it('a record whose own book makes another cost of it shows', async () => {
      const [first] = records.filter(({ cost_nano_usd }) => cost_nano_usd !== null);
      const forged = await CostCommand.of([{ ...needed(first), cost_nano_usd: 1 }]);
      expect(forged.json('reprice', '--policy', forged.file('none.yaml', 'a: 1\n')).contradicted).to.equal(1);
      forged.remove();
    });
  });
});
