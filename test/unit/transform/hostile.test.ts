/** Decoders read what providers send: whatever it is, they answer or throw an Error, and never hang. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { JsonObject } from '../../../filter/json.ts';
import { providerSchema, providerSchemaNames } from '../../../filter/transform/registry.ts';
import type { UnifiedEvent } from '../../../filter/transform/unified.ts';
import { PROVIDERS } from './fixtures/all.ts';
import { CASES } from './fixtures/fixture.ts';
import { needed, originalOf } from './original.ts';

/** Without members that replace how JavaScript makes text of an object: what comes of those is an Error like any other. */
const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => !/"(toString|valueOf)"/.test(JSON.stringify(value)));

/** A real answer with one value of it changed: deeper in than random JSON ever gets. */
function mutated(value: unknown, path: number[], replacement: unknown): unknown {
  if (typeof value !== 'object' || value === null || path.length === 0) return replacement;
  const keys = Object.keys(value);
  const key = keys[(path[0] ?? 0) % Math.max(keys.length, 1)];
  if (key === undefined) return replacement;
  const entries = Object.entries(value).map(([name, item]) => [
    name,
    name === key ? mutated(item, path.slice(1), replacement) : item,
  ]);
  return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
}

describe('hostile answers', () => {
  for (const name of providerSchemaNames) {
    const provider = needed(providerSchema(name));

    it(`${name}: an error of any status and body is one of the taxonomy`, () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 400, max: 599 }),
          fc.oneof(fc.string({ unit: 'binary' }), fc.json()),
          fc.string(),
          (status, body, header) => {
            const error = provider.decodeError(status, () => header, Buffer.from(body));
            expect(error.kind).to.be.a('string').that.is.not.equal('');
            expect(error.message).to.be.a('string').that.is.not.equal('');
            expect(error.status).to.equal(status);
          },
        ),
        { numRuns: 150 },
      );
    });
  }

  for (const fixture of PROVIDERS) {
    const chat = needed(providerSchema(fixture.name)?.chat);

    it(`${fixture.name}: an answer of any shape is read or refused`, () => {
      const decode = (body: unknown): void => {
        try {
          const answer = chat.decodeAnswer(body as JsonObject);
          expect(answer.choices).to.be.an('array');
          chat.native?.readFacts(body as JsonObject);
        } catch (error) {
          expect(error).to.be.instanceOf(Error).and.not.instanceOf(TypeError).and.not.instanceOf(RangeError);
        }
      };
      fc.assert(fc.property(fc.dictionary(fc.string(), json), decode), { numRuns: 150 });
      const answers = CASES.map((one) => fixture.answers[one]);
      fc.assert(
        fc.property(
          fc.constantFrom(...answers),
          fc.array(fc.nat(9), { minLength: 1, maxLength: 7 }),
          json,
          (answer, path, value) => decode(mutated(answer, path, value)),
        ),
        { numRuns: 600 },
      );
    });

    it(`${fixture.name}: events of any shape are read or refused, in the stream and by the tap`, () => {
      const see = (data: string, event: string): void => {
        const events: UnifiedEvent[] = [];
        const stream = chat.openStream((one) => events.push(one));
        const tap = chat.native?.openTap(originalOf({}));
        for (const step of [
          () => stream.push({ event, data, raw: Buffer.from(data) }),
          () => stream.end?.(),
          () => tap?.see({ event, data, raw: Buffer.from(data) }),
        ]) {
          try {
            step();
          } catch (error) {
            expect(error, data).to.be.instanceOf(Error).and.not.instanceOf(TypeError).and.not.instanceOf(RangeError);
          }
        }
      };
      fc.assert(
        fc.property(
          fc.oneof(
            json.map((value) => JSON.stringify(value)),
            fc.string(),
          ),
          fc.string(),
          see,
        ),
        { numRuns: 150 },
      );
      const splitter = chat.framing.open();
      const real = CASES.flatMap((one) => splitter.push(fixture.streams[one])).filter(({ data }) => data.startsWith('{'));
      fc.assert(
        fc.property(
          fc.constantFrom(...real),
          fc.array(fc.nat(9), { minLength: 1, maxLength: 6 }),
          json,
          ({ event, data }, path, value) => see(JSON.stringify(mutated(JSON.parse(data), path, value)), event),
        ),
        { numRuns: 600 },
      );
    });
  }
});
