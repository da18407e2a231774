/** What an identified caller says of itself besides: for whom it calls, and for which of its features. */
import { Fault } from '../fault.ts';
import type { Caller } from '../policy/compiled/caller.ts';

const MAX_ON_BEHALF_OF_LENGTH = 256;

/**
 * @param value of the header `x-gateway-on-behalf-of`: an opaque id of the user or system that the caller acts for
 * @throws Fault `on_behalf_of_refused` when this caller may not claim it: ignoring the claim would misattribute the call
 */
export function onBehalfOf(caller: Caller, value: string | undefined): string | undefined {
  const { actsFor } = caller;
  if (value === undefined || (actsFor !== undefined && value === actsFor)) return actsFor;
  if (caller.onBehalfOf === 'refused' || actsFor !== undefined) {
    throw new Fault('on_behalf_of_refused', 'This caller may not set x-gateway-on-behalf-of; leave the header out.');
  }
  if (value.length > MAX_ON_BEHALF_OF_LENGTH || !/^[\x21-\x7e]+$/.test(value)) {
    throw new Fault(
      'on_behalf_of_refused',
      `x-gateway-on-behalf-of takes 1 to ${MAX_ON_BEHALF_OF_LENGTH} visible ASCII characters.`,
      { status: 400, kind: 'invalid_request' },
    );
  }
  return value;
}

/**
 * @param value of the header `x-gateway-feature`
 * @param features of a caller key; a token or a certificate has the one that it says
 * @throws Fault `feature_refused` for one that this caller does not have
 */
export function withFeature(caller: Caller, value: string | undefined, features?: ReadonlyMap<string, Caller>): Caller {
  if (value === undefined || value === caller.feature) return caller;
  const chosen = features?.get(value);
  if (chosen !== undefined) return chosen;
  const known = [...(features?.keys() ?? [caller.feature])].join(', ');
  throw new Fault('feature_refused', `x-gateway-feature names a feature that this caller does not have. It has: ${known}.`);
}
