/** From one schema into another and back, in a line each. */
import type { JsonObject } from '../../../../filter/json.ts';
import { conversionBetween } from '../../../../filter/transform/conversion/between.ts';
import type { Conversion } from '../../../../filter/transform/conversion/conversion.ts';
import { callerSchemas, providerSchema } from '../../../../filter/transform/registry.ts';
import type { EncodeTarget } from '../../../../filter/transform/schema.ts';
import { needed, originalOf, targetOf } from '../original.ts';

export const ABOUT = { id: 'a1', model: 'target-model' };
export const TARGET = targetOf('target-model');

export function conversion(caller: string, provider: string): Conversion {
  const from = needed(callerSchemas.find(({ name }) => name === caller));
  return needed(conversionBetween(from, needed(providerSchema(provider))));
}

interface Encoded {
  readonly body: JsonObject;
  readonly dropped: readonly string[];
}

export function encode(
  caller: string,
  provider: string,
  body: JsonObject,
  target: EncodeTarget = TARGET,
  headers: Record<string, string> = {},
): Encoded {
  const { body: bytes, dropped } = conversion(caller, provider).encode(
    originalOf(body, { headers }),
    target,
    body['stream'] === true,
  );
  return { body: JSON.parse(bytes.toString()), dropped };
}

export function answer(caller: string, provider: string, body: JsonObject): JsonObject {
  const converted = conversion(caller, provider);
  return JSON.parse(
    converted.answer(Buffer.from(JSON.stringify(body)), originalOf({}), ABOUT, () => undefined).body.toString(),
  );
}

interface Streamed {
  readonly text: string;
  readonly ended: boolean;
  /** The JSON of its events. */
  readonly events: JsonObject[];
  readonly usage: unknown;
}

export function stream(caller: string, provider: string, bytes: string): Streamed {
  const converted = conversion(caller, provider);
  const splitter = converted.framing.open();
  const carrier = converted.openStream(originalOf({}), ABOUT);
  const out = splitter.push(Buffer.from(bytes)).map((event) => carrier.carry(event));
  const rest = splitter.end();
  if (rest !== undefined) out.push(carrier.carry(rest));
  out.push(carrier.end());
  const text = Buffer.concat(out).toString();
  const events = [...text.matchAll(/^data: (\{.*\})$/gm)].map(([, data = '']) => JSON.parse(data) as JsonObject);
  return { text, ended: carrier.ended, events, usage: carrier.facts.usage };
}

export function sse(...events: JsonObject[]): string {
  return events.map((data) => `event: ${String(data['type'] ?? '')}\ndata: ${JSON.stringify(data)}\n\n`).join('');
}

export const HI = { role: 'user', content: 'Hi' };
export const TOOL = { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } };
export const CALLED = {
  role: 'assistant',
  content: null,
  tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
};
export const RESULT = { role: 'tool', tool_call_id: 'c1', content: 'r' };
