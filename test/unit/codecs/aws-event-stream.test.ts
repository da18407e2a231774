import { expect } from 'chai';
import fc from 'fast-check';
import { AWS_EVENT_STREAM, eventStreamCodec } from '../../../filter/transform/codecs/aws-event-stream.ts';
import type { StreamEvent } from '../../../filter/transform/codecs/framing.ts';

function frame(headers: Record<string, string>, payload: string): Buffer {
  const typed = Object.entries(headers).map(([name, value]) => [name, { type: 'string' as const, value }] as const);
  return Buffer.from(eventStreamCodec().encode({ headers: Object.fromEntries(typed), body: Buffer.from(payload) }));
}

function event(name: string, payload: string): Buffer {
  return frame({ ':event-type': name, ':content-type': 'application/json', ':message-type': 'event' }, payload);
}

function split(bytes: Buffer, cuts: readonly number[]): StreamEvent[] {
  const splitter = AWS_EVENT_STREAM.open();
  const events: StreamEvent[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    events.push(...splitter.push(bytes.subarray(from, cut)));
    from = cut;
  }
  expect(splitter.end()).to.equal(undefined);
  return events;
}

const told = (events: StreamEvent[]): [string, string][] => events.map(({ event: name, data }) => [name, data]);

describe('AWS event stream', () => {
  it('names events, exceptions and errors apart, and hands on what an error’s header says', () => {
    const bytes = Buffer.concat([
      event('messageStart', '{"role":"assistant"}'),
      frame({ ':exception-type': 'throttlingException', ':message-type': 'exception' }, '{"message":"slow"}'),
      frame({ ':error-code': 'InternalFailure', ':error-message': 'a "bad" day', ':message-type': 'error' }, ''),
      frame({}, ''),
    ]);
    expect(told(split(bytes, []))).to.deep.equal([
      ['messageStart', '{"role":"assistant"}'],
      ['exception:throttlingException', '{"message":"slow"}'],
      ['exception:InternalFailure', '{"message":"a \\"bad\\" day"}'],
      ['', ''],
    ]);
  });

  it('property: cut at any bytes, the events are the same, and their bytes are the stream’s', () => {
    const one = fc.tuple(fc.constantFrom('messageStart', 'contentBlockDelta', 'chunk'), fc.json());
    fc.assert(
      fc.property(fc.array(one, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 30 }), (events, picks) => {
        const bytes = Buffer.concat(events.map(([name, payload]) => event(name, payload)));
        const cuts = picks.map((pick) => pick % (bytes.length + 1)).sort((a, b) => a - b);
        const cut = split(bytes, cuts);
        expect(told(cut)).to.deep.equal(events);
        expect(Buffer.concat(cut.map(({ raw }) => raw)).equals(bytes)).to.equal(true);
      }),
    );
  });

  it('every byte alone', () => {
    const bytes = Buffer.concat([event('a', '{"x":"Grüße 🌍"}'), event('b', '{}')]);
    expect(told(split(bytes, [...bytes.keys()]))).to.deep.equal([
      ['a', '{"x":"Grüße 🌍"}'],
      ['b', '{}'],
    ]);
  });

  it('property: a byte that changed on the way is never read as an event', () => {
    const bytes = event('contentBlockDelta', '{"delta":{"text":"Hello"}}');
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const broken = Buffer.from(bytes);
        broken[at] = (broken[at] ?? 0) ^ change;
        const splitter = AWS_EVENT_STREAM.open();
        let read: StreamEvent[] = [];
        try {
          read = splitter.push(broken);
        } catch (error) {
          expect(error).to.be.instanceOf(Error);
        }
        expect(read).to.deep.equal([]);
      }),
    );
  });

  it('a frame in many chunks costs as much as its bytes', () => {
    const bytes = event('chunk', JSON.stringify({ x: 'y'.repeat(4_000_000) }));
    const splitter = AWS_EVENT_STREAM.open();
    const from = performance.now();
    const events: StreamEvent[] = [];
    for (let at = 0; at < bytes.length; at += 64) events.push(...splitter.push(bytes.subarray(at, at + 64)));
    expect(events).to.have.length(1);
    // A join per chunk would take minutes.
    expect(performance.now() - from).to.be.lessThan(5000);
  });
});
