/** An operator's own prices, for tests. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** @param prices id -> US dollars per million tokens @returns path of the file */
export function priceFile(prices: Readonly<Record<string, { readonly input: string; readonly output: string }>>): string {
  const path = join(mkdtempSync(join(tmpdir(), 'prices-')), 'prices.yaml');
  const document = Object.entries(prices).map(([id, { input, output }]) => [
    id,
    { input_per_mtok: input, output_per_mtok: output },
  ]);
  writeFileSync(path, stringify({ version: 'test', prices: Object.fromEntries(document) }));
  return path;
}
