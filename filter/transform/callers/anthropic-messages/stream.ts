/** Unified events -> Anthropic's stream: blocks that open, grow and close one after another. One writer per answer. */
import type { JsonObject } from '../../../json.ts';
import type { CallerStream } from '../../schema.ts';
import { NO_USAGE, type UnifiedEvent, type Usage } from '../../unified.ts';
import { messageId, STOP_REASONS, usageObject } from './answer.ts';

type BlockKind = 'text' | 'thinking' | 'tool_use';

/** A call whose block waits until the one before it is closed. */
interface WaitingCall {
  readonly call: number;
  readonly id: string;
  readonly name: string;
  json: string;
}

export function openStream(): CallerStream {
  let index = -1;
  let open: { kind: BlockKind; call: number | undefined; json: string } | undefined;
  const waiting: WaitingCall[] = [];
  let usage: Readonly<Usage> = NO_USAGE;
  let stop: { reason: string; sequence: string | null } | undefined;
  let stopWritten = false;

  const event = (type: string, rest: JsonObject): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
  const begin = (kind: BlockKind, block: JsonObject, call?: number): string => {
    const closed = close();
    index += 1;
    open = { kind, call, json: '' };
    return closed + event('content_block_start', { index, content_block: { type: kind, ...block } });
  };
  const delta = (content: JsonObject): string => event('content_block_delta', { index, delta: content });
  const close = (): string => {
    if (open === undefined) return '';
    open = undefined;
    return event('content_block_stop', { index });
  };
  const within = (kind: BlockKind, empty: JsonObject): string => (open?.kind === kind ? '' : drain() + begin(kind, empty));
  /** Blocks follow one another; what providers interleave is put in order here. */
  const drain = (): string => {
    let out = '';
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      out += begin('tool_use', { id: next.id, name: next.name, input: {} }, next.call);
      if (next.json !== '') out += delta({ type: 'input_json_delta', partial_json: next.json });
    }
    return out;
  };
  const writeStop = (): string => {
    if (stop === undefined || stopWritten) return '';
    stopWritten = true;
    return event('message_delta', {
      delta: { stop_reason: stop.reason, stop_sequence: stop.sequence },
      usage: usageObject(usage),
    });
  };

  return {
    write(unified: UnifiedEvent): string {
      // This schema has one choice; requests for more are refused before.
      if ('choice' in unified && unified.choice !== 0) return '';
      switch (unified.type) {
        case 'start':
          return event('message_start', {
            message: {
              ...{ id: messageId(unified.id), type: 'message', role: 'assistant', model: unified.model, content: [] },
              ...{ stop_reason: null, stop_sequence: null, usage: usageObject(usage) },
            },
          });
        case 'text':
        case 'refusal':
          return within('text', { text: '' }) + delta({ type: 'text_delta', text: unified.text });
        case 'reasoning':
          return within('thinking', { thinking: '', signature: '' }) + delta({ type: 'thinking_delta', thinking: unified.text });
        case 'reasoning_signature':
          return (
            within('thinking', { thinking: '', signature: '' }) +
            delta({ type: 'signature_delta', signature: unified.signature }) +
            close()
          );
        case 'reasoning_redacted': {
          const closed = drain() + close();
          index += 1;
          return `${closed}${event('content_block_start', { index, content_block: { type: 'redacted_thinking', data: unified.data } })}${event('content_block_stop', { index })}`;
        }
        case 'tool_call':
          // Providers may interleave calls, but hardly do: an open call whose arguments are whole makes room at once.
          if (open?.kind === 'tool_use' && (waiting.length > 0 || !isWhole(open.json))) {
            waiting.push({ call: unified.call, id: unified.id, name: unified.name, json: '' });
            return '';
          }
          return begin('tool_use', { id: unified.id, name: unified.name, input: {} }, unified.call);
        case 'tool_call_arguments': {
          if (open?.kind === 'tool_use' && open.call === unified.call) {
            open.json += unified.fragment;
            return delta({ type: 'input_json_delta', partial_json: unified.fragment });
          }
          const call = waiting.find((held) => held.call === unified.call);
          if (call !== undefined) call.json += unified.fragment;
          return '';
        }
        case 'part_end': {
          const closed = close();
          const next = waiting.shift();
          if (next === undefined) return closed;
          const begun = begin('tool_use', { id: next.id, name: next.name, input: {} }, next.call);
          return closed + begun + (next.json === '' ? '' : delta({ type: 'input_json_delta', partial_json: next.json }));
        }
        case 'finish':
          stop = { reason: STOP_REASONS[unified.reason], sequence: unified.stopSequence ?? null };
          // Usage may trail the finish: the event that carries both waits for it.
          return drain() + close();
        case 'usage':
          usage = unified.usage;
          return '';
        case 'end':
          return drain() + close() + writeStop() + event('message_stop', {});
        case 'error':
          return '';
      }
    },
  };
}

function isWhole(json: string): boolean {
  try {
    JSON.parse(json);
    return true;
  } catch {
    return false;
  }
}
