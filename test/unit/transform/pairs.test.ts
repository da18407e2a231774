/** Every caller schema against every provider schema. The callers are the vendors' own SDKs: what they read is what counts. */
import { expect } from 'chai';
import fc from 'fast-check';
import { Fault } from '../../../filter/fault.ts';
import type { JsonObject } from '../../../filter/json.ts';
import { conversionBetween } from '../../../filter/transform/conversion/between.ts';
import type { Conversion } from '../../../filter/transform/conversion/conversion.ts';
import {
  callerForPath,
  callerForUnknownPath,
  callerSchemas,
  providerSchema,
  providerSchemaNames,
} from '../../../filter/transform/registry.ts';
import type { CallerSchema, ChatCaller, OriginalRequest } from '../../../filter/transform/schema.ts';
import { CALLERS, PROVIDERS } from './fixtures/all.ts';
import { CASES, type CallerFixture, type Case, TOLD } from './fixtures/fixture.ts';
import { needed, originalOf, sentBody, targetOf } from './original.ts';

const TARGET = targetOf('target-model');
const ABOUT = { id: 'answer-1', model: 'target-model' };

function callerOf(fixture: CallerFixture): ChatCaller {
  const caller = callerForPath(fixture.url(false).path);
  if (caller?.operation !== 'chat') throw new Error(`nobody serves ${fixture.url(false).path}`);
  return caller;
}

function originalFor(fixture: CallerFixture, name: Case, streamed: boolean): OriginalRequest {
  const usage = fixture.name === 'openai-chat' && streamed ? { stream_options: { include_usage: true } } : {};
  return originalOf({ ...fixture.requests[name], ...usage }, fixture.url(streamed));
}

/** What the exchange does with a streamed answer, whose bytes come in pieces that end anywhere. */
function carriedStream(
  conversion: Conversion,
  pieces: Buffer[],
  original: OriginalRequest,
): { out: Buffer; ended: boolean } {
  const splitter = conversion.framing.open();
  const carrier = conversion.openStream(original, ABOUT);
  const out: Buffer[] = [];
  for (const piece of pieces) for (const event of splitter.push(piece)) out.push(carrier.carry(event));
  const rest = splitter.end();
  if (rest !== undefined) out.push(carrier.carry(rest));
  out.push(carrier.end());
  return { out: Buffer.concat(out), ended: carrier.ended };
}

const timeless = (out: Buffer): string =>
  out
    .toString()
    .replaceAll(/"(created|created_at|completed_at)":\d+/g, '"$1":0')
    .replaceAll(/(resp|msg|fc|rs)_[0-9a-f-]{16,}/g, '$1_x');

describe('registry', () => {
  it('finds a caller schema by its exact path', () => {
    for (const fixture of CALLERS) expect(callerOf(fixture).name).to.equal(fixture.name);
    for (const path of ['/', '/v1/messages/', '/v1/Messages', '/v1/messages/batches', ''])
      expect(callerForPath(path)).to.equal(undefined);
  });

  it('finds a provider schema by its name', () => {
    for (const name of providerSchemaNames) expect(providerSchema(name)?.name).to.equal(name);
    for (const name of ['openai', 'constructor', '']) expect(providerSchema(name)).to.equal(undefined);
  });

  it('refuses an unknown path in words that its caller reads', () => {
    expect(callerForUnknownPath(() => undefined).name).to.equal('openai-chat');
    expect(callerForUnknownPath((name) => (name === 'anthropic-version' ? '2023-06-01' : undefined)).name).to.equal(
      'anthropic-messages',
    );
  });

  it('has a fixture for every schema of chat', () => {
    const chat = (caller: CallerSchema): boolean => caller.operation === 'chat';
    expect(CALLERS.map(({ name }) => name)).to.have.members(callerSchemas.filter(chat).map(({ name }) => name));
    const chatProviders = providerSchemaNames.filter((name) => providerSchema(name)?.chat !== undefined);
    expect(PROVIDERS.map(({ name }) => name)).to.have.members(chatProviders);
  });
});

