/** `node filter/cli/import-prices.ts FILE VERSION`: makes filter/prices/prices.json out of litellm's model_prices_and_context_window.json. */
import { isObject, type JsonObject } from '../json.ts';
import { KINDS, type Kind, type ModelPrices, type Place, type PlacePrices, scaled, type Tariff } from '../prices/rates.ts';
import type { ServiceTier } from '../transform/unified.ts';
import { importArguments, type LitellmRow, readLitellm, writeTable } from './litellm.ts';

/** What can be asked through the gateway. */
const MODES = new Set([
  ...['chat', 'responses', 'completion', 'embedding', 'rerank', 'moderation'],
  ...['image_generation', 'image_edit', 'audio_transcription', 'audio_speech'],
]);
/** Names of sizes, and of capacity that is bought by the month, are no model ids. */
const NO_MODEL = /(^|\/)(\d+-x-\d+|max-x-max|\d+-month-commitment)\//;

const FIELDS: Readonly<Record<string, Kind>> = {
  input_cost_per_token: 'input',
  cache_read_input_token_cost: 'cacheRead',
  cache_creation_input_token_cost: 'cacheWrite',
  cache_creation_input_token_cost_above_1hr: 'cacheWrite1h',
  cache_creation_input_token_cost_above_12hr: 'cacheWrite12h',
  output_cost_per_token: 'output',
  output_cost_per_reasoning_token: 'reasoning',
  input_cost_per_audio_token: 'audioInput',
  cache_read_input_audio_token_cost: 'audioCacheRead',
  output_cost_per_audio_token: 'audioOutput',
  input_cost_per_image_token: 'imageInput',
  output_cost_per_image_token: 'imageOutput',
};
const VARIANT = /^(?:_above_(\d+)k_tokens)?(?:_(batches|flex|priority|ultrafast))?$/;
const SERVICES: Readonly<Record<string, ServiceTier>> = {
  batches: 'batch',
  flex: 'flex',
  priority: 'priority',
  ultrafast: 'ultrafast',
};

/** A thousand dollars for a million tokens: more is a slip in the source. */
const LARGEST_RATE = 1_000_000_000;

/** JSON's numbers come as the decimals that they were: the shortest text of a double with at most 15 digits is the one it was read from. */
function picoUsd(value: unknown, field: string): number | undefined {
  if (typeof value !== 'number') return undefined;
  const pico = scaled(String(value), 12);
  if (pico === undefined) throw new Error(`${field}: ${value} is no whole number of pico-dollars`);
  return pico;
}

function tariffsOf(entry: JsonObject): Tariff[] {
  const tariffs = new Map<string, { service?: ServiceTier; above?: number } & Partial<Record<Kind, number>>>();
  for (const [field, value] of Object.entries(entry)) {
    for (const [base, kind] of Object.entries(FIELDS)) {
      const variant = field.startsWith(base) ? VARIANT.exec(field.slice(base.length)) : null;
      const rate = variant === null ? undefined : picoUsd(value, field);
      if (variant === null || rate === undefined) continue;
      const service = SERVICES[variant[2] ?? ''];
      const above = variant[1] === undefined ? undefined : Number(variant[1]) * 1000;
      const key = `${service ?? ''}/${String(above ?? 0).padStart(9, '0')}`;
      const tariff = tariffs.get(key) ?? {
        ...(service === undefined ? {} : { service }),
        ...(above === undefined ? {} : { above }),
      };
      tariff[kind] = rate;
      tariffs.set(key, tariff);
    }
  }
  const listed = [...tariffs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, tariff]) => ordered(tariff));
  return [...listed, ...fastOf(entry, listed)];
}

