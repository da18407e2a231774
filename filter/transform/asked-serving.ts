/** How a request asks to be served: what it is estimated by, until the answer tells how it was. */
import type { JsonObject } from '../json.ts';
import { inferenceGeoOf, serviceTierOf } from './facts.ts';
import type { ServiceTier, Serving } from './unified.ts';

/** @param json a request's body in any caller schema @returns `standard` too where the choice is left to the provider */
export function askedServingOf(json: JsonObject): Serving {
  const inferenceGeo = inferenceGeoOf(json['inference_geo']);
  return { serviceTier: askedTierOf(json), ...(inferenceGeo === undefined ? {} : { inferenceGeo }) };
}

function askedTierOf(json: JsonObject): ServiceTier {
  if (json['speed'] === 'fast') return 'priority';
  return serviceTierOf(json['service_tier'] ?? json['serviceTier']);
}