for (const callerFixture of CALLERS) {
  for (const fixture of PROVIDERS) {
    const caller = callerOf(callerFixture);
    const provider = needed(providerSchema(fixture.name));
    const chat = needed(provider.chat);
    const conversion = needed(conversionBetween(caller, provider));

    describe(`pair: ${caller.name} caller, ${provider.name} provider`, () => {
      for (const name of CASES) {
        const expected = fixture.requests[name];
        const told = { ...TOLD[name], stop: callerFixture.stop[name] };

        it(`${name}: the request`, () => {
          const original = originalFor(callerFixture, name, false);
          const unified = caller.parseRequest(original);
          expect(unified.unmapped).to.deep.equal([]);
          const encode = (): JsonObject => {
            const encoded = chat.encodeRequest(unified, TARGET);
            expect(encoded.dropped).to.deep.equal([]);
            return sentBody(encoded);
          };
          if ('refuses' in expected) expect(encode).to.throw(Fault).with.property('param', expected['refuses']);
          else expect(encode()).to.deep.equal({ ...expected, ...('model' in expected ? { model: 'target-model' } : {}) });
        });

        if (conversion.passes) {
          it(`${name}: the request that passes`, () => {
            const original = originalFor(callerFixture, name, false);
            const passed = conversion.encode(original, TARGET, false).body;
            const { model: _asked, ...rest } = original.json;
            expect(JSON.parse(passed.toString())).to.deep.include(rest);
          });
        }

        it(`${name}: the answer`, async () => {
          const body = Buffer.from(JSON.stringify(fixture.answers[name]));
          const answer = conversion.answer(body, originalFor(callerFixture, name, false), ABOUT, () => undefined);
          expect(await callerFixture.read(answer.body, false)).to.deep.equal(told);
        });

        it(`${name}: the streamed answer`, async () => {
          const { out, ended } = carriedStream(conversion, [fixture.streams[name]], originalFor(callerFixture, name, true));
          expect(ended).to.equal(true);
          expect(await callerFixture.read(out, true)).to.deep.equal(told);
        });
      }

      it('property: a stream cut into pieces anywhere comes out the same', () => {
        fc.assert(
          fc.property(fc.constantFrom(...CASES), fc.array(fc.nat(5000), { maxLength: 12 }), (name, cuts) => {
            const bytes = fixture.streams[name];
            const ends = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b);
            const pieces = [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
            const original = originalFor(callerFixture, name, true);
            const whole = carriedStream(conversion, [bytes], original);
            expect(timeless(carriedStream(conversion, pieces, original).out)).to.equal(timeless(whole.out));
          }),
          { numRuns: 60 },
        );
      });

      it('a stream cut into single bytes comes out the same (pitfall 34)', () => {
        for (const name of CASES) {
          const bytes = fixture.streams[name];
          const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
          const original = originalFor(callerFixture, name, true);
          const { out } = carriedStream(conversion, [bytes], original);
          expect(timeless(carriedStream(conversion, single, original).out)).to.equal(timeless(out));
        }
      });

      it('a stream that is cut off never ends well (pitfall 33)', () => {
        for (const name of CASES) {
          const bytes = fixture.streams[name];
          for (let part = 1; part < 8; part++) {
            const half = bytes.subarray(0, Math.floor((bytes.length * part) / 10));
            const original = originalFor(callerFixture, name, true);
            let ended = false;
            let out = '';
            try {
              const carried = carriedStream(conversion, [half], original);
              ended = carried.ended;
              out = carried.out.toString();
            } catch {
              // A broken last event: the exchange writes the error event.
            }
            expect(ended, `${name} cut at ${part}/10`).to.equal(false);
            expect(out).not.to.contain('[DONE]').and.not.to.contain('message_stop').and.not.to.contain('response.completed');
          }
        }
      });
    });
  }
}
