/**
 * What each translation makes of each feature, found out by translating: the fidelity matrix. `node test/unit/transform/fidelity.ts` writes it to
 * docs/fidelity.md; a test fails when the two differ, and when anything is lost without a word.
 */
import { writeFileSync } from 'node:fs';
import { Fault } from '../../../filter/fault.ts';
import type { JsonObject } from '../../../filter/json.ts';
import { conversionBetween } from '../../../filter/transform/conversion/between.ts';
import { callerSchemas, providerSchema, providerSchemaNames } from '../../../filter/transform/registry.ts';
import type { CallerSchema, ProviderSchema } from '../../../filter/transform/schema.ts';
import { needed, originalOf, targetOf } from './original.ts';

export type Verdict = 'passes' | 'carried' | 'named' | 'refused' | 'LOST';

const PNG = 'data:image/png;base64,aGk=';
const PDF = 'data:application/pdf;base64,JVBERi0=';
const SCHEMA = { type: 'object', properties: { a: { type: 'string' } } };

/** A request of each caller's schema, and how it says each feature; what a schema cannot say is left out. */
interface Sayings {
  readonly base: JsonObject;
  readonly features: Readonly<Record<string, JsonObject>>;
}

const chatUser = (...content: JsonObject[]): JsonObject => ({
  messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }, ...content] }],
});
const chatTool = { type: 'function', function: { name: 'f', parameters: SCHEMA } };
const chatCall = {
  role: 'assistant',
  content: null,
  tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
};

const CHAT: Sayings = {
  base: { model: 'a', messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }] },
  features: {
    'system text': {
      messages: [
        { role: 'system', content: 'S' },
        { role: 'user', content: 'Hi' },
      ],
    },
    'system text in the middle': {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'system', content: 'S' },
        { role: 'user', content: 'x' },
      ],
    },
    'image, data': chatUser({ type: 'image_url', image_url: { url: PNG } }),
    'image, URL': chatUser({ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }),
    'image detail': chatUser({ type: 'image_url', image_url: { url: PNG, detail: 'high' } }),
    'document, PDF data': chatUser({ type: 'file', file: { filename: 'a.pdf', file_data: PDF } }),
    audio: chatUser({ type: 'input_audio', input_audio: { data: 'aGk=', format: 'wav' } }),
    tools: { tools: [chatTool] },
    'tool, strict': { tools: [{ type: 'function', function: { name: 'f', parameters: SCHEMA, strict: true } }] },
    'tool choice: required': { tools: [chatTool], tool_choice: 'required' },
    'tool choice: one tool': { tools: [chatTool], tool_choice: { type: 'function', function: { name: 'f' } } },
    'tool choice: none': { tools: [chatTool], tool_choice: 'none' },
    'one call at a time': { tools: [chatTool], parallel_tool_calls: false },
    'tool calls and results': {
      tools: [chatTool],
      messages: [{ role: 'user', content: 'Hi' }, chatCall, { role: 'tool', tool_call_id: 'c1', content: 'r' }],
    },
    'JSON to a schema': { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: SCHEMA } } },
    'JSON of any form': { response_format: { type: 'json_object' } },
    'cap of tokens': { max_completion_tokens: 100 },
    temperature: { temperature: 0.5 },
    'top p': { top_p: 0.5 },
    'stop strings': { stop: ['END'] },
    'several choices': { n: 2 },
    'log probabilities': { logprobs: true, top_logprobs: 2 },
    seed: { seed: 1 },
    'frequency penalty': { frequency_penalty: 0.5 },
    'presence penalty': { presence_penalty: 0.5 },
    'logit bias': { logit_bias: { 1: 2 } },
    'reasoning: effort': { reasoning_effort: 'high' },
    'reasoning: off': { reasoning_effort: 'none' },
    verbosity: { verbosity: 'low' },
    'cache mark': chatUser({ type: 'text', text: 'x', prompt_cache_breakpoint: {} }),
    'cache key': { prompt_cache_key: 'k' },
    'end user': { safety_identifier: 'u' },
    metadata: { metadata: { a: 'b' } },
    'service tier': { service_tier: 'priority' },
    'an unknown field': { frobnicate: 1 },
  },
};

