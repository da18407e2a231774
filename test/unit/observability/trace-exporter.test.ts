import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { pino } from 'pino';
import type { AuditUsage } from '../../../filter/observability/audit-record.ts';
import { tracesRequest } from '../../../filter/observability/otlp.ts';
import { createOtlpClient, type OtlpCompression } from '../../../filter/observability/otlp-client.ts';
import { spansOf } from '../../../filter/observability/request-spans.ts';
import { traceContextOf } from '../../../filter/observability/trace-context.ts';
import { TraceExporter } from '../../../filter/observability/trace-exporter.ts';
import { isSampled, type Sampling } from '../../../filter/observability/trace-sampling.ts';
import { type OtlpCollector, otlpEndpoint, startOtlpCollector } from '../../stack/otlp-collector.ts';
import { waitFor } from '../../stack/processes.ts';
import { freePort } from '../../stack/stack.ts';
import { record } from './observed.ts';

const ALWAYS: Sampling = { sampler: 'always_on', ratio: 1 };

const NOTHING = tracesRequest({}, []);

function traceOf(id: string) {
  return traceContextOf({ envoy: undefined, traceparent: undefined, tracestate: undefined }, id);
}

describe('trace exporter', () => {
  let collector: OtlpCollector;
  let exporter: TraceExporter;
  beforeEach(async () => {
    collector = await startOtlpCollector();
    exporter = make(ALWAYS);
  });
  afterEach(async () => {
    await exporter.close();
    await collector.close();
    expect(collector.violations).to.deep.equal([]);
  });
  const make = (sampling: Sampling, timeoutMs = 200, delayMs = 5, compression: OtlpCompression = 'none'): TraceExporter =>
    new TraceExporter({
      client: createOtlpClient(otlpEndpoint(`${collector.url}/v1/traces`, { timeoutMs, compression })),
      ...{
        resource: { 'service.name': 's' },
        sampling,
        hostOf: () => 'api.example',
        log: pino({ level: 'silent' }),
        delayMs,
      },
    });
  const add = (count: number): void => {
    for (let index = 0; index < count; index++) {
      const id = `req_${crypto.randomUUID()}`;
      const trace = traceOf(id);
      exporter.add(record(id, { trace_id: trace.traceId, span_id: trace.spanId }), trace);
    }
  };
  const exported = (count: number) => waitFor('spans', undefined, async () => exporter.counts.exported === count);

  it('sends a batch again that met 503s, silence and a broken connection, and doubles nothing that was taken', async () => {
    collector.mishaps.push({ status: 503 }, 'hang', 'drop', { status: 429, headers: { 'retry-after': '1' } });
    add(3);
    await exported(3);
    expect(exporter).to.deep.include({ counts: { exported: 3, dropped: 0 }, failedSends: 4 });
    expect(collector.spans.length).to.equal(6);
    expect(
      collector.spans.filter(({ kind }) => kind === 3).map(({ attributes }) => attributes['server.address']),
    ).to.deep.equal(Array(3).fill('api.example'));
  }).timeout(30_000);

  // A date has whole seconds.
  for (const [kind, retryAfter, least] of [
    ['seconds', () => '2', 1_990],
    ['a date', () => new Date(Date.now() + 3_000).toUTCString(), 1_990],
  ] as const)
    it(`waits as long as the collector asks, in ${kind}`, async () => {
      collector.mishaps.push({ status: 503, headers: { 'retry-after': retryAfter() } });
      const began = performance.now();
      add(1);
      await exported(1);
      expect(performance.now() - began).to.be.greaterThan(least);
    }).timeout(10_000);

  it('takes a connection that was closed for its idleness for no failure, and follows no redirect', async () => {
    add(1);
    await exported(1);
    collector.mishaps.push('drop');
    add(1);
    await exported(2);
    expect(exporter.failedSends).to.equal(0);
    const elsewhere = await startOtlpCollector();
    collector.mishaps.push({ status: 307, headers: { location: `${elsewhere.url}/v1/traces` } });
    add(1);
    await waitFor('the refusal', undefined, async () => exporter.counts.dropped === 1);
    expect(elsewhere.requests.length).to.equal(0);
    await elsewhere.close();
  });

  it('gives up an answer that never ends', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200);
      const more = setInterval(() => response.write('{'), 10);
      response.on('close', () => clearInterval(more));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const endpoint = otlpEndpoint(`http://127.0.0.1:${port}/`, { protocol: 'http/json', timeoutMs: 200 });
    const client = createOtlpClient(endpoint);
    expect((await client.send(NOTHING)).kind).to.equal('again');
    client.close();
    const unsendable = createOtlpClient({ ...endpoint, headers: { 'a b': 'c' } });
    expect((await unsendable.send(NOTHING)).kind).to.equal('again');
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('gives up what is refused, and what comes when too much waits, and counts both', async () => {
    collector.mishaps.push({ status: 400 });
    add(2);
    await waitFor('the refusal', undefined, async () => exporter.counts.dropped === 2);
    collector.always = 'hang';
    add(1);
    await waitFor('a request', undefined, async () => collector.requests.length === 2);
    add(2_048 + 7);
    expect(exporter.counts.dropped).to.equal(2 + 7);
    expect(exporter.queued).to.equal(2_048);
    const began = performance.now();
    await exporter.close();
    expect(performance.now() - began).to.be.lessThan(2_500);
    expect(exporter.counts).to.deep.equal({ exported: 0, dropped: 2 + 7 + 2_049 });
  });

  it('sends a full batch at once: a busy gateway would fill the queue before it is looked at', async () => {
    await exporter.close();
    exporter = make(ALWAYS, 10_000, 60_000);
    add(255);
    expect(exporter.queued).to.equal(255);
    add(1);
    await exported(256);
    add(1);
    expect(exporter.queued).to.equal(1);
  }).timeout(10_000);

  it('counts no span as taken that the collector rejects', async () => {
    const body = '{"partialSuccess":{"rejectedSpans":"4","errorMessage":"too old"}}';
    collector.mishaps.push({ status: 200, body }, { status: 200, body: body.replace('4', '1') });
    add(2);
    await waitFor('the first', undefined, async () => exporter.counts.dropped === 2);
    add(2);
    await exported(1);
    expect(exporter.counts).to.deep.equal({ exported: 1, dropped: 3 });
  });

  it('compresses when it is asked to', async () => {
    await exporter.close();
    exporter = make(ALWAYS, 5_000, 5, 'gzip');
    add(20);
    await exported(20);
    expect(collector.spans.length).to.equal(40);
    expect(collector.requests[0]?.headers['content-encoding']).to.equal('gzip');
  });

  it('reads a URL as it is meant', async () => {
    const port = await freePort();
    for (const url of [`HTTPS://127.0.0.1:${port}/v1/traces`, ` https://127.0.0.1:${port}/v1/traces`]) {
      const client = createOtlpClient(otlpEndpoint(url));
      expect(await client.send(tracesRequest({}, [])), url).to.deep.include({
        reason: `connect ECONNREFUSED 127.0.0.1:${port}`,
      });
      client.close();
    }
  });

  it('sends on closing what has not been sent', async () => {
    add(40);
    await exporter.close();
    expect(exporter.counts).to.deep.equal({ exported: 40, dropped: 0 });
  });
});

