/**
 * `node filter/cli/import-deprecations.ts FILE VERSION`: makes filter/lifecycle/deprecations.json out of the `deprecation_date` of litellm's
 * model_prices_and_context_window.json.
 */
import { isDate } from '../lifecycle/date.ts';
import type { Platform } from '../prices/rates.ts';
import { importArguments, type LitellmRow, readLitellm, writeTable } from './litellm.ts';

/** What a bare name or the whole platform says comes before a region, and of regions the first to end. */
function precedence({ name, model, region }: LitellmRow): number {
  return region !== undefined ? 2 : name === model ? 0 : 1;
}

const { file, version } = importArguments('import-deprecations.ts');
const dated = readLitellm(file).flatMap((row) => {
  const on = row.entry['deprecation_date'];
  return typeof on === 'string' && isDate(on) ? [{ row, on }] : [];
});
// Google's dates for Claude say "not before", and the source does not keep the two apart.
const isEnd = ({ row }: (typeof dated)[number]): boolean => !(row.platform === 'vertex' && row.model.startsWith('claude'));
const models = new Map<string, Partial<Record<Platform, string>>>();
for (const { row, on } of dated
  .filter(isEnd)
  .sort((a, b) => precedence(a.row) - precedence(b.row) || a.on.localeCompare(b.on)))
  models.set(row.model, { [row.platform]: on, ...models.get(row.model) });
writeTable(new URL('../lifecycle/deprecations.json', import.meta.url), version, 'import-deprecations.ts', models);
console.log(`left out, not before: ${dated.filter((one) => !isEnd(one)).length}`);
