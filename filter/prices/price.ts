/** One model's prices in one place, worked out so that the cost of a request is a few multiplications. */
import type { InferenceGeo, ServiceTier } from '../transform/unified.ts';
import { KINDS, type Kind, type Place, type Rates, type Tariff } from './rates.ts';

/** Immutable. Amounts are whole pico-dollars. */
export interface Price {
  /** Whose word it is: the table that the gateway carries, or the operator's file. */
  readonly origin: 'carried' | 'override';
  /** For each tier that has rates of its own: steps, the highest threshold first, the last from 0 on. */
  readonly steps: Readonly<Partial<Record<ServiceTier, readonly Step[]>>> & { readonly standard: readonly Step[] };
  /** The standard rates of a short prompt: what models are compared by. */
  readonly base: Rates;
  readonly perRequest: number;
  readonly perImage: number;
  readonly perSearch: number;
  /** What it costs instead where the inference is kept in one place; absent: the same. */
  readonly inGeo: Readonly<Partial<Record<InferenceGeo, Price>>>;
}

export interface Step {
  /** Holds for prompts of more tokens than this. */
  readonly above: number;
  readonly rates: Rates;
}

/** A kind without a rate in the list has that of another: no discount is taken for granted. */
const INSTEAD: Readonly<Partial<Record<Kind, Kind>>> = {
  cacheRead: 'input',
  cacheWrite: 'input',
  cacheWrite1h: 'cacheWrite',
  cacheWrite12h: 'cacheWrite',
  output: 'imageOutput',
  reasoning: 'output',
  audioInput: 'input',
  audioCacheRead: 'cacheRead',
  audioOutput: 'output',
  imageInput: 'input',
  imageOutput: 'output',
};

/** @param uplift thousandths that all rates are multiplied with */
export function priceOfPlace(place: Place, origin: Price['origin'], uplift: number): Price | undefined {
  const standard = stepsOf(place.tariffs, 'standard', uplift);
  const base = standard.at(-1)?.rates;
  if (base === undefined) return undefined;
  const tiers = new Set(place.tariffs.flatMap(({ service }) => service ?? []));
  const steps = Object.fromEntries([...tiers].map((tier) => [tier, stepsOf(place.tariffs, tier, uplift)]));
  const { perRequest = 0, perImage = 0, perSearch = 0, geos = {}, ...rest } = place;
  const inGeo = Object.entries(geos).map(([geo, factor]) => [
    geo,
    priceOfPlace({ perRequest, perImage, perSearch, ...rest }, origin, (uplift * factor) / 1000),
  ]);
  return Object.freeze({
    ...{ origin, steps: Object.freeze({ ...steps, standard }), base, perRequest, perImage, perSearch },
    inGeo: Object.freeze(Object.fromEntries(inGeo)),
  });
}

/** @param inputTokens of the whole prompt, cached ones included */
export function ratesFor({ steps, base }: Price, inputTokens: number, tier: ServiceTier): Rates {
  const wanted = steps[tier] ?? steps.standard;
  return wanted.find(({ above }) => inputTokens > above)?.rates ?? wanted.at(-1)?.rates ?? base;
}

function stepsOf(tariffs: readonly Tariff[], tier: ServiceTier, uplift: number): readonly Step[] {
  if (tariffs.length === 0) return [];
  const thresholds = new Set([
    0,
    ...tariffs.filter((tariff) => isOf(tariff, tier, 'or_standard')).map(({ above = 0 }) => above),
  ]);
  const steps = [...thresholds]
    .sort((a, b) => b - a)
    .map((above) => ({ above, rates: ratesOf(tariffs, tier, above, uplift) }));
  return Object.freeze(steps.map((step) => Object.freeze(step)));
}

function ratesOf(tariffs: readonly Tariff[], tier: ServiceTier, above: number, uplift: number): Rates {
  const rate = (kind: Kind): number => {
    const own = given(tariffs, tier, above, kind);
    if (own !== undefined) return own;
    const instead = INSTEAD[kind];
    // `output` and `imageOutput` stand in for one another, and one of them is always there where there is output.
    if (instead === undefined || (kind === 'imageOutput' && given(tariffs, tier, above, 'output') === undefined)) return 0;
    return rate(instead);
  };
  return Object.freeze(
    Object.fromEntries(KINDS.map((kind) => [kind, Math.ceil((rate(kind) * uplift) / 1000)])) as Record<Kind, number>,
  );
}

/** What the list says of this combination; where it says nothing, the dearer of what it says of the tier and of the threshold alone. */
function given(tariffs: readonly Tariff[], tier: ServiceTier, above: number, kind: Kind): number | undefined {
  const exact = tariffs.find((tariff) => isOf(tariff, tier) && (tariff.above ?? 0) === above)?.[kind];
  if (exact !== undefined) return exact;
  const found = [nearest(tariffs, tier, above, kind), nearest(tariffs, 'standard', above, kind)].filter(
    (rate) => rate !== undefined,
  );
  return found.length === 0 ? undefined : Math.max(...found);
}

function nearest(tariffs: readonly Tariff[], tier: ServiceTier, above: number, kind: Kind): number | undefined {
  return tariffs
    .filter((tariff) => isOf(tariff, tier) && (tariff.above ?? 0) <= above && tariff[kind] !== undefined)
    .reduce<Tariff | undefined>((best, tariff) => ((tariff.above ?? 0) >= (best?.above ?? 0) ? tariff : best), undefined)?.[
    kind
  ];
}

function isOf({ service = 'standard' }: Tariff, tier: ServiceTier, also?: 'or_standard'): boolean {
  return service === tier || (also === 'or_standard' && service === 'standard');
}