/** Anthropic's fast mode: a factor on every rate of the standard service, caches' too. */
function fastOf(entry: JsonObject, tariffs: readonly Tariff[]): Tariff[] {
  const factors = entry['provider_specific_entry'];
  const factor = isObject(factors) ? factors['fast'] : undefined;
  if (typeof factor !== 'number' || tariffs.some(({ service }) => service === 'priority')) return [];
  const thousandths = scaled(String(factor), 3);
  if (thousandths === undefined) throw new Error(`fast: ${factor} has more than three decimals`);
  return tariffs
    .filter(({ service }) => service === undefined)
    .map(({ above, ...rates }) => ({
      service: 'priority',
      ...(above === undefined ? {} : { above }),
      ...Object.fromEntries(
        Object.entries(rates).map(([kind, rate]) => [kind, Math.ceil((Number(rate) * thousandths) / 1000)]),
      ),
    }));
}

/** Kinds in one order, so that equal places are equal texts; reasoning only where it has a rate of its own. */
function ordered(tariff: Tariff): Tariff {
  const { service, above } = tariff;
  const rates = KINDS.filter((kind) => kind !== 'reasoning' || tariff.reasoning !== tariff.output)
    .map((kind) => [kind, tariff[kind]] as const)
    .filter(([, rate]) => rate !== undefined);
  return {
    ...(service === undefined ? {} : { service }),
    ...(above === undefined ? {} : { above }),
    ...Object.fromEntries(rates),
  };
}

/**
 * What the source says otherwise than the providers.
 * - Gemini has no price for what goes into a cache but the input's (docs.cloud.google.com, "Context caching overview", read 2026-11-27); the source has a read's price there.
 * - Anthropic's batch discount holds for what is kept for an hour too (platform.claude.com, "Pricing": multipliers stack); the source has it for five minutes alone.
 */
function corrected(tariffs: readonly Tariff[], { model, platform }: LitellmRow): Tariff[] {
  if (model.startsWith('gemini-')) return tariffs.map(({ cacheWrite: _, ...tariff }) => tariff).filter(hasRate);
  const standard = tariffs.find(({ service, above }) => service === undefined && above === undefined);
  if (platform !== 'anthropic' || standard?.input === undefined || standard.cacheWrite1h === undefined) return [...tariffs];
  const { input, cacheWrite1h } = standard;
  return tariffs.map((tariff) => {
    if (tariff.service !== 'batch' || tariff.input === undefined || tariff.cacheWrite1h !== undefined) return tariff;
    return ordered({ ...tariff, cacheWrite1h: Math.ceil((cacheWrite1h * tariff.input) / input) });
  });
}

function hasRate(tariff: Tariff): boolean {
  return KINDS.some((kind) => tariff[kind] !== undefined);
}

/** @returns a reason where nothing is said that we could count */
function placeOf(row: LitellmRow): Place | string {
  const { entry, mode } = row;
  const tariffs = corrected(tariffsOf(entry), row);
  const standard = tariffs.find(({ service, above }) => service === undefined && above === undefined) ?? {};
  const tokens = standard.output ?? standard.imageOutput ?? 0;
  const perImage =
    mode.startsWith('image_') && tokens === 0 ? picoUsd(entry['output_cost_per_image'], 'per image') : undefined;
  const perRequest = mode === 'rerank' ? picoUsd(entry['input_cost_per_query'], 'per query') : undefined;
  const perSearch = perSearchOf(entry);
  const geos = row.platform === 'anthropic' ? geosOf(entry) : undefined;
  if (tariffs.some((tariff) => KINDS.some((kind) => (tariff[kind] ?? 0) > LARGEST_RATE))) return 'a rate that cannot be';
  const costs = [standard.input, tokens, perImage, perRequest].some((amount) => (amount ?? 0) > 0);
  // Zeros are where the source knows nothing as a rule; moderation is free.
  if (!costs && mode !== 'moderation') return 'no price in tokens, images or requests';
  if (standard.input === undefined && perImage === undefined) return 'no price of input tokens';
  if (standard.output === undefined && ['chat', 'responses', 'completion'].includes(mode))
    return 'no price of output tokens';
  return {
    tariffs: standard.input === undefined ? [{ input: 0, output: 0 }] : tariffs,
    ...(perRequest === undefined ? {} : { perRequest }),
    ...(perImage === undefined ? {} : { perImage }),
    ...(perSearch === undefined ? {} : { perSearch }),
    ...(geos === undefined ? {} : { geos }),
  };
}

