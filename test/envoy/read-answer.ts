/** What a caller of each schema makes of the bytes that it got: a whole answer, an error, or the start of an answer. */
import { isObject, type Json, type JsonObject, parseObject } from '../../filter/json.ts';

export type CallerName = 'openai' | 'anthropic';

export interface Reading {
  /** `broken`: it began and has no end. `foreign`: it is not this schema. */
  readonly ending: 'whole' | 'error' | 'broken' | 'foreign';
  readonly text: string;
  /** Of an error: code, then message. */
  readonly error: string;
}

const FOREIGN: Reading = { ending: 'foreign', text: '', error: '' };

export function readAnswer(caller: CallerName, text: string, stream: boolean): Reading {
  if (stream && !text.startsWith('{')) return READ_STREAM[caller](dataOf(text));
  const body = parseObject(Buffer.from(text));
  if (body === undefined) return FOREIGN;
  return errorIn(caller, body) ?? READ_WHOLE[caller](body);
}

function errorIn(caller: CallerName, body: JsonObject): Reading | undefined {
  const { error } = body;
  if (!isObject(error)) return undefined;
  if (caller === 'anthropic' && body['type'] !== 'error') return FOREIGN;
  const code = caller === 'openai' ? error['code'] : at(error['details'], 'error_code');
  return { ending: 'error', text: '', error: `${String(code ?? '')}: ${String(error['message'])}` };
}

const READ_WHOLE: Readonly<Record<CallerName, (body: JsonObject) => Reading>> = {
  openai(body) {
    const choice = at(body['choices'], 0);
    const text = at(at(choice, 'message'), 'content');
    if (body['object'] !== 'chat.completion' || typeof text !== 'string') return FOREIGN;
    return { ending: at(choice, 'finish_reason') === 'stop' ? 'whole' : 'broken', text, error: '' };
  },
  anthropic(body) {
    const text = at(at(body['content'], 0), 'text');
    if (body['type'] !== 'message' || typeof text !== 'string') return FOREIGN;
    return { ending: body['stop_reason'] === 'end_turn' ? 'whole' : 'broken', text, error: '' };
  },
};

const READ_STREAM: Readonly<Record<CallerName, (data: readonly string[]) => Reading>> = {
  openai(data) {
    let text = '';
    let finished = 0;
    for (const [index, one] of data.entries()) {
      if (one === '[DONE]')
        return index === data.length - 1 && finished === 1 ? { ending: 'whole', text, error: '' } : FOREIGN;
      const event = parseObject(Buffer.from(one));
      if (event === undefined) return FOREIGN;
      const failure = errorIn('openai', event);
      if (failure !== undefined) return index === data.length - 1 ? { ...failure, text } : FOREIGN;
      if (event['object'] !== 'chat.completion.chunk') return FOREIGN;
      const choice = at(event['choices'], 0);
      text += String(at(at(choice, 'delta'), 'content') ?? '');
      if (at(choice, 'finish_reason') === 'stop') finished += 1;
    }
    return { ending: 'broken', text, error: '' };
  },
  anthropic(data) {
    let text = '';
    let open = 0;
    for (const [index, one] of data.entries()) {
      const last = index === data.length - 1;
      const event = parseObject(Buffer.from(one));
      if (event === undefined || (index === 0) !== (event['type'] === 'message_start')) return FOREIGN;
      switch (event['type']) {
        case 'content_block_start':
          open += 1;
          break;
        case 'content_block_stop':
          open -= 1;
          break;
        case 'content_block_delta':
          text += String(at(event['delta'], 'text') ?? '');
          break;
        case 'error': {
          const failure = errorIn('anthropic', event);
          return last && failure !== undefined ? { ...failure, text } : FOREIGN;
        }
        case 'message_stop':
          return last && open === 0 ? { ending: 'whole', text, error: '' } : FOREIGN;
      }
    }
    return { ending: 'broken', text, error: '' };
  },
};

/** The data of all events that came whole. */
function dataOf(text: string): string[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .flatMap((event) => event.split('\n'))
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice('data: '.length));
}

function at(value: Json | undefined, key: string | number): Json | undefined {
  if (typeof key === 'number') return Array.isArray(value) ? value[key] : undefined;
  return isObject(value) ? value[key] : undefined;
}
