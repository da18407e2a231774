/**
 * `node test/load/compare.ts ../other-checkout`: what a request costs in this checkout and in another one (set up by `make setup`), side by
 * side. Both gateways run all the time and are loaded in short turns, so that a machine that is slow for a while is slow for both. A measurement,
 * not a test. `COMPARE_ALL=yes` turns on here what has to be asked for: the console, traces and audit exports.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Stack, type StackOptions, startStack } from '../stack/stack.ts';
import { type Load, measure } from './client.ts';
import { cpuSeconds, gatewayLoad, residentMiB } from './process-cost.ts';

const [other] = process.argv.slice(2);
if (other === undefined) throw new Error('usage: node test/load/compare.ts CHECKOUT');
const pairs = Number(process.env['COMPARE_PAIRS'] ?? 40);
const seconds = Number(process.env['COMPARE_SECONDS'] ?? 0.4);
/** Rows whose name has this. */
const wanted = process.env['COMPARE_ROWS'] ?? '';
const ROWS: readonly (readonly [what: string, alias: string, bytes: number, stream: boolean])[] = [
  ['1 KB: same schema', 'fast-summariser', 1_000, false],
  ['1 KB: crossing', 'careful-writer', 1_000, false],
  ['1 KB: fallback, crossing', 'rainy-day', 1_000, false],
  ['1 KB, stream: same schema', 'fast-summariser', 1_000, true],
  ['1 KB, stream: crossing', 'careful-writer', 1_000, true],
  ['100 KB: same schema', 'fast-summariser', 100_000, false],
];

/** Microseconds of CPU, for one request. */
interface Cost {
  readonly filter: number;
  readonly envoy: number;
}

const module: { startStack(options: StackOptions): Promise<Stack> } = await import(
  pathToFileURL(join(resolve(other), 'test/stack/stack.ts')).href
);
const collector = createServer((request, response) => {
  request.resume().on('end', () => response.setHeader('content-type', 'application/json').end('{}'));
});
await new Promise<void>((done) => collector.listen(0, '127.0.0.1', done));
const otlp = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
const stacks: Stack[] = [];
try {
  stacks.push(await module.startStack({ concurrency: 1 }));
  stacks.push(
    await startStack({ concurrency: 1, environment: process.env['COMPARE_ALL'] === 'yes' ? everything(otlp) : {} }),
  );
  const [before, after] = stacks;
  if (before === undefined || after === undefined) throw new Error('unreachable');
  console.log('| request | filter µs before | now | ratio, median (quartiles) | Envoy µs before | now | failed |');
  console.log('| --- | --: | --: | --: | --: | --: | --: |');
  for (const [what, alias, bytes, stream] of ROWS.filter(([what]) => what.includes(wanted))) {
    process.stderr.write(`${what} …\n`);
    let failed = 0;
    const cost = async (stack: Stack): Promise<Cost> => {
      const load: Load = gatewayLoad(stack.url, alias, bytes, stream);
      const start = { filter: cpuSeconds(stack.filter.pid), envoy: cpuSeconds(stack.envoy.pid) };
      const measured = await measure(load, { atOnce: 8, seconds });
      failed += measured.failed;
      return {
        filter: ((cpuSeconds(stack.filter.pid) - start.filter) * 1e6) / measured.requests,
        envoy: ((cpuSeconds(stack.envoy.pid) - start.envoy) * 1e6) / measured.requests,
      };
    };
    for (const stack of stacks) for (let warm = 0; warm < 6; warm++) await cost(stack);
    const olds: Cost[] = [];
    const news: Cost[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      // Who is first changes, so that a machine that slows down steadily favours neither.
      if (pair % 2 === 1) news.push(await cost(after));
      olds.push(await cost(before));
      if (pair % 2 === 0) news.push(await cost(after));
    }
    const ratios = olds.map(({ filter }, pair) => (news[pair]?.filter ?? Number.NaN) / filter);
    const [low, middle, high] = [0.25, 0.5, 0.75].map((q) => percent(quantile(ratios, q)));
    const micros = (costs: readonly Cost[], whose: keyof Cost): string =>
      quantile(
        costs.map((cost) => cost[whose]),
        0.5,
      ).toFixed(0);
    console.log(
      `| ${[what, micros(olds, 'filter'), micros(news, 'filter'), `${middle} (${low} to ${high})`, micros(olds, 'envoy'), micros(news, 'envoy'), failed].join(' | ')} |`,
    );
  }
  console.log(
    `\nResident memory of the filter after the run: ${residentMiB(before.filter.pid)} MiB before, ${residentMiB(after.filter.pid)} MiB now.`,
  );
} finally {
  for (const stack of stacks) await stack.stop();
  collector.close();
}

function everything(collectorUrl: string): Readonly<Record<string, string>> {
  const tokens = join(mkdtempSync(join(tmpdir(), 'compare-')), 'console-tokens');
  writeFileSync(tokens, `bench:${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
  return {
    GATEWAY_CONSOLE_TOKEN_FILE: tokens,
    OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl,
    GATEWAY_AUDIT_EXPORT: 'otlp,stdout',
  };
}

function percent(ratio: number): string {
  return `${ratio >= 1 ? '+' : ''}${((ratio - 1) * 100).toFixed(1)} %`;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * q), sorted.length - 1)] ?? Number.NaN;
}
