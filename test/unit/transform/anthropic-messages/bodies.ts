/** Bodies and streams as Anthropic's SDK sends and receives them, and what the tests do with them. */
import { expect } from 'chai';
import { Fault, type FaultCode } from '../../../../filter/fault.ts';
import type { JsonObject } from '../../../../filter/json.ts';
import type { StreamEvent } from '../../../../filter/transform/codecs/framing.ts';
import { SseSplitter } from '../../../../filter/transform/codecs/sse.ts';
import type { UnifiedRequest } from '../../../../filter/transform/unified.ts';

export const WEATHER_TOOL = {
  name: 'get_weather',
  description: 'Current weather of a city.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

export function messagesBody(rest: JsonObject = {}): JsonObject {
  return { model: 'chat', max_tokens: 1024, messages: [{ role: 'user', content: 'Hello' }], ...rest };
}

/** Two parallel calls, and their results in the next turn. */
export function toolConversation(results: JsonObject[], after: JsonObject[] = []): JsonObject {
  return messagesBody({
    tools: [WEATHER_TOOL],
    messages: [
      { role: 'user', content: 'Weather in Paris and Rome?' },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'I look it up.' },
          { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Paris' } },
          { type: 'tool_use', id: 'toolu_2', name: 'get_weather', input: { city: 'Rome' } },
        ],
      },
      { role: 'user', content: results },
      ...after,
    ],
  });
}

export function result(id: string, text: string): JsonObject {
  return { type: 'tool_result', tool_use_id: id, content: text };
}

export function unifiedRequest(rest: Partial<UnifiedRequest> = {}): UnifiedRequest {
  return {
    instructions: [],
    messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hello' }] }],
    tools: [],
    stop: [],
    stream: false,
    unmapped: [],
    ...rest,
  };
}

function faultOf(act: () => unknown): Fault {
  try {
    act();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('expected a fault, and none was thrown');
}

export function expectFault(act: () => unknown, code: FaultCode, param: string, ...words: string[]): void {
  const fault = faultOf(act);
  expect({ code: fault.code, param: fault.param }).to.deep.equal({ code, param });
  for (const word of words) expect(fault.message).to.contain(word);
}

export function sse(...events: JsonObject[]): string {
  return events.map((data) => `event: ${String(data['type'])}\ndata: ${JSON.stringify(data)}\n\n`).join('');
}

export function splitAll(text: string): StreamEvent[] {
  const splitter = new SseSplitter();
  const events = splitter.push(Buffer.from(text));
  const last = splitter.end();
  return last === undefined ? events : [...events, last];
}

export function dataOf(text: string): JsonObject[] {
  return splitAll(text).map(({ data }) => JSON.parse(data) as JsonObject);
}
