/** A gateway whose clock stands still, requests for its alias `a`, and what is chosen for them. */
import { choose } from '../../../filter/exchange/choose.ts';
import type { Exchange, Gateway } from '../../../filter/exchange/exchange.ts';
import { Fault } from '../../../filter/fault.ts';
import type { RegionName } from '../../../filter/policy/compiled/names.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import { gatewayOf, type PlannedExchange, requestOf } from '../exchange/exchange-fixture.ts';

export interface World {
  readonly gateway: Gateway;
  now: number;
}

export function world(policy: Policy, region?: string): World {
  const clock = { now: 1000 };
  const gateway = gatewayOf(policy, { region: region as RegionName | undefined }, () => clock.now);
  return Object.assign(clock, { gateway });
}

export function request({ gateway }: World, headers: Readonly<Record<string, string>> = {}): PlannedExchange {
  return requestOf(gateway, headers);
}

export const chosen = (exchange: PlannedExchange): string =>
  choose(exchange, exchange.plan)
    .map(({ id }) => id)
    .join(' ');

export const excludedOf = ({ excluded }: Pick<Exchange, 'excluded'>): string[] =>
  excluded.map(({ target, rule }) => `${target.id} ${rule}`);

export function missing(): never {
  throw new Error('it is not there');
}

export const fault = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault) return `${error.status} ${error.code}: ${error.message}`;
    throw error;
  }
  return 'none';
};
