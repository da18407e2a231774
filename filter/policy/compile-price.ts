/** The price book of a policy: what is carried, with what the policy says otherwise. */
import { hash } from 'node:crypto';
import type { Price } from '../prices/price.ts';
import { loadPriceBook, type PriceBook, type PriceRow, priceIds } from '../prices/price-book.ts';
import { parseRate } from '../quantities.ts';
import type { PolicyDocument, Problem, TargetDocument } from './document.ts';

export function compilePrices({ prices = {} }: PolicyDocument): PriceBook {
  const overrides: [string, PriceRow][] = Object.entries(prices).map(([id, price]) => {
    const rates = Object.entries(price).map(([kind, text]) => [kind, parseRate(text) ?? 0]);
    return [id, Object.fromEntries(rates) as unknown as PriceRow];
  });
  const book = loadPriceBook(Object.fromEntries(overrides));
  if (overrides.length === 0) return book;
  return { ...book, version: `${book.version}+${hash('sha256', JSON.stringify(prices), 'hex').slice(0, 8)}` };
}

/** @returns undefined: unpriced, which is no mistake */
export function priceOfTarget(
  id: string,
  target: TargetDocument,
  models: readonly string[],
  book: PriceBook,
  problems: Problem[],
): Price | undefined {
  if (target.price_id !== undefined) {
    const price = book.priceOf(target.price_id);
    if (price === undefined) {
      const message = `the price book has no ${JSON.stringify(target.price_id)}; ids match exactly (filter/prices/prices.json), or add it to prices`;
      problems.push({ at: ['targets', id, 'price_id'], message });
    }
    return price;
  }
  for (const candidate of priceIds(target.schema, models, target.region)) {
    const price = book.priceOf(candidate);
    if (price !== undefined) return price;
  }
  return undefined;
}
