/** The price book of a policy, and where it has the price of a target. */
import { resolve } from 'node:path';
import { PriceError } from '../prices/overrides.ts';
import { loadPriceBook, type PriceBook } from '../prices/price-book.ts';
import type { Platform } from '../prices/rates.ts';
import type { Target } from './compiled/target.ts';
import type { PolicyDocument, Problem, TargetDocument } from './document.ts';

/** What is wrong with the operator's own prices is told as a problem of the policy that names them. */
export function compilePrices({ prices }: PolicyDocument, baseDirectory: string, problems: Problem[]): PriceBook {
  if (prices === undefined) return loadPriceBook();
  try {
    return loadPriceBook(resolve(baseDirectory, prices.file));
  } catch (error) {
    if (!(error instanceof PriceError)) throw error;
    for (const message of error.message.split('\n')) problems.push({ at: ['prices', 'file'], message });
    return loadPriceBook();
  }
}

/** Being unpriced is no mistake. */
export function priceOfTarget(
  id: string,
  target: TargetDocument,
  models: readonly string[],
  book: PriceBook,
  problems: Problem[],
): Pick<Target, 'price' | 'pricedAs'> {
  const platform = platformOf(target);
  if (target.price_id !== undefined) {
    const price = book.priceOf(target.price_id, target.region, platform);
    if (price === undefined) {
      const message = `the price book has no ${JSON.stringify(target.price_id)}${platform === undefined ? '' : ` on ${platform}`}; ids match exactly (docs/prices.md)`;
      problems.push({ at: ['targets', id, 'price_id'], message });
    }
    return priced(target.price_id, platform, price);
  }
  for (const model of models) {
    const price = book.priceOf(model, target.region, platform);
    if (price !== undefined) return priced(model, platform, price);
  }
  return { price: undefined, pricedAs: undefined };
}

function priced(id: string, platform: Platform | undefined, price: Target['price']): Pick<Target, 'price' | 'pricedAs'> {
  return { price, pricedAs: price === undefined ? undefined : Object.freeze({ id, platform }) };
}

/** The same model costs otherwise on another platform. Undefined: its maker's own. */
export function platformOf({ price_platform, schema }: TargetDocument): Platform | undefined {
  return price_platform ?? PLATFORMS.find(([prefix]) => schema.startsWith(prefix))?.[1];
}

const PLATFORMS: readonly (readonly [schema: string, platform: Platform])[] = [
  ['azure-', 'azure'],
  ['bedrock-', 'bedrock'],
  ['vertex-', 'vertex'],
];
