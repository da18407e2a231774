import { expect } from 'chai';
import { onFailedAttempt } from '../../../filter/exchange/attempts.ts';
import { continueChain, startChain } from '../../../filter/exchange/chain.ts';
import { settle } from '../../../filter/exchange/settle.ts';
import { gatewayOf, headersOf, policyOf, requestOf } from './exchange-fixture.ts';

describe("the chain and its providers' limits", () => {
  const ids = (chain: readonly { readonly id: string }[]): string => chain.map(({ id }) => id).join(' ');

  it('a target that failed has its place free while the chain goes on elsewhere', () => {
    const policy = policyOf({ targets: { x: { limits: { concurrency: 1 } }, y: {} }, wait: { interactive: '0s' } });
    const gateway = gatewayOf(policy);
    const first = requestOf(gateway);
    startChain(first, first.plan);
    onFailedAttempt(first, 1, headersOf({ ':status': '500' }));
    continueChain(first, 'c-y', 2);
    const second = requestOf(gateway);
    startChain(second, second.plan);
    expect(ids(second.chain)).to.equal('x y');
    settle(first, 'answered');
    settle(second, 'answered');
    expect(gateway.limits.figures().map(({ room }) => room)).to.deep.equal([1]);
  });

  it('a retry on a target stays in the chain when an earlier one has no room', () => {
    const policy = policyOf({
      targets: { x: { limits: { concurrency: 1 } }, y: {}, z: {} },
      aliases: { a: { chain: ['x', 'y', 'y', 'z'] } },
      wait: { interactive: '0s' },
    });
    const gateway = gatewayOf(policy);
    const first = requestOf(gateway);
    startChain(first, first.plan);
    const second = requestOf(gateway);
    startChain(second, second.plan);
    expect(ids(second.chain)).to.equal('y y z x');
  });
});
