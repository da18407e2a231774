/** Collectors with certificates: whom the filter trusts, and who it is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { tracesRequest } from '../../../filter/observability/otlp.ts';
import { createOtlpClient, type OtlpAnswer } from '../../../filter/observability/otlp-client.ts';
import { readOtel } from '../../../filter/otel-settings.ts';
import { makeAuthority } from '../../stack/certificates.ts';

describe('OTLP over TLS', () => {
  const directory = mkdtempSync(join(tmpdir(), 'otlp-tls-'));
  const ours = makeAuthority('ours');
  const theirs = makeAuthority('theirs');
  const file = (name: string, pem: string): string => {
    writeFileSync(join(directory, name), pem);
    return join(directory, name);
  };
  const ca = file('ours.pem', ours.certificate);
  const server = ours.issue('/CN=collector', 'IP:127.0.0.1');
  const elsewhere = ours.issue('/CN=collector', 'IP:127.0.0.2');
  const client = ours.issue('/CN=gateway', 'URI:spiffe://corp.test/gateway');
  const stranger = theirs.issue('/CN=gateway', 'URI:spiffe://corp.test/gateway');
  after(() => {
    rmSync(directory, { recursive: true });
    ours.close();
    theirs.close();
  });

  /** @returns the answer, and whom the collector saw */
  async function send(
    { certificate, key }: { certificate: string; key: string },
    variables: Record<string, string>,
    asksClients = false,
  ): Promise<{ answer: OtlpAnswer; peers: unknown[] }> {
    const peers: unknown[] = [];
    const asked = { requestCert: asksClients, rejectUnauthorized: asksClients, ca: ours.certificate };
    const collector = createServer({ cert: certificate, key, ...asked }, (request, response) => {
      peers.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN);
      response.writeHead(200).end('{}');
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    const { port } = collector.address() as AddressInfo;
    const { traces } = readOtel({ OTEL_EXPORTER_OTLP_ENDPOINT: `https://127.0.0.1:${port}`, ...variables });
    if (traces === undefined) throw new Error('no endpoint');
    const otlp = createOtlpClient({ ...traces, timeoutMs: 5_000 });
    const answer = await otlp.send(tracesRequest({}, []));
    otlp.close();
    collector.closeAllConnections();
    await new Promise((resolve) => collector.close(resolve));
    return { answer, peers };
  }

  const reasonOf = (answer: OtlpAnswer): string => (answer.kind === 'taken' ? 'taken' : answer.reason);

  it('trusts the authority that is named, for the name that is asked, and nobody else', async () => {
    const named = { OTEL_EXPORTER_OTLP_CERTIFICATE: ca };
    expect((await send(server, named)).answer.kind).to.equal('taken');
    const wrong = { OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: file('theirs.pem', theirs.certificate), ...named };
    for (const [refused, reason] of [
      [await send(server, wrong), /certificate/],
      [await send(server, {}), /certificate/],
      [await send(elsewhere, named), /127\.0\.0\.1.*not in the cert/],
    ] as const) {
      expect(refused.peers).to.deep.equal([]);
      expect(refused.answer.kind).to.equal('again');
      expect(reasonOf(refused.answer)).to.match(reason);
    }
  });

  it('shows its own certificate to a collector that asks for one', async () => {
    const named = { OTEL_EXPORTER_OTLP_CERTIFICATE: ca };
    const as = (name: string, { certificate, key }: { certificate: string; key: string }): Record<string, string> => ({
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: file(`${name}.pem`, certificate),
      OTEL_EXPORTER_OTLP_CLIENT_KEY: file(`${name}.key`, key),
    });
    const known = await send(server, { ...named, ...as('client', client) }, true);
    expect(known).to.deep.equal({ answer: { kind: 'taken', rejected: 0 }, peers: ['gateway'] });
    expect((await send(server, named, true)).answer.kind).to.equal('again');
    const unknown = await send(server, { ...named, ...as('stranger', stranger) }, true);
    expect(unknown.peers).to.deep.equal([]);
    expect(unknown.answer.kind).to.equal('again');
  });

  it('is refused at the start with half a pair, or with the key of another', () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector' };
    const certificate = { OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: file('a.pem', client.certificate) };
    expect(() => readOtel({ ...endpoint, ...certificate })).to.throw('expected both or neither');
    const key = { OTEL_EXPORTER_OTLP_CLIENT_KEY: file('b.key', stranger.key) };
    expect(() => readOtel({ ...endpoint, ...certificate, ...key })).to.throw('expected a certificate and its own key');
  });
});