describe('spans', () => {
  it('have one type for an attribute, whatever its value is', () => {
    const [attempt] = record('r').attempts;
    if (attempt === undefined) throw new Error('no attempt');
    const typesOf = (first_byte_ms: number): unknown => {
      const made = spansOf(record('r', { attempts: [{ ...attempt, first_byte_ms }] }), traceOf('req_1'), () => undefined);
      const time = made[1]?.attributes.find(({ key }) => key === 'gen_ai.response.time_to_first_chunk');
      return Object.keys(time?.value ?? {});
    };
    expect(typesOf(2_000)).to.deep.equal(['doubleValue']);
    expect(typesOf(1_234.5)).to.deep.equal(['doubleValue']);
  });
});

describe('tokens in spans', () => {
  const tokensOf = (changes: Partial<AuditUsage>): Record<string, unknown> => {
    const { usage } = record('r');
    if (usage === null) throw new Error('no usage');
    const made = spansOf(record('r', { usage: { ...usage, ...changes } }), traceOf('req_1'), () => undefined);
    const pairs = made[1]?.attributes.filter(({ key }) => key.startsWith('gen_ai.usage.')) ?? [];
    return Object.fromEntries(pairs.map(({ key, value }) => [key.slice('gen_ai.usage.'.length), Object.values(value)[0]]));
  };

  it("have the conventions' names; sound and images only where there are any, with what came out of a cache", () => {
    expect(Object.keys(tokensOf({}))).to.have.members([
      ...['input_tokens', 'cache_read.input_tokens', 'cache_write.input_tokens'],
      ...['output_tokens', 'reasoning.output_tokens'],
    ]);
    const some = { audio_input_tokens: 3, audio_cache_read_input_tokens: 4, image_output_tokens: 5 };
    expect(tokensOf(some)).to.include({
      ...{ 'audio.input_tokens': '7', 'audio.cache_read.input_tokens': '4', 'image.output_tokens': '5' },
    });
  });
});

describe('sampling', () => {
  const parents = ['sampled', 'not_sampled', 'undecided'] as const;
  const decided = (sampling: Sampling) =>
    parents.map((parent) => isSampled({ ...traceOf(`req_${'0'.repeat(32)}`), parent }, sampling));

  it("obeys the parent, unless it is told otherwise, and decides by the trace's id where there is none", () => {
    expect(decided({ sampler: 'parentbased_always_on', ratio: 1 })).to.deep.equal([true, false, true]);
    expect(decided({ sampler: 'parentbased_always_off', ratio: 1 })).to.deep.equal([true, false, false]);
    expect(decided({ sampler: 'parentbased_traceidratio', ratio: 0.9 })).to.deep.equal([true, false, false]);
    expect(decided({ sampler: 'parentbased_traceidratio', ratio: 1 })).to.deep.equal([true, false, true]);
    expect(decided({ sampler: 'traceidratio', ratio: 0.9 })).to.deep.equal([false, false, false]);
    expect(decided({ sampler: 'always_on', ratio: 0 })).to.deep.equal([true, true, true]);
    expect(decided({ sampler: 'always_off', ratio: 1 })).to.deep.equal([false, false, false]);
  });

  it('takes about the share that was asked for', () => {
    let taken = 0;
    for (let count = 0; count < 20_000; count++)
      if (isSampled(traceOf(`req_${crypto.randomUUID()}`), { sampler: 'traceidratio', ratio: 0.1 })) taken += 1;
    expect(taken / 20_000).to.be.within(0.085, 0.115);
  });
});
