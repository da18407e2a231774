import { expect } from 'chai';
import fc from 'fast-check';
import { CALLER_KEY_PATTERN, makeCallerKey, prefixOf, shapeOf } from '../../../filter/identity/key-format.ts';
import { parseSource, partyOf } from '../../../filter/identity/source-address.ts';

describe('caller keys as they are made', () => {
  it('have their shape and checksum, and no two are alike', () => {
    const made = Array.from({ length: 500 }, makeCallerKey);
    expect(new Set(made).size).to.equal(500);
    for (const key of made) {
      expect(key).to.match(CALLER_KEY_PATTERN);
      expect(shapeOf(key)).to.equal('ours');
      expect(key.startsWith(prefixOf(key)) && prefixOf(key).length === 9).to.equal(true);
    }
    // All 62 characters occur, or the randomness is not what it is said to be.
    expect(new Set(made.flatMap((key) => [...key.slice(3, 31)])).size).to.equal(62);
  });

  it('show a slip of the hand', () => {
    fc.assert(
      fc.property(fc.nat(33), fc.constantFrom(...'0Aaz9'), (position, character) => {
        const key = makeCallerKey();
        const at = 3 + position;
        fc.pre(key[at] !== character);
        return shapeOf(key.slice(0, at) + character + key.slice(at + 1)) === 'mistyped';
      }),
    );
    for (const other of ['', 'gk-demo-alpha', `${makeCallerKey()}0`, makeCallerKey().slice(1)])
      expect(shapeOf(other)).to.equal('other');
  });
});

describe('source addresses', () => {
  it('are read as Envoy writes them', () => {
    expect(parseSource('10.0.0.1:80')).to.deep.equal({ address: '10.0.0.1', family: 'ipv4' });
    expect(parseSource('[::ffff:10.0.0.1]:80')).to.deep.equal({ address: '10.0.0.1', family: 'ipv4' });
    expect(parseSource('[::ffff:a00:1]:80')).to.deep.equal({ address: '10.0.0.1', family: 'ipv4' });
    expect(parseSource('[2001:db8::1]:80')?.family).to.equal('ipv6');
    for (const text of [undefined, '', '@/run/envoy.sock', '/run/envoy.sock:0', 'localhost:80', '[::1'])
      expect(parseSource(text), text).to.equal(undefined);
  });

  it('one /64 is one party, however its addresses are written', () => {
    fc.assert(
      fc.property(
        fc.ipV6(),
        fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 4, maxLength: 4 }),
        (address, hosts) => {
          const source = parseSource(`[${address}]:1`);
          fc.pre(source?.family === 'ipv6');
          const party = partyOf(source);
          const [net = ''] = party.split('::/64');
          const sibling = `${net}:${hosts.map((group) => group.toString(16)).join(':')}`;
          fc.pre(!sibling.startsWith('0:0:0:0:0:ffff:'));
          return partyOf(parseSource(`[${sibling}]:1`)) === party;
        },
      ),
    );
  });
});
