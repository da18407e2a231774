import { expect } from 'chai';
import { concludeSilent, prepareAttempt } from '../../../filter/exchange/attempts.ts';
import { chainExhausted } from '../../../filter/exchange/chain.ts';
import type { Gateway } from '../../../filter/exchange/exchange.ts';
import { refuse } from '../../../filter/exchange/refuse.ts';
import { settle } from '../../../filter/exchange/settle.ts';
import { CanaryWatch } from '../../../filter/routing/canary.ts';
import { gatewayOf, policyOf, requestOf, targetOf } from './exchange-fixture.ts';

describe('a latency budget that no target could keep', () => {
  const policy = policyOf({
    targets: { x: {}, y: {} },
    aliases: { a: { chain: ['x'], attempt_deadline: { plain: '100ms' }, canary: { target: 'y', percent: 100 } } },
  });
  const x = targetOf(policy, 'x');
  const y = targetOf(policy, 'y');

  /** An attempt that is given up after `afterMs` without a word of its target. */
  function silent(gateway: Gateway, target: typeof x, afterMs: number, budgetMs: number | undefined): void {
    const exchange = requestOf(gateway, budgetMs === undefined ? {} : { 'x-gateway-latency-budget': `${budgetMs}ms` });
    exchange.slice = 'canary';
    exchange.attemptDeadlineMs = afterMs;
    prepareAttempt(exchange, target, 1, 'usable');
    const [attempt] = exchange.attempts.splice(0);
    if (attempt === undefined) throw new Error('nothing was begun');
    exchange.attempts.push({ ...attempt, startedAt: performance.now() - afterMs });
    concludeSilent(exchange);
    refuse(exchange, chainExhausted(exchange, undefined));
    settle(exchange, 'answered');
  }

  it('makes no target look ill to others, however often it is asked for', () => {
    const gateway = gatewayOf(policy);
    for (let time = 0; time < 20; time++) silent(gateway, x, 1, 2);
    expect(gateway.health.stateOf(x.id)).to.equal('well');
  });

  it('stops no canary', () => {
    const stops: string[] = [];
    const canaries = new CanaryWatch({ onStop: ({ id }) => stops.push(id), now: Date.now });
    const gateway = gatewayOf(policy, { canaries });
    for (let time = 0; time < 40; time++) silent(gateway, y, 1, 2);
    expect(stops).to.deep.equal([]);
    for (let time = 0; time < 40; time++) silent(gateway, y, 100, 150);
    expect(stops).to.have.length(1);
  });

  it('but a target that had its time and said nothing is ill, with a budget and without', () => {
    for (const budgetMs of [undefined, 150]) {
      const gateway = gatewayOf(policy);
      for (let time = 0; time < 5; time++) silent(gateway, x, 100, budgetMs);
      expect(gateway.health.stateOf(x.id)).to.equal('down');
    }
  });

  it('a target that commonly answers sooner than its budget has had its time as well', () => {
    const gateway = gatewayOf(policy);
    for (let time = 0; time < 10; time++) gateway.latency.note(x.id, 'plain', 5);
    for (let time = 0; time < 5; time++) silent(gateway, x, 20, 25);
    expect(gateway.health.stateOf(x.id)).to.equal('down');
  });
});