/** Of the three sizes of a search the middle one is the providers' default. */
function perSearchOf(entry: JsonObject): number | undefined {
  const sizes = entry['search_context_cost_per_query'];
  return typeof sizes === 'object' && sizes !== null && !Array.isArray(sizes)
    ? picoUsd(sizes['search_context_size_medium'], 'per search')
    : undefined;
}

/** Anthropic's `inference_geo`: a factor on every rate of tokens. */
function geosOf(entry: JsonObject): Place['geos'] {
  const factors = entry['provider_specific_entry'];
  const factor = isObject(factors) ? factors['us'] : undefined;
  if (typeof factor !== 'number' || factor === 1) return undefined;
  const thousandths = scaled(String(factor), 3);
  if (thousandths === undefined) throw new Error(`us: ${factor} has more than three decimals`);
  return { us: thousandths };
}

function upliftOf(entry: JsonObject): PlacePrices['uplift'] {
  const fields = [
    ['eu', 'regional_processing_uplift_multiplier_eu'],
    ['us', 'regional_processing_uplift_multiplier_us'],
    ['*', 'regional_endpoint_uplift_multiplier'],
  ] as const;
  const found = fields.flatMap(([region, field]) => {
    const value = entry[field];
    if (typeof value !== 'number' || value === 1) return [];
    const thousandths = scaled(String(value), 3);
    if (thousandths === undefined) throw new Error(`${field}: ${value} has more than three decimals`);
    return [[region, thousandths] as const];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

/** A bare name is the provider's own row; of prefixed ones the platform's older prefix is the better kept. */
function precedence({ name, model }: LitellmRow): number {
  return name === model ? 0 : name.startsWith('azure_ai/') ? 2 : 1;
}

const { file, version } = importArguments('import-prices.ts');
const rows = readLitellm(file)
  .filter(({ model, mode }) => MODES.has(mode) && !NO_MODEL.test(model))
  .sort((a, b) => precedence(a) - precedence(b));
const models = new Map<string, ModelPrices>();
const leftOut = new Map<string, string[]>();
// Regions come last: they are kept where they differ from the rest of their platform.
for (const row of [
  ...rows.filter(({ region }) => region === undefined),
  ...rows.filter(({ region }) => region !== undefined),
]) {
  const place = placeOf(row);
  if (typeof place === 'string') leftOut.set(place, [...(leftOut.get(place) ?? []), row.name]);
  else models.set(row.model, { ...models.get(row.model), ...withPlace(models.get(row.model)?.[row.platform], row, place) });
}

function withPlace(known: PlacePrices | undefined, row: LitellmRow, place: Place): ModelPrices {
  const { region, platform, entry } = row;
  if (region === undefined) return { [platform]: withUplift(known ?? place, upliftOf(entry)) };
  if (known === undefined) return { [platform]: { tariffs: [], regions: { [region]: place } } };
  // What comes on top of tokens is the platform's where a region does not tell it.
  const same = JSON.stringify({ ...known, ...place }) === JSON.stringify(known);
  if (same || known.regions?.[region] !== undefined) return { [platform]: known };
  return { [platform]: { ...known, regions: { ...known.regions, [region]: place } } };
}

/** The bare row of a model tells no uplift, its prefixed one does. */
function withUplift(known: PlacePrices, uplift: PlacePrices['uplift']): PlacePrices {
  return known.uplift !== undefined || uplift === undefined ? known : { ...known, uplift };
}

writeTable(new URL('../prices/prices.json', import.meta.url), version, 'import-prices.ts', models);
for (const [reason, names] of leftOut) console.log(`left out, ${reason}: ${names.join(' ')}`);