const responsesUser = (...content: JsonObject[]): JsonObject => ({
  input: [{ role: 'user', content: [{ type: 'input_text', text: 'Hi' }, ...content] }],
});
const responsesTool = { type: 'function', name: 'f', parameters: SCHEMA };

const RESPONSES: Sayings = {
  base: { model: 'a', input: [{ role: 'user', content: [{ type: 'input_text', text: 'Hi' }] }] },
  features: {
    'system text': { instructions: 'S' },
    'system text in the middle': {
      input: [
        { role: 'user', content: 'Hi' },
        { role: 'developer', content: 'S' },
        { role: 'user', content: 'x' },
      ],
    },
    'image, data': responsesUser({ type: 'input_image', image_url: PNG }),
    'image, URL': responsesUser({ type: 'input_image', image_url: 'https://example.com/a.png' }),
    'image detail': responsesUser({ type: 'input_image', image_url: PNG, detail: 'high' }),
    'document, PDF data': responsesUser({ type: 'input_file', filename: 'a.pdf', file_data: PDF }),
    'document, URL': responsesUser({ type: 'input_file', file_url: 'https://example.com/a.pdf' }),
    audio: responsesUser({ type: 'input_audio', data: 'aGk=', format: 'wav' }),
    tools: { tools: [responsesTool] },
    'tool, strict': { tools: [{ ...responsesTool, strict: true }] },
    'tool choice: required': { tools: [responsesTool], tool_choice: 'required' },
    'tool choice: one tool': { tools: [responsesTool], tool_choice: { type: 'function', name: 'f' } },
    'tool choice: none': { tools: [responsesTool], tool_choice: 'none' },
    'one call at a time': { tools: [responsesTool], parallel_tool_calls: false },
    'tool calls and results': {
      tools: [responsesTool],
      input: [
        { role: 'user', content: 'Hi' },
        { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c1', output: 'r' },
      ],
    },
    'tool result, image': {
      tools: [responsesTool],
      input: [
        { role: 'user', content: 'Hi' },
        { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c1', output: [{ type: 'input_image', image_url: PNG }] },
      ],
    },
    "the provider's own tools": { tools: [{ type: 'web_search' }] },
    'JSON to a schema': { text: { format: { type: 'json_schema', name: 'n', schema: SCHEMA } } },
    'JSON of any form': { text: { format: { type: 'json_object' } } },
    'cap of tokens': { max_output_tokens: 100 },
    temperature: { temperature: 0.5 },
    'top p': { top_p: 0.5 },
    'log probabilities': { top_logprobs: 2 },
    'reasoning: effort': { reasoning: { effort: 'high' } },
    'reasoning: off': { reasoning: { effort: 'none' } },
    verbosity: { text: { verbosity: 'low' } },
    'cache mark': responsesUser({ type: 'input_text', text: 'x', prompt_cache_breakpoint: {} }),
    'cache key': { prompt_cache_key: 'k' },
    'end user': { safety_identifier: 'u' },
    metadata: { metadata: { a: 'b' } },
    'service tier': { service_tier: 'priority' },
    'an earlier response': { previous_response_id: 'resp_1' },
    'keeping the response': { store: true },
    'an unknown field': { frobnicate: 1 },
  },
};

const claudeUser = (...content: JsonObject[]): JsonObject => ({
  messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }, ...content] }],
});
const claudeTool = { name: 'f', input_schema: SCHEMA };
const claudeLoop = (result: JsonObject): JsonObject => ({
  tools: [claudeTool],
  messages: [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'f', input: {} }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: 'r', ...result }] },
  ],
});

