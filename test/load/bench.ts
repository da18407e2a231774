/**
 * `make bench`: what a request costs in the filter and in Envoy, and what the gateway adds to its time, against a plain Envoy that
 * stands in front of the same mock providers in the same run. A measurement, not a test: nothing here fails on a slow machine.
 */
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { startEnvoy } from '../stack/processes.ts';
import { startStack } from '../stack/stack.ts';
import { type Load, type Measured, measure } from './client.ts';
import { cpuSeconds, gatewayLoad, prompt, residentMiB } from './process-cost.ts';

const seconds = Number(process.env['BENCH_SECONDS'] ?? 4);
const SIZES: readonly (readonly [label: string, bytes: number])[] = [
  ['1 KB', 1_000],
  ['100 KB', 100_000],
];

interface Row {
  readonly what: string;
  readonly measured: Measured;
  readonly filterMicros: number | undefined;
  readonly envoyMicros: number;
}

const stack = await startStack({ concurrency: 1 });
const plain = await startEnvoy(writePlainConfig(stack.directory, stack.openai.port), join(stack.directory), 1, 'plain');
const plainUrl = `http://127.0.0.1:${plain.port}`;
const rows: Row[] = [];
try {
  // The first row must not pay for the compiler.
  for (const alias of ['fast-summariser', 'careful-writer', 'rainy-day']) {
    for (const stream of [false, true])
      await measure(gatewayLoad(stack.url, alias, 1_000, stream), { atOnce: 8, seconds: seconds / 2 });
  }
  for (const [size, bytes] of SIZES) {
    for (const stream of [false, true]) {
      if (stream && bytes > 1_000) continue;
      const kind = `${size}${stream ? ', stream' : ''}`;
      await run(`${kind}: plain Envoy`, plainLoad(bytes, stream), false);
      await run(`${kind}: same schema`, gatewayLoad(stack.url, 'fast-summariser', bytes, stream), true);
      await run(`${kind}: crossing`, gatewayLoad(stack.url, 'careful-writer', bytes, stream), true);
      await run(`${kind}: fallback, crossing`, gatewayLoad(stack.url, 'rainy-day', bytes, stream), true);
    }
  }
  const rss = { filter: residentMiB(stack.filter.pid), envoy: residentMiB(stack.envoy.pid) };
  const report = render(rss);
  console.log(report);
  const keep = process.env['BENCH_OUT'];
  if (keep !== undefined) writeFileSync(keep, report);
} finally {
  await plain.stop();
  await stack.stop();
}

async function run(what: string, load: Load, through: boolean): Promise<void> {
  process.stderr.write(`${what} …\n`);
  const envoyPid = through ? stack.envoy.pid : plain.pid;
  // Warm: code is compiled, connections stand.
  await measure(load, { atOnce: 8, seconds: Math.min(seconds, 2) });
  const before = { filter: cpuSeconds(stack.filter.pid), envoy: cpuSeconds(envoyPid) };
  const busy = await measure(load, { atOnce: 8, seconds });
  const after = { filter: cpuSeconds(stack.filter.pid), envoy: cpuSeconds(envoyPid) };
  // Latency alone: one request at a time, so that nothing waits for a core.
  const alone = await measure(load, { atOnce: 1, seconds: seconds / 2 });
  const perRequest = (spent: number): number => (spent * 1e6) / busy.requests;
  rows.push({
    what,
    measured: {
      ...busy,
      p50: alone.p50,
      p99: alone.p99,
      firstByteP50: alone.firstByteP50,
      firstByteP99: alone.firstByteP99,
      failed: busy.failed + alone.failed,
    },
    filterMicros: through ? perRequest(after.filter - before.filter) : undefined,
    envoyMicros: perRequest(after.envoy - before.envoy),
  });
}

function plainLoad(bytes: number, stream: boolean): Load {
  const body = JSON.stringify({ model: 'gpt-5.6-luna', messages: prompt(bytes), stream });
  return { url: `${plainUrl}/v1/chat/completions`, headers: { authorization: 'Bearer mock-openai-gateway-key' }, body };
}

function render(rss: { filter: number; envoy: number }): string {
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, Envoy 1.40 with one worker`;
  const header =
    '| request | requests/s | filter µs CPU | Envoy µs CPU | sum µs | p50 ms | p99 ms | added p50 | added p99 | first byte p50 | p99 | failed |';
  const lines = [
    ...[`Machine: ${machine}.`, `The load generator and the mock providers share the cores; ${seconds} s a row.`, ''],
    ...[header, '| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |'],
  ];
  for (const { what, measured, filterMicros, envoyMicros } of rows) {
    const base = rows.find((row) => row.what === `${what.split(':')[0]}: plain Envoy`)?.measured;
    const added = (value: number, from: number | undefined): string =>
      from === undefined || filterMicros === undefined ? '' : (value - from).toFixed(2);
    lines.push(
      `| ${[
        what,
        measured.perSecond.toFixed(0),
        filterMicros?.toFixed(0) ?? '',
        envoyMicros.toFixed(0),
        ((filterMicros ?? 0) + envoyMicros).toFixed(0),
        ...[
          measured.p50.toFixed(2),
          measured.p99.toFixed(2),
          added(measured.p50, base?.p50),
          added(measured.p99, base?.p99),
        ],
        ...[measured.firstByteP50.toFixed(2), measured.firstByteP99.toFixed(2), String(measured.failed)],
      ].join(' | ')} |`,
    );
  }
  return [...lines, '', `Resident memory after the run: filter ${rss.filter} MiB, Envoy ${rss.envoy} MiB.`, ''].join('\n');
}

function writePlainConfig(directory: string, port: number): string {
  const path = join(directory, 'plain.yaml');
  writeFileSync(
    path,
    `admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    per_connection_buffer_limit_bytes: 67108864
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: plain
          generate_request_id: false
          skip_xff_append: true
          route_config:
            virtual_hosts:
            - {name: plain, domains: ["*"], request_headers_to_remove: [x-forwarded-proto], routes: [{match: {prefix: "/"}, route: {cluster: plain, timeout: 0s}}]}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, suppress_envoy_headers: true}
  clusters:
  - name: plain
    type: STATIC
    load_assignment: {cluster_name: plain, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${port}}}}}]}]}
`,
  );
  return path;
}
