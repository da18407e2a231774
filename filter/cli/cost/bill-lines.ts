/** What lines of cloud bills are of, by the names that clouds give their meters. */

import type { Measure } from './billed.ts';
import { ofBedrockBill } from './model-names.ts';
import { ATTO, attoOf, divided } from './money.ts';

export interface LineKind {
  readonly model: string;
  /** undefined: not told, or more than one. */
  readonly measure: Exclude<Measure, 'USD'> | undefined;
}

const BEDROCK =
  /^(?:[A-Z0-9]{2,6}-)?(.+?)(?:-mantle)?-(input-tokens|output-tokens|cache-read-input-token-count|cache-write(?:-1h)?-input-token-count)(?:-.*)?$/;

/** Such as `USE1-Claude4.6Sonnet-cache-read-input-token-count`, `EU-openai.gpt-oss-120b-mantle-input-tokens-standard`. */
export function bedrockUsageType(usageType: string): LineKind | undefined {
  // Anthropic's models are billed through the marketplace: `USE1-MP:USE1_…`.
  const [, name, kind] = BEDROCK.exec(usageType.replace(/^[A-Z0-9-]*MP:/, '').replaceAll('_', '-')) ?? [];
  if (name === undefined || kind === undefined) return undefined;
  const measure = kind.startsWith('input') ? 'input' : kind.startsWith('output') ? 'output' : undefined;
  return { model: ofBedrockBill(name), measure: measure ?? (kind.startsWith('cache-read') ? 'cache read' : 'cache write') };
}

/** Words that are of a meter, not of the model. */
const METER_WORDS =
  /\b(?:1m|1k|glbl|global|gl|regnl|rgnl|regional|regn|dz|dzone|data ?zone|data ?zn|batch|pp|priority|flex|txt|text|aud|audio|img|image|tokens?|unit|tkns?)\b/gi;
const INPUT = /\b(?:cached?|cchd|cd)?[ -]?(?:input|inpt?|in)\b/i;
const OUTPUT = /\b(?:output|outpt?|outp|opt|out)\b/i;
const CACHED = /\b(?:cached?|cchd|cd)\b/i;

/** Such as `gpt-4o-0806-Inp-glbl Tokens`, `GPT 5 mini cached Inpt Glbl 1M Tokens`. */
export function azureMeter(meter: string): LineKind | undefined {
  const words = meter.replace(/[-_ ]+/g, ' ').trim();
  const output = OUTPUT.test(words);
  if (!output && !INPUT.test(words)) return undefined;
  const bare = [CACHED, INPUT, OUTPUT].reduce((text, pattern) => text.replace(pattern, ' '), words);
  const model = bare.replace(METER_WORDS, ' ').trim().replace(/ +/g, '-').toLowerCase();
  if (model === '') return undefined;
  return { model, measure: output ? 'output' : CACHED.test(words) ? 'cache read' : 'input' };
}

const SKU_WORDS =
  /\b(?:text|image|audio|video|thinking|input|output|cach(?:ed?|ing)|read|write|hit|ga|preview|global|regional|priority|flex|batch|long|short|context|tokens?|predictions?|count|online|response|reasoning|1h|5m|for|online prediction)\b.*$/i;

/** Such as `Gemini 2.5 Flash Text Input - Predictions`, `Claude Sonnet 4 - Cache Read Input Tokens`. */
export function vertexSku(sku: string): LineKind | undefined {
  if (!/^(?:gemini|claude|text embedding|mistral|llama)/i.test(sku)) return undefined;
  const isCached = /cach/i.test(sku);
  const cached = /write|storage/i.test(sku) ? 'cache write' : 'cache read';
  const measure = /output|response/i.test(sku) ? 'output' : isCached ? cached : /input/i.test(sku) ? 'input' : undefined;
  const model = sku.replace(SKU_WORDS, '').replace(/[^A-Za-z0-9.]+$/, '');
  return { model: model.replace(/ +/g, '-').toLowerCase(), measure: /storage/i.test(sku) ? undefined : measure };
}

const UNITS: readonly (readonly [pattern: RegExp, tokens: bigint])[] = [
  [/^1?\s*(?:m|million)\b|^1000000\b|^1M/i, 1_000_000n],
  [/^1?\s*(?:k|thousand)\b|^1000\b|^1K/i, 1_000n],
  [/^(?:1|count|tokens?|units?|each)$/i, 1n],
];

/** @param unit such as `1K tokens`, `1M`, `count` @returns whole tokens, to the nearest; undefined: the unit is not of tokens, or not told */
export function tokensIn(amount: string, unit: string): bigint | undefined {
  const size = UNITS.find(([pattern]) => pattern.test(unit.trim()))?.[1];
  const atto = attoOf(amount);
  return size === undefined || atto === undefined ? undefined : divided(atto * size, ATTO);
}
