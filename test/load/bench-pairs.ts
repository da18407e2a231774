/** The second half of `make bench`: each pair of schemas at three sizes, and streams of 1000 events. Prints a table. */
import { appendFileSync } from 'node:fs';
import { costOfStream, costOfWhole, pairs } from './pairs.ts';

const SIZES = [1_000, 100_000, 1_000_000] as const;

const lines = [
  '',
  'Translation alone (request and answer of the size; no gRPC, no Envoy), microseconds; growth: cost per byte at 1 MB over that at 100 KB.',
  '',
  '| caller | provider | 1 KB | 100 KB | 1 MB | growth | stream of 1000 events | per event |',
  '| --- | --- | --: | --: | --: | --: | --: | --: |',
];
for (const pair of pairs()) {
  process.stderr.write(`${pair.caller} to ${pair.provider} …\n`);
  const [small, middle, large] = SIZES.map((bytes) => costOfWhole(pair, bytes));
  const stream = costOfStream(pair, 1000);
  const growth = (large ?? 0) / 10 / (middle ?? 1);
  const cells = [small, middle, large].map((micros) => micros?.toFixed(0) ?? '');
  lines.push(
    `| ${pair.caller} | ${pair.provider}${pair.conversion.passes ? ' (passes)' : ''} | ${cells.join(' | ')} | ${growth.toFixed(2)} | ${stream.toFixed(0)} | ${(stream / 1000).toFixed(2)} |`,
  );
}
const report = `${lines.join('\n')}\n`;
console.log(report);
const keep = process.env['BENCH_OUT'];
if (keep !== undefined) appendFileSync(keep, report);
