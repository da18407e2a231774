/**
 * What columns providers' exports have. Names are of exports and documentation seen in 2025 and 2026:
 * - OpenAI: CSVs of the usage page, `completions_usage` (start_time, model, input_tokens, input_cached_tokens, output_tokens, num_model_requests …) and `cost`
 *   (start_time, amount_value, amount_currency, line_item); API GET /v1/organization/usage/completions and /costs (developers' API reference, "Costs object").
 * - Anthropic: CSVs of the console's usage page (usage_date_utc, model_version, usage_input_tokens_no_cache …) and cost page (usage_date_utc, model, token_type, cost_usd);
 *   API GET /v1/organizations/usage_report/messages and /cost_report ("Usage & Cost Admin API Cookbook").
 * - AWS: CUR 2.0 (docs.aws.amazon.com/cur, "Line item columns"; Bedrock user guide, "Understanding your Amazon Bedrock Cost and Usage Report data"), legacy CUR, Cost Explorer's CSV.
 * - GCP: BigQuery standard export (cloud.google.com/billing/docs, "Structure of Standard data export"), the console's cost table.
 * - Azure: cost and usage details (learn.microsoft.com/azure/cost-management-billing/dataset-schema).
 */

import { azureMeter, bedrockUsageType, type LineKind, tokensIn, vertexSku } from './bill-lines.ts';
import { attoUsdOf, type Billed, dayOf, type Measure, type NotOurs, tokensOf } from './billed.ts';
import { columnKey } from './export-rows.ts';

export const PROVIDERS = ['openai', 'anthropic', 'bedrock', 'vertex', 'azure'] as const;
export type Provider = (typeof PROVIDERS)[number];

/** Cells of one row, by what they mean. A column that the file does not have is the empty text. */
export type Cells = (field: string) => string;

export interface Shape {
  readonly name: string;
  /** By what it means, the names that a column may have; one that is `needed` must be there. */
  readonly columns: Readonly<Record<string, { readonly names: readonly string[]; readonly needed: boolean }>>;
  /** @throws CellError */
  readonly read: (cells: Cells) => Billed | NotOurs;
}

const needed = (...names: readonly string[]) => ({ names, needed: true });
const maybe = (...names: readonly string[]) => ({ names, needed: false });

/** Absent columns are no measures: nothing is compared with a number that nobody told. */
function amountsOf(entries: Readonly<Partial<Record<Measure, bigint | undefined>>>): Map<Measure, bigint> {
  const amounts = new Map<Measure, bigint>();
  for (const measure of ['input', 'cache read', 'cache write', 'output', 'USD'] as const) {
    const amount = entries[measure];
    if (amount !== undefined) amounts.set(measure, amount);
  }
  return amounts;
}

const OPENAI_TIME = needed('start_time_iso', 'start_time', 'date');

