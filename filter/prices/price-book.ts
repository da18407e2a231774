/**
 * What models cost: the table that the gateway carries (prices.json, made by cli/import-prices.ts), and above it an operator's own file.
 * Ids match exactly or not at all, so that a new model never has the price of an old one.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { loadOverrides, type OverridePrices } from './overrides.ts';
import { type Price, priceOfPlace } from './price.ts';
import type { ModelPrices, Place, PlacePrices, Platform, PriceTable } from './rates.ts';

/** Immutable. */
export interface PriceBook {
  /** Of the carried data and of the overrides, each with a hash of what it says: `litellm-1.109.1-5f4e3d2c1b0a+acme-7-0a1b2c3d4e5f`. */
  readonly version: string;
  /**
   * Cheap enough to call for a request; the same question has the same object for an answer.
   * @param region as the provider names it; one without prices of its own has the platform's
   * @param platform absent: the model's home, which is its maker's own platform where that sells it
   * @returns undefined for what has no price: an unknown id, or a platform that is not known to have the model
   */
  priceOf(model: string, region?: string, platform?: Platform): Price | undefined;
}

/**
 * @param overridesPath YAML; docs/prices.md has its form
 * @throws PriceError listing all that is wrong with the overrides
 */
export function loadPriceBook(overridesPath?: string): PriceBook {
  const text = readFileSync(new URL('./prices.json', import.meta.url), 'utf8');
  const { about, models }: PriceTable = JSON.parse(text);
  // One source makes other prices when the importer learns: its version alone would name two books.
  const digest = hash('sha256', text.slice(text.indexOf('\n'))).slice(0, 12);
  const carried = new Map<string, ModelPrices>(Object.entries(models));
  const overrides = overridesPath === undefined ? undefined : loadOverrides(overridesPath);
  // As many entries as the table and the file have places.
  const made = new Map<Place, Map<number, Price | undefined>>();

  /** What comes on top of tokens and rates is the platform's where a region does not tell it. */
  const priced = (
    place: Place,
    { perRequest, perImage, perSearch, geos }: Place,
    origin: Price['origin'],
    uplift: number,
  ): Price | undefined => {
    const ofPlace = made.get(place) ?? new Map<number, Price | undefined>();
    made.set(place, ofPlace);
    if (!ofPlace.has(uplift))
      ofPlace.set(uplift, priceOfPlace({ perRequest, perImage, perSearch, geos, ...place }, origin, uplift));
    return ofPlace.get(uplift);
  };
  return Object.freeze({
    version: `litellm-${about.version}-${digest}${overrides === undefined ? '' : `+${overrides.version}`}`,
    priceOf(model: string, region?: string, platform?: Platform): Price | undefined {
      const own = overrides?.models.get(model);
      const prices = own === undefined ? carriedAt(carried.get(model), platform) : overriddenAt(own, platform);
      if (prices === undefined) return undefined;
      const regional = region === undefined ? undefined : ownMember(prices.regions, region);
      const origin = own === undefined ? 'carried' : 'override';
      return regional === undefined
        ? priced(prices, prices, origin, upliftOf(prices, region))
        : priced(regional, prices, origin, 1000);
    },
  });
}

function carriedAt(prices: ModelPrices | undefined, platform: Platform | undefined): PlacePrices | undefined {
  if (prices === undefined) return undefined;
  return platform === undefined ? Object.values(prices)[0] : prices[platform];
}

function overriddenAt(prices: OverridePrices, platform: Platform | undefined): PlacePrices {
  return (platform === undefined ? undefined : prices.platforms.get(platform)) ?? prices;
}

function upliftOf({ uplift }: PlacePrices, region: string | undefined): number {
  if (uplift === undefined || region === undefined) return 1000;
  return ownMember(uplift, region) ?? (region === 'global' ? undefined : uplift['*']) ?? 1000;
}

/** Names come from policies: `constructor` is none of ours. */
function ownMember<Value>(members: Readonly<Record<string, Value>> | undefined, name: string): Value | undefined {
  return members !== undefined && Object.hasOwn(members, name) ? members[name] : undefined;
}
