import { expect } from 'chai';
import fc from 'fast-check';
import { replaceMembers } from '../../../filter/transform/codecs/json-patch.ts';
import { jsonErrorPosition } from '../../../filter/transform/codecs/json-position.ts';

const patch = (text: string, members: Record<string, string>): string =>
  replaceMembers(Buffer.from(text), new Map(Object.entries(members))).toString();

describe('replaceMembers', () => {
  it('changes a member and leaves every other byte', () => {
    expect(patch('{ "a" : 1.0,\n "model":"x" , "z":{"model":"y"}, "t":[{"model":1}] }', { model: '"new"' })).to.equal(
      '{ "a" : 1.0,\n "model":"new" , "z":{"model":"y"}, "t":[{"model":1}] }',
    );
  });

  it('puts what is missing first', () => {
    expect(patch('{"a":1}', { b: '2', c: '3' })).to.equal('{"b":2,"c":3,"a":1}');
    expect(patch('{ }', { b: '2' })).to.equal('{"b":2 }');
    expect(patch('{"b":1,"a":1}', { b: '2', c: '3' })).to.equal('{"c":3,"b":2,"a":1}');
  });

  it('leaves of a name that comes twice, however it is spelt, what readers of the whole take: the last', () => {
    expect(patch('{"model":"a","mod\\u0065l":"b","model":{"x":"}"}}', { model: '"n"' })).to.equal('{"model":"n"}');
    expect(patch('{"f":[1], "a":1, "\\u0066":[2] , "model":"x","f":null}', { model: '"n"' })).to.equal(
      '{ "a":1 , "model":"n","f":null}',
    );
    expect(patch('{"a":{"f":1,"f":2},"model":"x","a":3}', { model: '"n"' })).to.equal('{"model":"n","a":3}');
  });

  it('property: no name comes twice, and the last of each is what stays', () => {
    const member = fc.tuple(fc.constantFrom('a', 'model', 'f', 'x}'), fc.integer(), fc.constantFrom('', ' ', '\n'));
    fc.assert(
      fc.property(fc.array(member, { maxLength: 8 }), fc.constantFrom(undefined, '"n"'), (members, model) => {
        const written = members.map(([name, value, space]) => `${space}"${name}"${space}:${value}${space}`);
        const { model: _old, ...others } = JSON.parse(`{${written}}`);
        const patched = replaceMembers(Buffer.from(`{${written}}`), new Map([['model', model]])).toString();
        expect(JSON.parse(patched)).to.deep.equal(model === undefined ? others : { ...others, model: 'n' });
        expect(patched.split(':').length - 1).to.equal(Object.keys(JSON.parse(patched)).length);
      }),
    );
  });

  it('property: reads as the same object with the member changed', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.constantFrom(undefined, 1, '\t'),
        fc.string(),
        fc.jsonValue(),
        (object, indent, name, value) => {
          fc.pre(name !== '__proto__' && !Object.hasOwn(object, '__proto__'));
          const text = JSON.stringify(object, undefined, indent);
          const expected = { ...JSON.parse(text), [name]: JSON.parse(JSON.stringify(value)) };
          expect(JSON.parse(patch(text, { [name]: JSON.stringify(value) }))).to.deep.equal(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('passes over a large string at the speed of a search', () => {
    const text = `{"image":"${'A'.repeat(32 * 1024 * 1024)}","model":"x"}`;
    const began = performance.now();
    expect(patch(text, { model: '"y"' }).endsWith('"model":"y"}')).to.equal(true);
    expect(performance.now() - began).to.be.lessThan(5_000);
  });
});

describe('jsonErrorPosition', () => {
  for (const [text, line, column] of [
    ['{"a": }', 1, 7],
    ['{"a": 1,\n "b": [1, 2,\n  }]}', 3, 3],
    ['{"a": "x', 1, 9],
    ['{"a" 1}', 1, 6],
    ['{"a": tru}', 1, 7],
    ['[1,]', 1, 4],
    ['{"a":"\\x"}', 1, 7],
    ['{} {}', 1, 4],
    ['', 1, 1],
    ['{"a":01}', 1, 7],
  ] as const) {
    it(`finds ${JSON.stringify(text)} at ${line}:${column}`, () => {
      expect(() => JSON.parse(text)).to.throw();
      expect(jsonErrorPosition(text)).to.deep.equal({ line, column });
    });
  }

  it('property: what the engine reads has no error before its end', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const { line, column } = jsonErrorPosition(text);
        expect([line, column]).to.deep.equal([text.split('\n').length, text.length - text.lastIndexOf('\n')]);
      }),
    );
  });
});
