/**
 * `node filter/cli/import-models.ts FILE VERSION`: makes filter/transform/capabilities/models.json out of litellm's
 * model_prices_and_context_window.json (MIT; found at the root of its repository and inside its PyPI wheel).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isObject, type JsonObject } from '../json.ts';
import { type Capabilities, type ModelRow, type ModelTable, UNKNOWN_MODEL } from '../transform/capabilities/capabilities.ts';
import type { Effort } from '../transform/unified.ts';

const OUTPUT = new URL('../transform/capabilities/models.json', import.meta.url);

/** Providers whose models the gateway can be pointed at, in the order in which they win a name that two of them use. */
const PROVIDERS =
  /^(anthropic|openai|text-completion-openai|bedrock|bedrock_converse|bedrock_mantle|vertex_ai.*|gemini|azure|azure_ai|cohere)$/;
const CHAT_MODES = new Set(['chat', 'responses']);

/** litellm's own prefixes: what stands after them is the provider's model id. */
const PREFIX =
  /^(gemini|vertex_ai|azure|azure_ai|bedrock_mantle|bedrock)\/((eu|us|global|global-standard|[a-z]+(-[a-z]+)+-\d)\/)?/;

function rowOf(entry: JsonObject): ModelRow {
  const says = (field: string, value: boolean): boolean => entry[field] === value;
  const isChat = CHAT_MODES.has(String(entry['mode']));
  const maxOutputTokens = entry['max_output_tokens'];
  const contextWindow = entry['max_input_tokens'];
  const efforts: Effort[] = [
    ...(says('supports_minimal_reasoning_effort', true) ? ['minimal' as const] : []),
    ...(says('supports_low_reasoning_effort', false) ? [] : ['low' as const]),
    ...['medium' as const, 'high' as const],
    ...(says('supports_xhigh_reasoning_effort', true) ? ['xhigh' as const] : []),
    ...(says('supports_max_reasoning_effort', true) ? ['max' as const] : []),
  ];
  const reasons = says('supports_reasoning', true);
  const adaptive = says('supports_adaptive_thinking', true);
  const isClaude = String(entry['name']).includes('claude');
  return {
    ...(typeof maxOutputTokens === 'number' ? { maxOutputTokens } : {}),
    ...(typeof contextWindow === 'number' ? { contextWindow } : {}),
    ...(says('supports_sampling_params', false) ? { sampling: 'refused' as const } : {}),
    ...(!isChat
      ? {}
      : {
          ...(says('supports_function_calling', false) ? { tools: false } : {}),
          ...(says('supports_forced_tool_use', false) ? { forcedToolChoice: false } : {}),
          ...(says('supports_native_structured_output', false) ? { structuredOutput: 'tool' as const } : {}),
          ...(says('supports_vision', false) ? { images: false } : {}),
          ...(says('supports_pdf_input', false) ? { documents: false } : {}),
          ...(says('supports_mid_conversation_system', true) ? { midConversationSystem: true } : {}),
          ...(says('supports_assistant_prefill', false) ? { prefill: false } : {}),
          ...(says('thinking_always_on', true) ? { reasoningAlwaysOn: true } : {}),
          reasoning: reasoningOf(reasons, isClaude && !adaptive, String(entry['name'])),
          ...(reasons && efforts.length < UNKNOWN_MODEL.efforts.length ? { efforts } : {}),
        }),
  };
}

function reasoningOf(reasons: boolean, byBudget: boolean, name: string): Capabilities['reasoning'] {
  if (!reasons) return 'none';
  // The 2.5 generation of Gemini counts tokens, and its encoder makes tokens of an effort (providers.md 1.6).
  if (name.includes('gemini-2.5')) return 'any';
  return byBudget ? 'budget' : 'effort';
}

const { positionals } = parseArgs({ allowPositionals: true });
const [file, version] = positionals;
if (file === undefined || version === undefined) {
  console.error('usage: node filter/cli/import-models.ts FILE VERSION');
  process.exit(2);
}
const prices: unknown = JSON.parse(readFileSync(file, 'utf8'));
if (!isObject(prices)) throw new Error(`${file}: expected a JSON object`);
const models = new Map<string, ModelRow>();
for (const [name, entry] of Object.entries(prices)) {
  if (!isObject(entry) || !PROVIDERS.test(String(entry['litellm_provider']))) continue;
  if (!CHAT_MODES.has(String(entry['mode'])) && entry['mode'] !== 'embedding') continue;
  const id = name.replace(PREFIX, '');
  // The bare name is the provider's own row; a prefixed one only fills a gap.
  if (name === id || !models.has(id)) models.set(id, rowOf({ ...entry, name }));
}
const table: ModelTable = {
  about: {
    source: 'litellm, model_prices_and_context_window.json (github.com/BerriAI/litellm)',
    version,
    read: new Date().toISOString().slice(0, 10),
    licence: 'MIT, Copyright (c) 2023 Berri AI',
    made_by: 'filter/cli/import-models.ts',
  },
  models: Object.fromEntries([...models].sort(([a], [b]) => (a < b ? -1 : 1))),
};
// A line a model: changes of an import can be read.
const lines = Object.entries(table.models).map(([id, row]) => `${JSON.stringify(id)}:${JSON.stringify(row)}`);
writeFileSync(OUTPUT, `{"about":${JSON.stringify(table.about)},"models":{\n${lines.join(',\n')}\n}}\n`);
console.log(`${lines.length} models`);
