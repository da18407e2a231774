/** Spans of Envoy and of the filter, in one trace with the caller's, as docs/tracing.md says to set it up. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse, parseDocument } from 'yaml';
import { readBootstrap } from '../stack/envoy-config.ts';
import { type CollectedSpan, type OtlpCollector, startOtlpCollector } from '../stack/otlp-collector.ts';
import { waitFor } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { post } from './callers.ts';

const CHAT = '/v1/chat/completions';
const messages = [{ role: 'user', content: 'a secret of the prompt' }];
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';
const traceparent = `00-${TRACE}-${CALLER}-01`;
const secrets = { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20collector-secret' };

/** The bootstrap with what the documentation tells to put into it; only the collector's address is another. */
function tracedBootstrap(port: number): string {
  const [settings, cluster] = [...readFileSync('docs/tracing.md', 'utf8').matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) =>
    parse(text ?? ''),
  );
  const document = parseDocument(readBootstrap());
  const manager = ['static_resources', 'listeners', 0, 'filter_chains', 0, 'filters', 0, 'typed_config'];
  for (const [name, value] of Object.entries(settings)) document.setIn([...manager, name], document.createNode(value));
  const text = JSON.stringify(cluster)
    .replace('"address":"collector"', '"address":"127.0.0.1"')
    .replace('"port_value":4318', `"port_value":${port}`)
    .replace('STRICT_DNS', 'STATIC');
  document.addIn(['static_resources', 'clusters'], document.createNode(JSON.parse(text)));
  return document.toString();
}

