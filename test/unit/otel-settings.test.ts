import { expect } from 'chai';
import { readOtel } from '../../filter/otel-settings.ts';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/' };

describe("OpenTelemetry's variables", () => {
  it('name a collector for both signals, or one for each', () => {
    expect(readOtel({}).traces).to.equal(undefined);
    const both = readOtel({
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_TIMEOUT: '5',
      OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20x, a=b',
    });
    expect(both.traces).to.deep.equal({
      ...{ url: 'http://collector:4318/v1/traces', protocol: 'http/protobuf', compression: 'none', timeoutMs: 5, tls: {} },
      headers: { authorization: 'Bearer x', a: 'b' },
    });
    expect(both.logs?.url).to.equal('http://collector:4318/v1/logs');
    const own = readOtel({
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://t/x',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'k=v',
    });
    expect(own.traces).to.deep.include({ url: 'https://t/x', headers: { k: 'v' } });
    expect(own.logs).to.deep.include({ url: 'http://collector:4318/v1/logs', headers: {} });
    const withPath = readOtel({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c/otlp/?key=1' });
    expect(withPath.traces?.url).to.equal('https://c/otlp/v1/traces?key=1');
    const asItStands = readOtel({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://t/x/' });
    expect(asItStands.traces?.url).to.equal('https://t/x/');
    const json = readOtel({ ...ENDPOINT, OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/json' });
    expect([json.logs?.protocol, json.traces?.protocol]).to.deep.equal(['http/json', 'http/protobuf']);
    const packed = readOtel({
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'none',
    });
    expect([packed.logs?.compression, packed.traces?.compression]).to.deep.equal(['gzip', 'none']);
    expect(readOtel({ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }).traces).to.equal(undefined);
    expect(readOtel({ ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' }).traces).to.equal(undefined);
  });

  it('say who we are', () => {
    expect(readOtel({}).resource).to.deep.equal({ 'service.name': 'model-gateway' });
    const said = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=a,zone=eu%2C1' };
    expect(readOtel(said).resource).to.deep.equal({ 'service.name': 'a', zone: 'eu,1' });
    expect(readOtel({ ...said, OTEL_SERVICE_NAME: 'b' }).resource).to.include({ 'service.name': 'b' });
  });

  const wrong: readonly (readonly [variables: Record<string, string>, told: string])[] = [
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'grpc://u:hush-hush@collector:4317' }, 'OTEL_EXPORTER_OTLP_ENDPOINT: expected a URL'],
    [{ OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'u:hush-hush@collector' }, 'OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: expected a URL'],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: 'a(b)=hush-hush' }, 'OTEL_EXPORTER_OTLP_HEADERS: expected names'],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: 'a=hush-hush%E2%82%AC' }, 'OTEL_EXPORTER_OTLP_HEADERS: expected names'],
    [
      { ...ENDPOINT, OTEL_EXPORTER_OTLP_LOGS_COMPRESSION: 'zstd' },
      'OTEL_EXPORTER_OTLP_LOGS_COMPRESSION: expected none or gzip, found "zstd"',
    ],
    [
      { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      'OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf or http/json',
    ],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: 'hush-hush' }, 'OTEL_EXPORTER_OTLP_HEADERS: expected key=value'],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: 'a=hush-hush%0d%0ab' }, 'OTEL_EXPORTER_OTLP_HEADERS: expected key=value'],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_CERTIFICATE: '/no/such.pem' }, 'OTEL_EXPORTER_OTLP_CERTIFICATE: ENOENT'],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_CERTIFICATE: 'package.json' }, 'OTEL_EXPORTER_OTLP_CERTIFICATE: expected PEM'],
    [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, 'OTEL_TRACES_SAMPLER: expected always_on'],
    [{ OTEL_TRACES_SAMPLER_ARG: '2' }, 'OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1'],
  ];
  for (const [variables, told] of wrong)
    it(`are refused: ${JSON.stringify(variables)}`, () => {
      expect(() => readOtel(variables))
        .to.throw(told)
        .with.property('message')
        .that.does.not.include('hush-hush');
    });
});
