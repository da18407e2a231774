/** The tier of service that a request asks for: what it is estimated by, until the answer tells which one served it. */
import type { JsonObject } from '../json.ts';
import { serviceTierOf } from './facts.ts';
import type { ServiceTier } from './unified.ts';

/** @param json a request's body in any caller schema @returns `standard` too where the choice is left to the provider */
export function askedTierOf(json: JsonObject): ServiceTier {
  if (json['speed'] === 'fast') return 'priority';
  return serviceTierOf(json['service_tier'] ?? json['serviceTier']);
}