describe('traces, through Envoy', () => {
  let collector: OtlpCollector;
  let stack: Stack;
  const start = async (traced: 'envoy' | 'filter_alone'): Promise<void> => {
    collector = await startOtlpCollector();
    stack = await startStack({
      ...(traced === 'envoy' ? { bootstrapText: tracedBootstrap(collector.port) } : {}),
      environment: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_RESOURCE_ATTRIBUTES: 'region=eu', ...secrets },
    });
  };
  const spansOf = async (traceId: string, enough: (spans: CollectedSpan[]) => boolean): Promise<CollectedSpan[]> => {
    let found: CollectedSpan[] = [];
    await waitFor(`spans of ${traceId}`, stack.filter, async () => {
      // Envoy tells its spans of ext_proc calls twice.
      const unique = new Map(collector.spans.map((span) => [span.spanId, span]));
      found = [...unique.values()].filter((span) => span.traceId === traceId);
      return enough(found);
    });
    return found;
  };
  const ours = (spans: readonly CollectedSpan[]): CollectedSpan[] =>
    spans.filter(({ service }) => service === 'model-gateway');
  afterEach(async () => {
    await stack.stop();
    await collector.close();
    expect(collector.violations).to.deep.equal([]);
  });

  it("Envoy's span is the caller's child, ours is Envoy's, and providers see none of it", async () => {
    await start('envoy');
    const headers = { traceparent, tracestate: 'a=b', 'x-gateway-session': 'run-7' };
    const answer = await post(stack, CHAT, { model: 'rainy-day', messages }, headers);
    expect(answer.status).to.equal(200);
    const record = await stack.auditOf(answer.headers.get('x-gateway-request-id'));
    const spans = await spansOf(TRACE, (found) => ours(found).length === 3 && found.some(({ name }) => name === 'ingress'));
    const byId = new Map(spans.map((span) => [span.spanId, span]));
    const [request, ...attempts] = ours(spans);
    expect(record).to.include({ trace_id: TRACE, span_id: request?.spanId, parent_span_id: request?.parentSpanId });
    const call = byId.get(request?.parentSpanId ?? '');
    expect(call).to.include({ service: 'model-gateway-envoy', kind: 3 });
    const ingress = byId.get(call?.parentSpanId ?? '');
    expect(ingress).to.include({ service: 'model-gateway-envoy', name: 'ingress', parentSpanId: CALLER });

    expect(request).to.include({ name: 'chat rainy-day', kind: 2, status: 0, traceState: 'a=b' });
    expect(request?.resource).to.deep.equal({ 'service.name': 'model-gateway', region: 'eu' });
    expect(request?.attributes).to.include({
      ...{ 'gen_ai.operation.name': 'chat', 'gen_ai.conversation.id': 'run-7', 'http.response.status_code': 200 },
      ...{ 'gateway.request_id': record.request_id, 'gateway.tenant': 'alpha', 'gateway.outcome': 'ok' },
    });
    expect(attempts.map(({ parentSpanId, kind, status }) => ({ parentSpanId, kind, status }))).to.deep.equal([
      { parentSpanId: request?.spanId, kind: 3, status: 2 },
      { parentSpanId: request?.spanId, kind: 3, status: 0 },
    ]);
    expect(attempts[0]?.attributes).to.include({
      ...{ 'gen_ai.provider.name': 'openai', 'error.type': 'overloaded', 'http.response.status_code': 529 },
      ...{ 'gateway.target': 'gpt-overloaded', 'gateway.cluster': 'openai', 'gateway.attempt': 1 },
    });
    expect(attempts[0]?.attributes).to.not.have.property('gen_ai.usage.output_tokens');
    expect(attempts[1]?.attributes).to.include({
      ...{ 'gen_ai.provider.name': 'anthropic', 'gen_ai.response.model': record.response_model },
      'gen_ai.usage.input_tokens': record.usage?.input_tokens,
      'gen_ai.usage.output_tokens': record.usage?.output_tokens,
    });
    for (const attempt of attempts) {
      expect(request !== undefined && attempt.start >= request.start && attempt.end <= request.end).to.equal(true);
    }
    const sent = stack.mocks.flatMap(({ requests }) => requests.flatMap((seen) => Object.keys(seen.headers)));
    expect(sent).to.include('user-agent');
    expect(sent.filter((name) => /trace|b3|session|baggage|request-id/.test(name))).to.deep.equal([]);
  });

  it("without Envoy's tracer ours is the caller's child; one that is not sampled has none; a stream and a refusal have theirs", async () => {
    await start('filter_alone');
    const unsampled = 'f'.repeat(32);
    await post(stack, CHAT, { model: 'fast-summariser', messages }, { traceparent: `00-${unsampled}-${CALLER}-00` });
    await post(stack, CHAT, { model: 'fast-summariser', messages, stream: true }, { traceparent });
    const refused = await post(stack, CHAT, { model: 'fast-summariser', messages }, { authorization: '', traceparent: 'x' });
    const record = await stack.auditOf(refused.headers.get('x-gateway-request-id'));
    const [request, attempt, ...none] = await spansOf(TRACE, (found) => found.length >= 2);
    expect(none).to.deep.equal([]);
    expect(request).to.include({ parentSpanId: CALLER, kind: 2 });
    expect(attempt?.attributes).to.include({ 'gen_ai.request.stream': true });
    expect(attempt?.attributes['gen_ai.response.time_to_first_chunk']).to.be.greaterThan(0);
    const [own, ...rest] = await spansOf(record.trace_id, (found) => found.length >= 1);
    expect(rest).to.deep.equal([]);
    expect(own).to.include({ parentSpanId: '', status: 0 });
    expect(own?.attributes).to.include({ 'gateway.outcome': 'refused', 'http.response.status_code': 401 });
    expect(collector.spans.filter(({ traceId }) => traceId === unsampled)).to.deep.equal([]);

    expect(collector.requests.every(({ headers }) => headers.authorization === 'Bearer collector-secret')).to.equal(true);
    const sent = JSON.stringify(collector.spans, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    for (const secret of ['a secret of the prompt', 'mock-openai-gateway-key', 'gk-demo-alpha'])
      expect(sent).to.not.include(secret);
    const metrics = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
    expect(metrics).to.include('gateway_traced_requests_total{result="exported"} 2');
    for (const text of [metrics, readFileSync(stack.filter.logPath, 'utf8')])
      expect(text).to.not.include('collector-secret');
  });

  it('a collector that is silent costs the gateway nothing, and ends with it', async () => {
    await start('filter_alone');
    collector.always = 'hang';
    for (let count = 0; count < 5; count++) await post(stack, CHAT, { model: 'fast-summariser', messages }, { traceparent });
    await waitFor('a request to the collector', stack.filter, async () => collector.requests.length > 0);
    const began = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post(stack, CHAT, { model: 'fast-summariser', messages }, { traceparent })),
    );
    expect(answers.map(({ status }) => status)).to.deep.equal(Array(20).fill(200));
    expect(performance.now() - began).to.be.lessThan(5_000);
    await stack.filter.stop();
    expect(readFileSync(stack.filter.logPath, 'utf8')).to.include('filter has stopped');
  });
});
