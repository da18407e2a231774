/** Unified events -> `chat.completion.chunk` events, one writer per answer. */
import { isObject, type JsonObject } from '../../../json.ts';
import { type Sealed, showSealed, unseal } from '../../codecs/sealed-reasoning.ts';
import type { CallerStream, OriginalRequest } from '../../schema.ts';
import type { UnifiedEvent, Usage } from '../../unified.ts';
import { completionId, encodeLogprobs, FINISH_REASONS, signatureOfCall, usageObject } from './answer.ts';

export function openStream({ json: body }: OriginalRequest): CallerStream {
  const options = body['stream_options'];
  const usageWanted = isObject(options) && options['include_usage'] === true;
  const created = Math.floor(Date.now() / 1000);
  const begun = new Set<number>();
  /** Calls whose arguments have not begun: a call without any is closed with `{}`. */
  const silentCalls = new Map<string, JsonObject>();
  let id = '';
  let model = '';
  let usage: Usage | undefined;
  /** Reasoning since the last signature: a block is told whole, with its signature. */
  let thinking = '';
  /** Of the call that comes next. */
  let signature: Sealed | undefined;

  const event = (choices: JsonObject[], last?: Usage): string => {
    const chunk: JsonObject = { id, object: 'chat.completion.chunk', created, model, choices };
    if (usageWanted) chunk['usage'] = last === undefined ? null : usageObject(last);
    return `data: ${JSON.stringify(chunk)}\n\n`;
  };
  const delta = (choice: number, content: JsonObject): string => {
    // The role comes once, with a choice's first delta.
    const first = begun.has(choice) ? {} : { role: 'assistant', content: '' };
    begun.add(choice);
    return event([{ index: choice, delta: { ...first, ...content }, logprobs: null, finish_reason: null }]);
  };
  const call = (choice: number, index: number, content: JsonObject): string =>
    delta(choice, { tool_calls: [{ index, ...content }] });
  const closeSilentCalls = (choice: number): string => {
    let out = '';
    for (const [key, content] of silentCalls) {
      const [of, index] = key.split(':').map(Number);
      if (of !== choice || index === undefined) continue;
      silentCalls.delete(key);
      out += call(choice, index, content);
    }
    return out;
  };

  return {
    write(unified: UnifiedEvent): string {
      switch (unified.type) {
        case 'start':
          id = completionId(unified.id);
          model = unified.model;
          return delta(0, {});
        case 'text':
          return delta(unified.choice, { content: unified.text });
        case 'refusal':
          return delta(unified.choice, { refusal: unified.text });
        case 'reasoning':
          thinking += unified.text;
          return delta(unified.choice, { reasoning_content: unified.text });
        case 'tool_call': {
          const signed = signatureOfCall(signature);
          signature = undefined;
          silentCalls.set(`${unified.choice}:${unified.call}`, { function: { arguments: '{}' } });
          return call(unified.choice, unified.call, {
            id: unified.id,
            type: 'function',
            function: { name: unified.name, arguments: '' },
            ...signed,
          });
        }
        case 'tool_call_arguments':
          if (unified.fragment === '') return '';
          silentCalls.delete(`${unified.choice}:${unified.call}`);
          return call(unified.choice, unified.call, { function: { arguments: unified.fragment } });
        case 'finish': {
          const calls = closeSilentCalls(unified.choice);
          const finish = { index: unified.choice, delta: {}, logprobs: null, finish_reason: FINISH_REASONS[unified.reason] };
          return calls + event([finish]);
        }
        case 'usage':
          usage = unified.usage;
          return '';
        case 'end':
          return `${usageWanted && usage !== undefined ? event([], usage) : ''}data: [DONE]\n\n`;
        case 'reasoning_signature': {
          const thought = thinking;
          thinking = '';
          // Gemini's belongs to the call that follows.
          if (unseal(unified.signature, 'gemini') !== undefined) {
            signature = unified.signature;
            return '';
          }
          const block = { type: 'thinking', thinking: thought, signature: showSealed(unified.signature, 'anthropic') };
          return delta(unified.choice, { thinking_blocks: [block] });
        }
        case 'reasoning_redacted': {
          const block = { type: 'redacted_thinking', data: showSealed(unified.data, 'anthropic') };
          return delta(unified.choice, { thinking_blocks: [block] });
        }
        case 'logprobs':
          return event([
            { index: unified.choice, delta: {}, logprobs: encodeLogprobs(unified.tokens), finish_reason: null },
          ]);
        case 'part_end':
        case 'error':
          return '';
      }
    },
  };
}