const MESSAGES: Sayings = {
  base: { model: 'a', max_tokens: 2048, messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }] },
  features: {
    'system text': { system: 'S' },
    'system text in the middle': {
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'system', content: 'S' },
        { role: 'user', content: 'x' },
      ],
    },
    'image, data': claudeUser({ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } }),
    'image, URL': claudeUser({ type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } }),
    'document, PDF data': claudeUser({
      type: 'document',
      source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' },
    }),
    'document, URL': claudeUser({ type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }),
    'document, text': claudeUser({ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' } }),
    tools: { tools: [claudeTool] },
    'tool, strict': { tools: [{ ...claudeTool, strict: true }] },
    'tool choice: required': { tools: [claudeTool], tool_choice: { type: 'any' } },
    'tool choice: one tool': { tools: [claudeTool], tool_choice: { type: 'tool', name: 'f' } },
    'tool choice: none': { tools: [claudeTool], tool_choice: { type: 'none' } },
    'one call at a time': { tools: [claudeTool], tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    'tool calls and results': claudeLoop({}),
    'tool result, failed': claudeLoop({ is_error: true }),
    'tool result, image': claudeLoop({
      content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } }],
    }),
    "the provider's own tools": { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
    'JSON to a schema': { output_config: { format: { type: 'json_schema', schema: SCHEMA } } },
    'cap of tokens': { max_tokens: 100 },
    temperature: { temperature: 0.5 },
    'top p': { top_p: 0.5 },
    'top k': { top_k: 5 },
    'stop strings': { stop_sequences: ['END'] },
    'reasoning: effort': { output_config: { effort: 'high' } },
    'reasoning: budget': { thinking: { type: 'enabled', budget_tokens: 1500 } },
    'reasoning: off': { thinking: { type: 'disabled' } },
    'signed reasoning in the history': {
      messages: [
        { role: 'user', content: 'Hi' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 't', signature: 'sig' },
            { type: 'text', text: 'x' },
          ],
        },
        { role: 'user', content: 'y' },
      ],
    },
    'cache mark': claudeUser({ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }),
    'end user': { metadata: { user_id: 'u' } },
    'service tier': { service_tier: 'standard_only' },
    'an unknown field': { frobnicate: 1 },
  },
};

const geminiUser = (...parts: JsonObject[]): JsonObject => ({
  contents: [{ role: 'user', parts: [{ text: 'Hi' }, ...parts] }],
});
const geminiTool = { functionDeclarations: [{ name: 'f', parametersJsonSchema: SCHEMA }] };

const GEMINI: Sayings = {
  base: { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] },
  features: {
    'system text': { systemInstruction: { parts: [{ text: 'S' }] } },
    'image, data': geminiUser({ inlineData: { mimeType: 'image/png', data: 'aGk=' } }),
    'image, URL': geminiUser({ fileData: { mimeType: 'image/png', fileUri: 'https://example.com/a.png' } }),
    'document, PDF data': geminiUser({ inlineData: { mimeType: 'application/pdf', data: 'JVBERi0=' } }),
    'document, URL': geminiUser({ fileData: { mimeType: 'application/pdf', fileUri: 'https://example.com/a.pdf' } }),
    audio: geminiUser({ inlineData: { mimeType: 'audio/wav', data: 'aGk=' } }),
    tools: { tools: [geminiTool] },
    'tool choice: required': { tools: [geminiTool], toolConfig: { functionCallingConfig: { mode: 'ANY' } } },
    'tool choice: one tool': {
      tools: [geminiTool],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } },
    },
    'tool choice: none': { tools: [geminiTool], toolConfig: { functionCallingConfig: { mode: 'NONE' } } },
    'tool calls and results': {
      tools: [geminiTool],
      contents: [
        { role: 'user', parts: [{ text: 'Hi' }] },
        { role: 'model', parts: [{ functionCall: { id: 'c1', name: 'f', args: {} } }] },
        { role: 'user', parts: [{ functionResponse: { id: 'c1', name: 'f', response: { output: 'r' } } }] },
      ],
    },
    "the provider's own tools": { tools: [{ googleSearch: {} }] },
    'JSON to a schema': { generationConfig: { responseMimeType: 'application/json', responseJsonSchema: SCHEMA } },
    'JSON of any form': { generationConfig: { responseMimeType: 'application/json' } },
    'cap of tokens': { generationConfig: { maxOutputTokens: 100 } },
    temperature: { generationConfig: { temperature: 0.5 } },
    'top p': { generationConfig: { topP: 0.5 } },
    'top k': { generationConfig: { topK: 5 } },
    'stop strings': { generationConfig: { stopSequences: ['END'] } },
    'several choices': { generationConfig: { candidateCount: 2 } },
    'log probabilities': { generationConfig: { responseLogprobs: true, logprobs: 2 } },
    seed: { generationConfig: { seed: 1 } },
    'frequency penalty': { generationConfig: { frequencyPenalty: 0.5 } },
    'presence penalty': { generationConfig: { presencePenalty: 0.5 } },
    'reasoning: effort': { generationConfig: { thinkingConfig: { thinkingLevel: 'HIGH' } } },
    'reasoning: budget': { generationConfig: { thinkingConfig: { thinkingBudget: 1500 } } },
    'safety settings': { safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }] },
    'an unknown field': { frobnicate: 1 },
  },
};

