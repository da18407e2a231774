/** An operator's own prices: a YAML file, checked, and turned into what the carried table holds. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Ajv, type ErrorObject } from 'ajv';
import { problemsOf, readSource } from '../source.ts';
import type { InferenceGeo, ServiceTier } from '../transform/unified.ts';
import { KINDS, type Kind, type Place, type PlacePrices, type Platform, type Rates, scaled, type Tariff } from './rates.ts';

export class PriceError extends Error {
  override readonly name = 'PriceError';
}

export interface Overrides {
  /** The file's own version and the first 12 hex digits of its SHA-256. */
  readonly version: string;
  readonly models: ReadonlyMap<string, OverridePrices>;
}

/** These prices hold on every platform but the named ones. */
export interface OverridePrices extends PlacePrices {
  readonly platforms: ReadonlyMap<string, PlacePrices>;
}

type RateDocument = Readonly<Partial<Record<`${string}_per_mtok`, string>>>;

interface TierDocument extends RateDocument {
  readonly above?: Readonly<Record<string, RateDocument>>;
}

interface PlaceDocument extends TierDocument {
  readonly service_tiers?: Readonly<Partial<Record<ServiceTier, TierDocument>>>;
  readonly per_request?: string;
  readonly per_image?: string;
  readonly per_search?: string;
  readonly inference_geo?: Readonly<Partial<Record<InferenceGeo, string>>>;
}

interface PlatformDocument extends PlaceDocument {
  readonly regions?: Readonly<Record<string, PlaceDocument>>;
}

interface ModelDocument extends PlatformDocument {
  readonly platforms?: Readonly<Partial<Record<Platform, PlatformDocument>>>;
}

interface OverridesDocument {
  readonly version: string;
  readonly prices: Readonly<Record<string, ModelDocument>>;
}

const PER_MTOK: Readonly<Record<Kind, `${string}_per_mtok`>> = {
  input: 'input_per_mtok',
  cacheRead: 'cache_read_per_mtok',
  cacheWrite: 'cache_write_per_mtok',
  cacheWrite1h: 'cache_write_1h_per_mtok',
  cacheWrite12h: 'cache_write_12h_per_mtok',
  output: 'output_per_mtok',
  reasoning: 'reasoning_per_mtok',
  audioInput: 'audio_input_per_mtok',
  audioCacheRead: 'audio_cache_read_per_mtok',
  audioOutput: 'audio_output_per_mtok',
  imageInput: 'image_input_per_mtok',
  imageOutput: 'image_output_per_mtok',
};
const TIERS: readonly Exclude<ServiceTier, 'standard'>[] = ['batch', 'flex', 'priority', 'ultrafast'];
const GEOS: readonly InferenceGeo[] = ['us'];
const PLATFORMS: readonly Platform[] = [
  ...(['anthropic', 'openai', 'azure', 'bedrock', 'bedrock_mantle', 'vertex', 'gemini', 'cohere'] as const),
];

const VERSION = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$';
const THRESHOLD = '^[1-9][0-9]{0,8}$';
/** Six decimals of a dollar for a million tokens are whole pico-dollars for one. */
const MTOK = '^[0-9]{1,3}([.][0-9]{1,6})?$';
const FACTOR = '^[1-9]([.][0-9]{1,3})?$';
const USD = '^[0-9]{1,3}([.][0-9]{1,12})?$';

/** Patterns in words. */
const EXPECTED: Readonly<Record<string, string>> = {
  [VERSION]: 'letters, digits, ".", "_" and "-", 64 at most',
  [THRESHOLD]: 'a number of tokens, such as 200000',
  [MTOK]: 'US dollars for a million tokens below 1000, at most 6 decimals, such as "1.25"',
  [FACTOR]: 'a factor from 1 to below 10, at most 3 decimals, such as "1.1"',
  [USD]: 'US dollars below 1000, at most 12 decimals, such as "0.04"',
};

