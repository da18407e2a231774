/**
 * Reads litellm's model_prices_and_context_window.json (MIT; found at the root of its repository and inside its PyPI wheel): the rows of
 * providers that the gateway can be pointed at, by the provider's own model id.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isObject, type JsonObject } from '../json.ts';
import type { Platform } from '../prices/rates.ts';

const PLATFORMS: readonly (readonly [RegExp, Platform])[] = [
  [/^anthropic$/, 'anthropic'],
  [/^(openai|text-completion-openai)$/, 'openai'],
  [/^(azure|azure_ai)$/, 'azure'],
  [/^(bedrock|bedrock_converse)$/, 'bedrock'],
  [/^bedrock_mantle$/, 'bedrock_mantle'],
  [/^vertex_ai.*$/, 'vertex'],
  [/^gemini$/, 'gemini'],
  [/^cohere$/, 'cohere'],
];

export interface LitellmRow {
  /** As litellm spells it. */
  readonly name: string;
  /** The provider's own id: the name without litellm's prefix and region. */
  readonly model: string;
  readonly platform: Platform;
  /** The region that the name says, such as `eu` or `us-gov-west-1`. */
  readonly region: string | undefined;
  /** `chat`, `embedding`, `rerank` … */
  readonly mode: string;
  readonly entry: JsonObject;
}

const PREFIX = /^(gemini|vertex_ai|azure|azure_ai|bedrock_mantle|bedrock|cohere)\/((claude_platform|invoke)\/)?/;
const REGION = /^(eu|us|apac|us-gov|global|global-standard|[a-z]+(-[a-z]+)+-\d)\//;

/** @throws Error when the file is not what it should be */
export function readLitellm(file: string): LitellmRow[] {
  const rows: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!isObject(rows)) throw new Error(`${file}: expected a JSON object`);
  return Object.entries(rows).flatMap(([name, entry]) => {
    if (!isObject(entry)) return [];
    const platform = PLATFORMS.find(([provider]) => provider.test(String(entry['litellm_provider'])))?.[1];
    if (platform === undefined) return [];
    const unprefixed = name.replace(PREFIX, '');
    const prefixed = unprefixed !== name;
    const region = prefixed ? REGION.exec(unprefixed)?.[1] : undefined;
    return {
      name,
      model: region === undefined ? unprefixed : unprefixed.slice(region.length + 1),
      // Claude on AWS as Anthropic runs it, at Anthropic's prices.
      platform: name.startsWith('bedrock/claude_platform/') ? 'anthropic' : platform,
      region: region === 'global-standard' ? 'global' : region,
      mode: String(entry['mode']),
      entry,
    };
  });
}

/** The arguments of an importer, FILE VERSION; ends the process when they are not there. */
export function importArguments(script: string): { file: string; version: string } {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [file, version] = positionals;
  if (file !== undefined && version !== undefined) return { file, version };
  console.error(`usage: node filter/cli/${script} FILE VERSION`);
  process.exit(2);
}

/** Writes a table of models with where it comes from; a line a model, so that changes of an import can be read. */
export function writeTable(output: URL, version: string, script: string, models: ReadonlyMap<string, unknown>): void {
  const about = {
    source: 'litellm, model_prices_and_context_window.json (github.com/BerriAI/litellm)',
    version,
    read: new Date().toISOString().slice(0, 10),
    licence: 'MIT, Copyright (c) 2023 Berri AI',
    made_by: `filter/cli/${script}`,
  };
  const sorted = [...models].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = sorted.map(([id, row]) => `${JSON.stringify(id)}:${JSON.stringify(row)}`);
  writeFileSync(output, `{"about":${JSON.stringify(about)},"models":{\n${lines.join(',\n')}\n}}\n`);
  console.log(`${lines.length} models`);
}
