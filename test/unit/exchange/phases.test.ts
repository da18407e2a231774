import { expect } from 'chai';
import { openExchange } from '../../../filter/exchange/exchange.ts';
import type { HeaderView } from '../../../filter/exchange/http.ts';
import { onRequestBody, onRequestHeaders } from '../../../filter/exchange/phases.ts';
import { Fault } from '../../../filter/fault.ts';
import { gatewayOf, policyOf } from './exchange-fixture.ts';

const ZONES = { zones: { eu: {}, de: {} }, audit: { zones: ['eu', 'de'] } };
const NO_CERTIFICATE = { uri: undefined, subject: undefined };
const BODY = Buffer.from(JSON.stringify({ model: 'a', messages: [{ role: 'user', content: 'x' }] }));

/** As Envoy sends them: a header of two lines is there twice. */
function linesOf(...more: readonly (readonly [string, string])[]): HeaderView {
  const lines: (readonly [string, string])[] = [
    [':path', '/v1/chat/completions'],
    [':method', 'POST'],
    ['authorization', 'Bearer gk-one'],
    ...more,
  ];
  return { get: (name) => lines.find(([key]) => key === name)?.[1], names: () => lines.map(([key]) => key) };
}

function refusal(headers: HeaderView): string {
  const policy = policyOf({ ...ZONES, targets: { x: { zones: ['eu'] } } });
  const exchange = openExchange(gatewayOf(policy));
  try {
    onRequestHeaders(exchange, headers, { source: undefined, traceparent: undefined, certificate: NO_CERTIFICATE }, false);
    onRequestBody(exchange, BODY);
    return 'none';
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

describe('what a request demands in its headers', () => {
  it('a zone in a second line of the header is not passed over', () => {
    expect(refusal(linesOf(['x-gateway-privacy-zone', 'eu']))).to.equal('none');
    expect(refusal(linesOf(['x-gateway-privacy-zone', 'eu, de']))).to.equal('zone_unavailable');
    expect(refusal(linesOf(['x-gateway-privacy-zone', 'eu'], ['x-gateway-privacy-zone', 'de']))).to.equal(
      'route_demand_invalid',
    );
  });
});
