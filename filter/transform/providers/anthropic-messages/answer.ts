/** Anthropic message -> unified answer. Blocks of types that callers' schemas cannot show are left out. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { originalName } from '../../codecs/safe-names.ts';
import { seal } from '../../codecs/sealed-reasoning.ts';
import { factsOf } from '../../facts.ts';
import type { AnswerFacts } from '../../schema.ts';
import type { AssistantPart, FinishReason, UnifiedAnswer } from '../../unified.ts';
import { readUsage } from './usage.ts';

export function finishReason(value: Json | undefined): FinishReason {
  switch (value) {
    case 'end_turn':
      return 'stop';
    case 'stop_sequence':
      return 'stop_sequence';
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length';
    case 'tool_use':
      return 'tool_calls';
    case 'refusal':
      return 'content_filter';
    case 'pause_turn':
      return 'pause';
    default:
      return 'unknown';
  }
}

export function readFacts(body: JsonObject): AnswerFacts {
  return factsOf(body['model'], readUsage(body['usage']));
}

/** @throws Error when it has no content: it is no answer of this schema */
export function decodeAnswer(body: JsonObject): UnifiedAnswer {
  const { content } = body;
  if (!Array.isArray(content)) throw new Error('the answer has no content');
  const sequence = body['stop_sequence'];
  return {
    id: typeof body['id'] === 'string' ? body['id'] : '',
    model: typeof body['model'] === 'string' ? body['model'] : '',
    choices: [
      {
        index: 0,
        parts: content.filter(isObject).flatMap(decodeBlock),
        finish: finishReason(body['stop_reason']),
        ...(typeof sequence === 'string' ? { stopSequence: sequence } : {}),
      },
    ],
    usage: readUsage(body['usage']),
  };
}

function decodeBlock(block: JsonObject): AssistantPart[] {
  switch (block['type']) {
    case 'text':
      return typeof block['text'] === 'string' && block['text'] !== '' ? [{ type: 'text', text: block['text'] }] : [];
    case 'thinking': {
      const signature = block['signature'];
      return [
        {
          type: 'reasoning',
          text: String(block['thinking'] ?? ''),
          ...(typeof signature === 'string' && signature !== '' ? { signature: seal('anthropic', signature) } : {}),
        },
      ];
    }
    case 'redacted_thinking':
      return [{ type: 'reasoning', text: '', redacted: seal('anthropic', String(block['data'] ?? '')) }];
    case 'tool_use':
      return [
        {
          type: 'tool_call',
          id: String(block['id'] ?? ''),
          name: originalName(String(block['name'] ?? '')),
          arguments: JSON.stringify(block['input'] ?? {}),
        },
      ];
    default:
      return [];
  }
}