type Schema = Readonly<Record<string, unknown>>;
const ref = (name: string): Schema => ({ $ref: `#/definitions/${name}` });
const closed = (properties: Schema, required: readonly string[] = []): Schema => ({
  ...{ type: 'object', additionalProperties: false, minProperties: 1 },
  ...{ properties, required },
});
const each = (name: string, names: Schema = {}): Schema => ({
  type: 'object',
  propertyNames: names,
  additionalProperties: ref(name),
});
const rates = Object.fromEntries(Object.values(PER_MTOK).map((field) => [field, ref('mtok')]));
const tier = { ...rates, above: each('rates', { pattern: THRESHOLD }) };
const place = {
  ...tier,
  per_request: ref('usd'),
  per_image: ref('usd'),
  per_search: ref('usd'),
  service_tiers: ref('tiers'),
  inference_geo: ref('geos'),
};
const platform = { ...place, regions: each('place') };
const model = { ...platform, platforms: ref('platforms') };
const NEEDED = ['input_per_mtok', 'output_per_mtok'];
const SCHEMA: Schema = {
  ...closed({ version: { type: 'string', pattern: VERSION }, prices: each('model') }, ['version', 'prices']),
  definitions: {
    mtok: { type: 'string', pattern: MTOK },
    usd: { type: 'string', pattern: USD },
    factor: { type: 'string', pattern: FACTOR },
    geos: closed(Object.fromEntries(GEOS.map((name) => [name, ref('factor')]))),
    rates: closed(rates),
    tier: closed(tier),
    tiers: closed(Object.fromEntries(TIERS.map((name) => [name, ref('tier')]))),
    place: closed(place, NEEDED),
    platform: closed(platform, NEEDED),
    platforms: closed(Object.fromEntries(PLATFORMS.map((name) => [name, ref('platform')]))),
    model: closed(model, NEEDED),
  },
};

/** @throws PriceError listing every problem with file, line, path and what to do */
export function loadOverrides(file: string): Overrides {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new PriceError(`${file}: cannot be read: ${error instanceof Error ? error.message : 'unknown error'}`);
  }
  const source = readSource(file, text);
  if (source.syntaxErrors.length > 0) throw new PriceError(source.syntaxErrors.join('\n'));
  const validate = new Ajv({ allErrors: true, verbose: true }).compile<OverridesDocument>(SCHEMA);
  const { value } = source;
  if (!validate(value)) {
    const problems = (validate.errors ?? []).flatMap((error) => problemsOf(withQuotes(error), patternHelp));
    throw new PriceError([...new Set(problems.map((problem) => source.describe(problem)))].join('\n'));
  }
  return {
    version: `${value.version}-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`,
    models: new Map(Object.entries(value.prices).map(([id, document]) => [id, modelOf(document)])),
  };
}

function patternHelp(pattern: string): string {
  return `expected ${EXPECTED[pattern] ?? pattern}`;
}

/** YAML reads a decimal without quotes as a double. */
function withQuotes(error: ErrorObject): ErrorObject {
  const isAmount = [MTOK, USD, FACTOR].includes(String(error.parentSchema?.['pattern']));
  return error.keyword === 'type' && isAmount
    ? { ...error, message: 'expected a decimal in quotes, such as "1.25"' }
    : error;
}

function modelOf(document: ModelDocument): OverridePrices {
  const platforms = Object.entries(document.platforms ?? {}).map(([name, prices]) => [name, platformOf(prices)] as const);
  return { ...platformOf(document), platforms: new Map(platforms) };
}

function platformOf(document: PlatformDocument): PlacePrices {
  const regions = Object.entries(document.regions ?? {}).map(([name, prices]) => [name, placeOf(prices)]);
  return { ...placeOf(document), regions: Object.fromEntries(regions) };
}

function placeOf(document: PlaceDocument): PlacePrices {
  const tiers = TIERS.flatMap((service) => tariffsOf(document.service_tiers?.[service] ?? {}, service));
  return {
    tariffs: [...tariffsOf(document, undefined), ...tiers],
    ...(document.per_request === undefined ? {} : { perRequest: scaled(document.per_request, 12) }),
    ...(document.per_image === undefined ? {} : { perImage: scaled(document.per_image, 12) }),
    ...(document.per_search === undefined ? {} : { perSearch: scaled(document.per_search, 12) }),
    ...(document.inference_geo === undefined ? {} : { geos: factorsOf(document.inference_geo) }),
  };
}

function factorsOf(factors: Readonly<Partial<Record<InferenceGeo, string>>>): Place['geos'] {
  return Object.fromEntries(Object.entries(factors).map(([geo, decimal]) => [geo, scaled(decimal, 3)]));
}

function tariffsOf(document: TierDocument, service: ServiceTier | undefined): Tariff[] {
  const above = Object.entries(document.above ?? {}).map(([tokens, prices]) => ({
    service,
    above: Number(tokens),
    ...ratesOf(prices),
  }));
  return [{ service, ...ratesOf(document) }, ...above];
}

function ratesOf(document: RateDocument): Partial<Rates> {
  const found = KINDS.map((kind) => [kind, document[PER_MTOK[kind]]] as const).flatMap(([kind, decimal]) =>
    decimal === undefined ? [] : [[kind, scaled(decimal, 6)]],
  );
  return Object.fromEntries(found);
}
