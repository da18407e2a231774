import { expect } from 'chai';
import { NO_TRACE, sessionIdOf, traceContextOf } from '../../../filter/observability/trace-context.ts';

const ID = 'req_6b52593b-96e5-47cd-99bb-5616436a8666';
const OWN = { traceId: '6b52593b96e547cd99bb5616436a8666', spanId: '99bb5616436a8666' };
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const from = (traceparent: string, tracestate?: string) => traceContextOf({ ...NO_TRACE, traceparent, tracestate }, ID);

describe('trace context', () => {
  it("is the caller's", () => {
    expect(from(`00-${TRACE}-${SPAN}-01`, 'a=b')).to.deep.equal({
      ...{ traceId: TRACE, parentSpanId: SPAN, parent: 'sampled', spanId: OWN.spanId, state: 'a=b' },
    });
    expect(from(`00-${TRACE}-${SPAN}-00`).parent).to.equal('not_sampled');
    // Flags that are not known yet, and a later version with more fields.
    expect(from(`00-${TRACE}-${SPAN}-03`).parent).to.equal('sampled');
    expect(from(`cc-${TRACE}-${SPAN}-01-what-the-future-has`).traceId).to.equal(TRACE);
  });

  it("is Envoy's before the caller's", () => {
    const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
    const context = traceContextOf({ envoy: `00-${TRACE}-${SPAN}-00`, traceparent, tracestate: undefined }, ID);
    expect(context).to.include({ traceId: TRACE, parentSpanId: SPAN, parent: 'not_sampled' });
  });

  for (const invalid of [
    '',
    'x',
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    ` 00-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01,00-${TRACE}-${SPAN}-01`,
    `cc-${TRACE}-${SPAN}-01.x`,
  ])
    it(`is a new one for ${JSON.stringify(invalid)}`, () => {
      expect(from(invalid, 'a=b')).to.deep.equal({ ...OWN, parentSpanId: null, parent: 'undecided', state: '' });
    });

  it('has no state that is too long or not printable', () => {
    for (const state of ['x'.repeat(513), 'a=\u0001']) expect(from(`00-${TRACE}-${SPAN}-01`, state).state).to.equal('');
  });
});

describe('session ids', () => {
  it('are short and visible, or none', () => {
    expect(sessionIdOf('a-1')).to.equal('a-1');
    expect(sessionIdOf('x'.repeat(128))).to.have.length(128);
    for (const none of [undefined, '', 'a b', 'x'.repeat(129), 'ä', 'a\n']) expect(sessionIdOf(none)).to.equal(null);
  });
});