const SAYINGS: Readonly<Record<string, Sayings>> = {
  'openai-chat': CHAT,
  'openai-responses': RESPONSES,
  'anthropic-messages': MESSAGES,
  gemini: GEMINI,
};

const PATHS: Readonly<Record<string, string>> = { gemini: '/v1beta/models/a:generateContent' };

export interface Matrix {
  readonly caller: string;
  readonly providers: readonly string[];
  readonly rows: readonly { readonly feature: string; readonly verdicts: readonly Verdict[] }[];
}

/** One for each caller schema of chat. */
export function matrices(): Matrix[] {
  const providers = providerSchemaNames.map((name) => needed(providerSchema(name))).filter(({ chat }) => chat !== undefined);
  const features = [...new Set(Object.values(SAYINGS).flatMap((sayings) => Object.keys(sayings.features)))];
  return Object.entries(SAYINGS).map(([name, sayings]) => {
    const caller = needed(callerSchemas.find((schema) => schema.name === name));
    return {
      caller: name,
      providers: providers.map((provider) => provider.name),
      rows: features
        .filter((feature) => sayings.features[feature] !== undefined)
        .map((feature) => ({
          feature,
          verdicts: providers.map((provider) =>
            verdictOf(caller, provider, sayings.base, needed(sayings.features[feature])),
          ),
        })),
    };
  });
}

const TARGET = targetOf('target-model');

function verdictOf(caller: CallerSchema, provider: ProviderSchema, base: JsonObject, feature: JsonObject): Verdict {
  const conversion = needed(conversionBetween(caller, provider));
  if (conversion.passes) return 'passes';
  const encode = (body: JsonObject) =>
    conversion.encode(originalOf(body, { path: PATHS[caller.name] ?? '/' }), TARGET, false);
  const before = encode(base);
  try {
    const after = encode({ ...base, ...feature });
    if (after.dropped.length > before.dropped.length) return 'named';
    // What changes nothing and is not named was lost.
    return after.body.equals(before.body) ? 'LOST' : 'carried';
  } catch (error) {
    if (error instanceof Fault && error.code === 'not_translatable') return 'refused';
    throw error;
  }
}

const SIGNS: Readonly<Record<Verdict, string>> = {
  passes: '=',
  carried: '✓',
  named: '~',
  refused: '✗',
  LOST: 'LOST',
};

export function render(): string {
  const tables = matrices().map(({ caller, providers, rows }) =>
    [
      `## Callers of ${caller}`,
      '',
      `| feature | ${providers.join(' | ')} |`,
      `| --- | ${providers.map(() => ':-:').join(' | ')} |`,
      ...rows.map(({ feature, verdicts }) => `| ${feature} | ${verdicts.map((verdict) => SIGNS[verdict]).join(' | ')} |`),
      '',
    ].join('\n'),
  );
  return `# Fidelity: what a translation carries

Found out by translating (\`test/unit/transform/fidelity.ts\`), for a model that takes everything its schema can say; what a model takes less is in
[models.json](../filter/transform/capabilities/models.json). Features that a caller's schema cannot say are left out of its table.

| sign | meaning |
| :-: | --- |
| = | same schema: the caller's bytes pass, unknown fields too |
| ✓ | carried, if in other words |
| ~ | dropped or approximated, and named in \`x-gateway-dropped-fields\`; refused by an alias that is \`strict\` |
| ✗ | the target leaves the chain; when no target is left, a 400 that names the field and the target |

${tables.join('\n')}`;
}

if (import.meta.main) writeFileSync(new URL('../../../docs/fidelity.md', import.meta.url), render());
