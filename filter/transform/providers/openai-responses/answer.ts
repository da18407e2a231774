/** Response object -> unified answer. Items of types that callers' schemas cannot show are left out. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { originalName } from '../../codecs/safe-names.ts';
import { type Sealed, seal } from '../../codecs/sealed-reasoning.ts';
import { factsOf } from '../../facts.ts';
import type { AnswerFacts } from '../../schema.ts';
import type { AssistantPart, FinishReason, ReasoningPart, TokenLogprob, UnifiedAnswer } from '../../unified.ts';
import { readUsage } from './usage.ts';

/** providers.md 1.9. @param called is there a function call in the output? */
export function finishReason(response: JsonObject, called: boolean): FinishReason {
  if (response['status'] === 'incomplete') {
    const details = isObject(response['incomplete_details']) ? response['incomplete_details'] : {};
    if (details['reason'] === 'max_output_tokens') return 'length';
    return details['reason'] === 'content_filter' ? 'content_filter' : 'unknown';
  }
  return called ? 'tool_calls' : 'stop';
}

export function readFacts(body: JsonObject): AnswerFacts {
  return factsOf(body['model'], readUsage(body));
}

/** @throws Error when it has no output, or says that it failed: it is no answer */
export function decodeAnswer(body: JsonObject): UnifiedAnswer {
  const { output } = body;
  if (body['status'] === 'failed') throw new Error('the response failed');
  if (!Array.isArray(output)) throw new Error('the answer has no output');
  const items = output.filter(isObject);
  const parts = items.flatMap(decodeItem);
  const logprobs = items.flatMap((item) => list(item['content'])).flatMap((part) => readLogprobs(part['logprobs']));
  const called = parts.some(({ type }) => type === 'tool_call');
  return {
    id: typeof body['id'] === 'string' ? body['id'] : '',
    model: typeof body['model'] === 'string' ? body['model'] : '',
    choices: [{ index: 0, parts, finish: finishReason(body, called), ...(logprobs.length === 0 ? {} : { logprobs }) }],
    usage: readUsage(body),
  };
}

function decodeItem(item: JsonObject): AssistantPart[] {
  switch (item['type']) {
    case 'message':
      return list(item['content']).flatMap((part): AssistantPart[] => {
        if (part['type'] === 'output_text' && typeof part['text'] === 'string' && part['text'] !== '')
          return [{ type: 'text', text: part['text'] }];
        return part['type'] === 'refusal' ? [{ type: 'refusal', text: String(part['refusal'] ?? '') }] : [];
      });
    case 'function_call':
      return [
        {
          type: 'tool_call',
          id: String(item['call_id'] ?? item['id'] ?? ''),
          name: originalName(String(item['name'] ?? '')),
          arguments: typeof item['arguments'] === 'string' ? item['arguments'] : '',
        },
      ];
    case 'reasoning': {
      const part = decodeReasoning(item);
      return part.text === '' && part.signature === undefined ? [] : [part];
    }
    default:
      return [];
  }
}

function decodeReasoning(item: JsonObject): ReasoningPart {
  const shown = list(item['summary']);
  const texts = (shown.length > 0 ? shown : list(item['content'])).map((part) => String(part['text'] ?? ''));
  const signature = signatureOf(item);
  return { type: 'reasoning', text: texts.join('\n\n'), ...(signature === undefined ? {} : { signature }) };
}

/** The item's id goes with its encrypted content: both are needed to send it back. */
export function signatureOf(item: JsonObject): Sealed | undefined {
  const encrypted = item['encrypted_content'];
  if (typeof encrypted !== 'string' || encrypted === '') return undefined;
  return seal('openai', `${String(item['id'] ?? '')} ${encrypted}`);
}

export function readLogprobs(value: Json | undefined): TokenLogprob[] {
  const read = (entry: JsonObject): { token: string; logprob: number } => ({
    token: String(entry['token'] ?? ''),
    logprob: Number(entry['logprob'] ?? 0),
  });
  return list(value).map((entry) => ({ ...read(entry), top: list(entry['top_logprobs']).map(read) }));
}

function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
