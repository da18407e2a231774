/** The price book: rates by id, carried with the product (prices.json) and overridden in the policy. Ids match exactly or not at all: a guess would price a new model as an old one. */
import { readFileSync } from 'node:fs';
import type { Price, Rates } from './price.ts';

/** A row of prices.json: rates in pico-dollars per token; what is absent costs as much as what it is a kind of. */
export interface PriceRow {
  readonly input: number;
  readonly output: number;
  readonly cache_read?: number;
  readonly cache_write?: number;
  readonly cache_write_1h?: number;
  readonly reasoning?: number;
  readonly tiers?: readonly (Omit<PriceRow, 'tiers'> & { readonly above: number })[];
}

interface PriceFile {
  readonly about: Readonly<Record<string, string>>;
  readonly prices: Readonly<Record<string, PriceRow>>;
}

export interface PriceBook {
  /** Of the data, such as `litellm-1.109.1`. */
  readonly version: string;
  /** @returns undefined: unpriced */
  priceOf(id: string): Price | undefined;
}

/** Read when a policy is compiled, and not kept. @throws Error when the file is not there */
export function loadPriceBook(overrides: Readonly<Record<string, PriceRow>> = {}): PriceBook {
  const file: PriceFile = JSON.parse(readFileSync(new URL('./prices.json', import.meta.url), 'utf8'));
  return {
    version: `${file.about['name']}-${file.about['version']}`,
    priceOf(id) {
      const row = Object.hasOwn(overrides, id)
        ? overrides[id]
        : Object.hasOwn(file.prices, id)
          ? file.prices[id]
          : undefined;
      return row === undefined ? undefined : priceOf(id, row);
    },
  };
}

function priceOf(id: string, row: PriceRow): Price {
  const tiers = (row.tiers ?? []).map((tier) => Object.freeze({ ...ratesOf(tier), above: tier.above }));
  return Object.freeze({ id, ...ratesOf(row), tiers: Object.freeze(tiers.sort((a, b) => a.above - b.above)) });
}

function ratesOf(row: Omit<PriceRow, 'tiers'>): Rates {
  const { input, output, cache_read, cache_write = input, cache_write_1h, reasoning } = row;
  return {
    ...{ input, output, cacheRead: cache_read ?? input, cacheWrite: cache_write },
    ...{ cacheWrite1h: cache_write_1h ?? cache_write, reasoning: reasoning ?? output },
  };
}

/**
 * Where the book may have a target's price, the most exact first. The same model costs otherwise on another platform, and in another region, so ids say both.
 * @param schema name of the provider schema, which tells the platform
 */
export function priceIds(schema: string, models: readonly string[], region: string | undefined): string[] {
  const platform = PLATFORMS.find(([prefix]) => schema.startsWith(prefix))?.[1] ?? '';
  return models.flatMap((model) => [
    ...(region === undefined || platform === '' ? [] : [`${platform}${region}/${model}`]),
    ...(platform === '' ? [] : [`${platform}${model}`]),
    // Bedrock's ids say the vendor, and belong to it alone; others' are the vendor's own on its own platform.
    ...(platform === '' || platform === 'bedrock/' ? [model] : []),
  ]);
}

/** Prefix of a schema's name -> that of ids in the book. */
const PLATFORMS: readonly (readonly [schema: string, id: string])[] = [
  ['azure-', 'azure/'],
  ['bedrock-', 'bedrock/'],
  ['vertex-', 'vertex_ai/'],
  ['gemini', 'gemini/'],
];
