/** Converse answer -> unified answer. It names neither itself nor its model: the request did. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { originalName } from '../../codecs/safe-names.ts';
import { seal } from '../../codecs/sealed-reasoning.ts';
import type { AssistantPart, FinishReason, UnifiedAnswer } from '../../unified.ts';
import { readUsage } from './usage.ts';

/** @returns undefined for a stop that is no answer: what the model said cannot be read */
export function finishReason(value: Json | undefined): FinishReason | undefined {
  switch (value) {
    case 'end_turn':
      return 'stop';
    case 'stop_sequence':
      // Converse does not tell which one matched.
      return 'stop';
    case 'tool_use':
      return 'tool_calls';
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length';
    case 'guardrail_intervened':
    case 'content_filtered':
      return 'content_filter';
    case 'malformed_model_output':
    case 'malformed_tool_use':
      return undefined;
    default:
      return 'unknown';
  }
}

/** @throws Error without output (a 200 without one has been seen: envoyproxy/ai-gateway#2177), or when its stop says that it is broken */
export function decodeAnswer(body: JsonObject): UnifiedAnswer {
  const output = isObject(body['output']) ? body['output'] : {};
  const message = isObject(output['message']) ? output['message'] : {};
  if (!Array.isArray(message['content'])) throw new Error('the answer has no output');
  const finish = finishReason(body['stopReason']);
  if (finish === undefined) throw new Error(`the answer stopped with ${String(body['stopReason'])}`);
  return {
    id: '',
    model: '',
    choices: [{ index: 0, parts: message['content'].filter(isObject).flatMap(decodeBlock), finish }],
    usage: readUsage(body['usage'], body['serviceTier']),
  };
}

/** Empty for what is no text. Not `String()`: JSON can be an object that has no text form. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

function decodeBlock(block: JsonObject): AssistantPart[] {
  const { text, toolUse, reasoningContent } = block;
  if (typeof text === 'string') return text === '' ? [] : [{ type: 'text', text }];
  if (isObject(toolUse)) {
    const { toolUseId, name, input } = toolUse;
    return [
      {
        type: 'tool_call',
        id: textOf(toolUseId),
        name: originalName(textOf(name)),
        arguments: JSON.stringify(input ?? {}),
      },
    ];
  }
  if (!isObject(reasoningContent)) return [];
  const { redactedContent, reasoningText } = reasoningContent;
  if (typeof redactedContent === 'string')
    return [{ type: 'reasoning', text: '', redacted: seal('anthropic', redactedContent) }];
  if (!isObject(reasoningText)) return [];
  const { signature } = reasoningText;
  return [
    {
      type: 'reasoning',
      text: textOf(reasoningText['text']),
      ...(typeof signature === 'string' && signature !== '' ? { signature: seal('anthropic', signature) } : {}),
    },
  ];
}
