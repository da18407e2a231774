import { expect } from 'chai';
import fc from 'fast-check';
import type { StreamEvent } from '../../../filter/transform/codecs/framing.ts';
import { SseSplitter } from '../../../filter/transform/codecs/sse.ts';

function split(bytes: Buffer, cuts: readonly number[]): StreamEvent[] {
  const splitter = new SseSplitter();
  const events: StreamEvent[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    events.push(...splitter.push(bytes.subarray(from, cut)));
    from = cut;
  }
  const last = splitter.end();
  return last === undefined ? events : [...events, last];
}

const told = (events: StreamEvent[]): [string, string][] =>
  events.filter(({ event, data }) => event !== '' || data !== '').map(({ event, data }) => [event, data]);

describe('SSE splitter', () => {
  it('reads events, names, several data lines, comments, and data without a space', () => {
    const bytes = Buffer.from(': hi\n\nevent: a\ndata: 1\n\ndata:2\ndata: 3\nid: 7\n\ndata\n\n');
    expect(told(split(bytes, []))).to.deep.equal([
      ['a', '1'],
      ['', '2\n3'],
    ]);
  });

  it('takes LF, CRLF and CR, and keeps every byte of an event', () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const bytes = Buffer.from(['event: x', 'data: é1', '', 'data: 2', '', ''].join(end));
      const events = split(bytes, []);
      expect(told(events), JSON.stringify(end)).to.deep.equal([
        ['x', 'é1'],
        ['', '2'],
      ]);
      expect(Buffer.concat(events.map(({ raw }) => raw)).equals(bytes)).to.equal(true);
    }
  });

  it('pitfall 34: an event that lacks its blank line at the end of the stream is not lost', () => {
    expect(told(split(Buffer.from('data: 1\n\ndata: 2'), []))).to.deep.equal([
      ['', '1'],
      ['', '2'],
    ]);
  });

  it('property: cut at any bytes, the events are the same', () => {
    const line = fc
      .oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.constantFrom('{"a":"b"}', 'ü€😀', ''))
      .map((text) => text.replaceAll(/[\r\n\ufeff]/g, ''));
    const event = fc.record({
      name: fc.constantFrom('', 'ping', 'delta'),
      data: fc.array(line, { minLength: 1, maxLength: 3 }),
    });
    const stream = fc.record({ events: fc.array(event, { maxLength: 8 }), end: fc.constantFrom('\n', '\r\n', '\r') });
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 20 }), ({ events, end }, picks) => {
        const text = events
          .map(({ name, data }) =>
            [...(name === '' ? [] : [`event: ${name}`]), ...data.map((part) => `data: ${part}`), '', ''].join(end),
          )
          .join('');
        const bytes = Buffer.from(text);
        const cuts = picks.map((pick) => pick % (bytes.length + 1)).sort((a, b) => a - b);
        const whole = told(split(bytes, []));
        expect(told(split(bytes, cuts))).to.deep.equal(whole);
        expect(
          told(
            split(
              bytes,
              Array.from({ length: bytes.length }, (_, at) => at),
            ),
          ),
        ).to.deep.equal(whole);
        expect(whole).to.deep.equal(
          events.map(({ name, data }) => [name, data.join('\n')]).filter(([name, data]) => name !== '' || data !== ''),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('gives up an event that never ends', () => {
    const splitter = new SseSplitter();
    const chunk = Buffer.alloc(16 * 1024 * 1024, 'x');
    expect(() => {
      for (let sent = 0; sent < 5; sent++) splitter.push(chunk);
    }).to.throw('exceeds');
  });

  for (const [name, line] of [
    ['LF', 'a\n'],
    ['CR', 'a\r'],
    ['CR LF', 'a:b\r\n'],
  ] as const) {
    // Were the rest searched anew for each line, this would take minutes.
    it(`reads an event of a million lines that end with ${name}`, () => {
      const end = line.slice(-1) === '\r' ? '\r' : '\n';
      const [event, ...more] = new SseSplitter().push(Buffer.from(`${line.repeat(1_000_000)}data: x\n${end}`));
      expect(more).to.have.length(0);
      expect(event?.data).to.equal('x');
    });
  }
});
