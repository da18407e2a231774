/** Who is calling: the caller key's hash, looked up in the policy, which holds nothing else of the key. */
import { hash } from 'node:crypto';
import { Fault } from '../fault.ts';
import type { Caller, CallerKeyHash, Policy } from '../policy/policy.ts';

/** Longer than any key that we or a provider issue; bounds what is hashed for a stranger. */
const MAX_KEY_LENGTH = 512;
const MAX_ON_BEHALF_OF_LENGTH = 256;

/** Where the vendors' SDKs put an API key, besides `authorization`: Anthropic, Google, Azure. */
const KEY_HEADERS = ['x-api-key', 'x-goog-api-key', 'api-key'] as const;

/**
 * The look-up is by SHA-256, so its time tells nothing of a stored key: to steer it a caller would have to find the
 * preimage of a chosen hash.
 * @throws Fault `caller_key_missing`, `caller_key_invalid`
 */
export function identify(policy: Policy, header: (name: string) => string | undefined): Caller {
  const bearer = /^Bearer +(\S+)$/i.exec(header('authorization') ?? '')?.[1];
  let key = bearer;
  for (const name of KEY_HEADERS) {
    const value = header(name) || undefined;
    if (value === undefined) continue;
    if (key !== undefined && key !== value) {
      throw new Fault('caller_key_invalid', `${name} and another header carry two different keys; send one caller key.`);
    }
    key = value;
  }
  if (key === undefined) {
    throw new Fault('caller_key_missing', 'No caller key. Send it as "authorization: Bearer KEY" or as "x-api-key: KEY".');
  }
  const caller = key.length > MAX_KEY_LENGTH ? undefined : policy.callers.get(hashCallerKey(key));
  if (caller === undefined) throw new Fault('caller_key_invalid', 'The caller key is not known to this gateway.');
  return caller;
}

export function hashCallerKey(key: string): CallerKeyHash {
  return hash('sha256', key, 'hex') as CallerKeyHash;
}

/**
 * @param value of the header `x-gateway-on-behalf-of`: an opaque id of the user or system that the caller acts for
 * @throws Fault `on_behalf_of_refused` when this caller may not claim it: ignoring the claim would misattribute the call
 */
export function onBehalfOf(caller: Caller, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (caller.onBehalfOf === 'refused') {
    throw new Fault('on_behalf_of_refused', 'This caller key may not set x-gateway-on-behalf-of; leave the header out.');
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
