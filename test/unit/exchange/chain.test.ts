import { expect } from 'chai';
import { admit } from '../../../filter/exchange/admission.ts';
import { onResponseHeaders } from '../../../filter/exchange/answer.ts';
import { onFailedAttempt } from '../../../filter/exchange/attempts.ts';
import { continueChain, replan, startChain } from '../../../filter/exchange/chain.ts';
import type { Exchange } from '../../../filter/exchange/exchange.ts';
import { onErrorBody } from '../../../filter/exchange/guard.ts';
import { Fault } from '../../../filter/fault.ts';
import type { PolicyDocument } from '../../../filter/policy/document.ts';
import type { Demand } from '../../../filter/quota/quota-store.ts';
import { CALLER_KEY, gatewayOf, headersOf, policyOf, requestOf } from './exchange-fixture.ts';

describe('the chain of one request', () => {
  it('has no more targets than Envoy is allowed attempts, though three zones have more last resorts together', () => {
    const ids = Array.from({ length: 9 }, (_, index) => `x${index}`);
    const zones = ['eu', 'de', 'be'];
    const policy = policyOf({
      zones: Object.fromEntries(zones.map((zone, index) => [zone, { last_resort: ids.slice(6 + index, 7 + index) }])),
      audit: { zones },
      targets: Object.fromEntries(ids.map((id) => [id, { zones }])),
      aliases: { a: { chain: ids.slice(0, 6) } },
      tenants: { t: { route: { privacy_zones: zones }, caller_keys: [{ name: 'k', sha256: CALLER_KEY }] } },
    });
    const exchange = requestOf(gatewayOf(policy));
    const forward = startChain(exchange, exchange.plan);
    if (forward instanceof Promise) throw new Error('nothing to wait for');
    expect(forward.chain).to.have.length(8);
    expect(exchange.chain).to.have.length(8);
  });

  it('whose latency budget is over before anything was sent asks nobody', () => {
    const gateway = gatewayOf(policyOf({ targets: { x: {}, y: {} } }));
    const late = requestOf(gateway);
    late.deadlineAt = late.startedAt - 1;
    expect(() => startChain(late, late.plan))
      .to.throw(Fault)
      .with.property('code', 'deadline_exceeded');
    expect(late.attempts).to.deep.equal([]);
    const early = requestOf(gateway, { 'x-gateway-latency-budget': '60s' });
    startChain(early, early.plan);
    expect(early.attempts).to.have.length(1);
  });

  it('a provider’s word on how long to wait is kept where its body was read', () => {
    const exchange = requestOf(gatewayOf(policyOf({ targets: { x: {}, y: {} } })));
    startChain(exchange, exchange.plan);
    const headers = headersOf({ ':status': '429', 'retry-after': '60' });
    expect(onErrorBody(exchange, 1, headers, Buffer.from('{"error":{"code":"rate_limit_exceeded"}}'))).to.equal('move_on');
    expect(exchange.attempts[0]).to.include({ outcome: 'rate_limited', retryAfterSeconds: 60 });
  });

  /** What Envoy says itself, of the two-target chain whose first was begun. */
  function localReply(said: string): { readonly exchange: Exchange; readonly problems: readonly (string | undefined)[] } {
    const policy = policyOf({ targets: { x: {}, y: {} } });
    const exchange = requestOf(gatewayOf(policy));
    startChain(exchange, exchange.plan);
    exchange.attemptDeadlineMs = 60_000;
    const answer = headersOf({ ':status': '503', 'x-gateway-local-reply': said });
    expect(() => onResponseHeaders(exchange, answer)).to.throw(Fault);
    const problems = exchange.chain.map(({ cluster }) => exchange.gateway.clusters.problemOf(cluster));
    return { exchange, problems };
  }

  it('a target without hosts is told of itself, not of the one before it that was silent', () => {
    const { exchange, problems } = localReply('UH;2');
    expect(problems).to.deep.equal([undefined, 'no_healthy_host']);
    expect(exchange.attempts.map(({ outcome }) => outcome)).to.deep.equal(['connection_failed']);
    expect(exchange.skipped.map(({ target, outcome }) => `${target.id} ${outcome}`)).to.deep.equal(['y no_healthy_host']);
    expect(localReply('UH;1').problems).to.deep.equal(['no_healthy_host', undefined]);
  });

  it('a reservation lasts over a wait for a turn, and the canary', () => {
    const demands: Demand[] = [];
    const holdOf = (parts: Partial<Omit<PolicyDocument, 'targets'>>): number => {
      const policy = policyOf({
        targets: { x: {}, y: {} },
        aliases: { a: { chain: ['x'], attempt_deadline: { plain: '1s' } } },
        quotas: { q: { per: ['tenant'], concurrency: 1 } },
        ...parts,
      });
      const gateway = gatewayOf(policy);
      const exchange = requestOf({
        ...gateway,
        quotas: {
          ...gateway.quotas,
          admit(demand) {
            demands.push(demand);
            return gateway.quotas.admit(demand);
          },
        },
      });
      void admit(exchange, exchange.plan);
      return demands.pop()?.holdForMs ?? Number.NaN;
    };
    const plain = holdOf({ wait: { interactive: '0s' } });
    expect(holdOf({ wait: { interactive: '10m' } })).to.equal(plain + 600_000);
    const canary = { target: 'y', percent: 1 };
    const aliases = { a: { chain: ['x'], attempt_deadline: { plain: '1s' }, canary } };
    expect(holdOf({ wait: { interactive: '0s' }, aliases })).to.equal(plain + 1_000);
  });

  it('keys that are all turned down do not move on where the policy says so, after the last of them either', () => {
    const policy = policyOf({
      credentials: { one: { env: 'KEY_1' }, two: { env: 'KEY_2' } },
      targets: { x: { credential: ['one', 'two'] }, y: {} },
      aliases: { a: { chain: ['x', 'y'], fall_back_on: [] } },
    });
    const exchange = requestOf(gatewayOf(policy));
    startChain(exchange, exchange.plan);
    const throttled = headersOf({ ':status': '429', 'retry-after': '60' });
    onFailedAttempt(exchange, 1, throttled);
    expect(replan(exchange, 1)).to.deep.equal(['c-x', 'c-x', 'c-y']);
    continueChain(exchange, 'c-x', 2);
    onFailedAttempt(exchange, 2, throttled);
    expect(replan(exchange, 2)).to.deep.equal(['c-x', 'c-x', 'no_chain']);
  });
});
