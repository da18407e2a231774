/**
 * `node filter/cli/import-prices.ts FILE VERSION`: makes filter/prices/prices.json out of litellm's model_prices_and_context_window.json (MIT; found at the root of
 * its repository and inside its PyPI wheel).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isObject, type Json, type JsonObject } from '../json.ts';
import type { PriceRow } from '../prices/price-book.ts';

const OUTPUT = new URL('../prices/prices.json', import.meta.url);
const PROVIDERS =
  /^(anthropic|openai|text-completion-openai|bedrock|bedrock_converse|bedrock_mantle|vertex_ai.*|gemini|azure|azure_ai|cohere)$/;
const MODES = new Set(['chat', 'responses', 'completion', 'embedding', 'rerank', 'moderation']);

/** Decimal text, such as `1.25e-07`, to whole pico-units, without a float in between. @throws Error for what has finer digits */
function pico(value: Json | undefined, name: string): number | undefined {
  if (typeof value !== 'string') return undefined;
  const [, whole = '', fraction = '', exponent = '0'] = /^(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(value) ?? [];
  const places = 12 + Number(exponent) - fraction.length;
  const digits = BigInt(`${whole}${fraction}` || '0');
  if (places >= 0) return Number(digits * 10n ** BigInt(places));
  const divisor = 10n ** BigInt(-places);
  // Some rows are quotients, with digits that mean nothing.
  if (digits % divisor !== 0n) console.error(`${name}: ${value} has finer digits than a pico-dollar; rounded`);
  return Number((digits + divisor / 2n) / divisor);
}

function rowOf(name: string, entry: JsonObject, suffix = ''): PriceRow | undefined {
  const rate = (field: string): number | undefined => pico(entry[`${field}${suffix}`], `${name} ${field}`);
  const input = rate('input_cost_per_token');
  const output = rate('output_cost_per_token');
  if (input === undefined && output === undefined) return undefined;
  const known = {
    cache_read: rate('cache_read_input_token_cost'),
    cache_write: rate('cache_creation_input_token_cost'),
    cache_write_1h: pico(entry[`cache_creation_input_token_cost_above_1hr${suffix}`], name),
    reasoning: rate('output_cost_per_reasoning_token'),
  };
  const set = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
  return { input: input ?? 0, output: output ?? 0, ...set };
}

function tiersOf(name: string, entry: JsonObject, base: PriceRow): NonNullable<PriceRow['tiers']> {
  return Object.keys(entry)
    .flatMap((field) => /^input_cost_per_token_above_(\d+)k_tokens$/.exec(field)?.[1] ?? [])
    .flatMap((thousands) => {
      const row = rowOf(name, entry, `_above_${thousands}k_tokens`);
      // A kind that the tier does not name costs what it costs below.
      return row === undefined ? [] : [{ ...base, ...row, above: Number(thousands) * 1000 }];
    });
}

const { positionals } = parseArgs({ allowPositionals: true });
const [file, version] = positionals;
if (file === undefined || version === undefined) {
  console.error('usage: node filter/cli/import-prices.ts FILE VERSION');
  process.exit(2);
}
/** Numbers stay as they are written: `1.25e-07` is no float. */
const text = readFileSync(file, 'utf8').replaceAll(/("[\w-]*cost[\w-]*":\s*)(-?[\d.][\d.eE+-]*)/g, '$1"$2"');
const source: unknown = JSON.parse(text);
if (!isObject(source)) throw new Error(`${file}: expected a JSON object`);
const rows: string[] = [];
for (const [name, entry] of Object.entries(source).sort(([a], [b]) => (a < b ? -1 : 1))) {
  if (!isObject(entry) || !PROVIDERS.test(String(entry['litellm_provider'])) || !MODES.has(String(entry['mode']))) continue;
  const base = rowOf(name, entry);
  if (base === undefined) continue;
  const tiers = tiersOf(name, entry, base);
  // What is said in vertex_ai-… rows without a prefix is Vertex's price, not Google's own API's.
  const bare = !name.includes('/') && /^(vertex_ai|azure)/.test(String(entry['litellm_provider']));
  const id = bare
    ? `${String(entry['litellm_provider']).split(/[-_]/)[0] === 'azure' ? 'azure' : 'vertex_ai'}/${name}`
    : name;
  rows.push(`${JSON.stringify(id)}:${JSON.stringify(tiers.length === 0 ? base : { ...base, tiers })}`);
}
const about = {
  name: 'litellm',
  source: 'litellm, model_prices_and_context_window.json (github.com/BerriAI/litellm)',
  version,
  read: new Date().toISOString().slice(0, 10),
  licence: 'MIT, Copyright (c) 2023 Berri AI',
  made_by: 'filter/cli/import-prices.ts',
  unit: 'pico-dollars per token',
};
writeFileSync(OUTPUT, `{"about":${JSON.stringify(about)},"prices":{\n${[...new Set(rows)].join(',\n')}\n}}\n`);
console.log(`${rows.length} prices`);
