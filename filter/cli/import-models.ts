/**
 * `node filter/cli/import-models.ts FILE VERSION`: makes filter/transform/capabilities/models.json out of litellm's
 * model_prices_and_context_window.json.
 */
import type { JsonObject } from '../json.ts';
import { type Capabilities, type ModelRow, UNKNOWN_MODEL } from '../transform/capabilities/capabilities.ts';
import type { Effort } from '../transform/unified.ts';
import { importArguments, readLitellm, writeTable } from './litellm.ts';

const CHAT_MODES = new Set(['chat', 'responses']);

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
    ...(typeof contextWindow === 'number' && contextWindow > 0 ? { contextWindow } : {}),
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

const { file, version } = importArguments('import-models.ts');
const models = new Map<string, ModelRow>();
for (const { name, model, mode, entry } of readLitellm(file)) {
  if (!CHAT_MODES.has(mode) && mode !== 'embedding') continue;
  // The bare name is the provider's own row; a prefixed one only fills a gap.
  if (name === model || !models.has(model)) models.set(model, rowOf({ ...entry, name }));
}
writeTable(new URL('../transform/capabilities/models.json', import.meta.url), version, 'import-models.ts', models);