const SHAPES: Readonly<Record<Provider, readonly Shape[]>> = {
  openai: [
    {
      name: 'usage',
      columns: {
        ...{ date: OPENAI_TIME, model: needed('model'), input: needed('input_tokens'), output: needed('output_tokens') },
        ...{ read: maybe('input_cached_tokens'), written: maybe('input_cache_write_tokens') },
      },
      // Cached tokens are part of input_tokens.
      read: (cells) => ({
        ...{ day: dayOf(cells('date')), model: cells('model') },
        amounts: amountsOf({
          input: tokensOf(cells('input')),
          'cache read': cells('has:read') === '' ? undefined : tokensOf(cells('read')),
          'cache write': cells('has:written') === '' ? undefined : tokensOf(cells('written')),
          output: tokensOf(cells('output')),
        }),
      }),
    },
    {
      name: 'costs',
      columns: {
        ...{ date: OPENAI_TIME, cost: needed('amount_value', 'amount.value', 'cost_usd'), line: needed('line_item') },
        currency: maybe('amount_currency', 'amount.currency'),
      },
      // `gpt-5-mini-2025-08-07, cached input`
      read: (cells) => ({
        ...{ day: dayOf(cells('date')), model: cells('line').split(',')[0] ?? '' },
        amounts: amountsOf({ USD: attoUsdOf(cells('cost')) }),
      }),
    },
  ],
  anthropic: [
    {
      name: 'usage',
      columns: {
        date: needed('usage_date_utc', 'starting_at'),
        model: needed('model_version', 'model'),
        fresh: needed('usage_input_tokens_no_cache', 'uncached_input_tokens'),
        write5m: needed('usage_input_tokens_cache_write_5m', 'cache_creation.ephemeral_5m_input_tokens'),
        write1h: needed('usage_input_tokens_cache_write_1h', 'cache_creation.ephemeral_1h_input_tokens'),
        read: needed('usage_input_tokens_cache_read', 'cache_read_input_tokens'),
        output: needed('usage_output_tokens', 'output_tokens'),
      },
      read: (cells) => {
        const written = tokensOf(cells('write5m')) + tokensOf(cells('write1h'));
        const read = tokensOf(cells('read'));
        const amounts = { input: tokensOf(cells('fresh')) + written + read, 'cache read': read, 'cache write': written };
        const output = tokensOf(cells('output'));
        return { day: dayOf(cells('date')), model: cells('model'), amounts: amountsOf({ ...amounts, output }) };
      },
    },
    {
      name: 'costs',
      columns: { date: needed('usage_date_utc'), model: needed('model'), cost: needed('cost_usd') },
      read: (cells) => ({
        ...{ day: dayOf(cells('date')), model: cells('model') },
        amounts: amountsOf({ USD: attoUsdOf(cells('cost')) }),
      }),
    },
    {
      name: 'cost report',
      columns: {
        ...{ date: needed('starting_at'), cost: needed('amount'), model: needed('model') },
        ...{ currency: maybe('currency'), kind: maybe('cost_type') },
      },
      // The API's amounts are cents.
      read: (cells) => ({
        ...{ day: dayOf(cells('date')), model: cells('model') },
        amounts: amountsOf({ USD: attoUsdOf(cells('cost')) / 100n }),
      }),
    },
  ],
  bedrock: [
    {
      name: 'cost and usage report',
      columns: {
        date: needed('line_item_usage_start_date', 'date'),
        line: needed('line_item_usage_type', 'usagetype'),
        cost: needed('line_item_unblended_cost', 'cost'),
        ...{
          amount: maybe('line_item_usage_amount'),
          unit: maybe('pricing_unit'),
          currency: maybe('line_item_currency_code'),
          charge: maybe('line_item_line_item_type'),
        },
      },
      read: (cells) => line(cells, bedrockUsageType(cells('line'))),
    },
  ],
  vertex: [
    {
      name: 'billing export',
      columns: {
        date: needed('usage_start_time', 'usage_start_date', 'date'),
        line: needed('sku.description', 'sku_description'),
        cost: needed('unrounded_subtotal', 'cost'),
        amount: maybe('usage.amount_in_pricing_units', 'usage_amount_in_pricing_units', 'usage.amount', 'usage_amount'),
        unit: maybe('usage.pricing_unit', 'usage_pricing_unit', 'usage.unit', 'usage_unit'),
        ...{ currency: maybe('currency'), charge: maybe('cost_type') },
      },
      read: (cells) => line(cells, vertexSku(cells('line'))),
    },
  ],
  azure: [
    {
      name: 'cost details',
      columns: {
        date: needed('date', 'usageDate', 'usageDateTime'),
        line: needed('meterName', 'meter'),
        cost: needed('costInBillingCurrency', 'cost', 'preTaxCost', 'costInUsd'),
        ...{ amount: maybe('quantity', 'usageQuantity'), unit: maybe('unitOfMeasure') },
        currency: maybe('billingCurrency', 'billingCurrencyCode', 'currency'),
        charge: maybe('chargeType'),
      },
      read: (cells) => line(cells, azureMeter(cells('line'))),
    },
  ],
};

/** A charge of use, as clouds call it; credits, refunds, discounts and taxes have the meter of what they are for. None: the export does not tell. */
const USED = new Set(['', 'usage', 'regular', 'discountedusage', 'savingsplancoveredusage']);

/** A bill's line is of one model and one kind of token. */
function line(cells: Cells, kind: LineKind | undefined): Billed | NotOurs {
  const attoUsd = attoUsdOf(cells('cost'));
  if (kind === undefined || !USED.has(columnKey(cells('charge')))) return { notOurs: true, attoUsd };
  const tokens = tokensIn(cells('amount'), cells('unit'));
  const measured = tokens === undefined || kind.measure === undefined ? {} : { [kind.measure]: tokens };
  // What caches gave and took is input as well.
  const input = tokens !== undefined && kind.measure !== undefined && kind.measure !== 'output' ? { input: tokens } : {};
  return { day: dayOf(cells('date')), model: kind.model, amounts: amountsOf({ ...measured, ...input, USD: attoUsd }) };
}

/** An export of another kind, whose columns the caller names. */
export function namedShape(columns: ReadonlyMap<string, string>): Shape {
  const fields = Object.fromEntries([...columns].map(([field, name]) => [field, needed(name)]));
  return {
    name: 'export',
    columns: fields,
    read: (cells) => {
      const tokens = (field: string): bigint | undefined => (columns.has(field) ? tokensOf(cells(field)) : undefined);
      return {
        ...{ day: dayOf(cells('date')), model: cells('model') },
        amounts: amountsOf({
          ...{ input: tokens('input'), 'cache read': tokens('cache_read'), 'cache write': tokens('cache_write') },
          ...{ output: tokens('output'), USD: columns.has('cost') ? attoUsdOf(cells('cost')) : undefined },
        }),
      };
    },
  };
}

export function shapesOf(provider: Provider): readonly Shape[] {
  return SHAPES[provider];
}
