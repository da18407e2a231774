/** Bodies and streams as Google's SDK sends and receives them, and what the tests do with them. */
import type { JsonObject } from '../../../../filter/json.ts';
import { geminiCaller } from '../../../../filter/transform/callers/gemini/caller.ts';
import { geminiProvider } from '../../../../filter/transform/providers/gemini/provider.ts';
import type { EncodeTarget, OriginalRequest } from '../../../../filter/transform/schema.ts';
import type { Message, UnifiedEvent, UnifiedRequest } from '../../../../filter/transform/unified.ts';
import { splitAll, unifiedRequest } from '../anthropic-messages/bodies.ts';
import { needed, originalOf, sentBody, targetOf } from '../original.ts';

export const chat = needed(geminiProvider.chat);

export const GEMINI_3 = targetOf('gemini-3.5-flash');
export const GEMINI_25 = targetOf('gemini-2.5-flash');
export const VERTEX = targetOf('gemini-3.5-flash', { basePath: '/v1/projects/p/locations/l/publishers/google' });

export const user = (...parts: JsonObject[]): JsonObject => ({ role: 'user', parts });
export const model = (...parts: JsonObject[]): JsonObject => ({ role: 'model', parts });
export const call = (name: string, args: JsonObject = {}, id?: string): JsonObject => ({
  functionCall: { ...(id === undefined ? {} : { id }), name, args },
});
export const result = (name: string, response: JsonObject, id?: string): JsonObject => ({
  functionResponse: { ...(id === undefined ? {} : { id }), name, response },
});

export function geminiOriginal(rest: JsonObject = {}, stream = false): OriginalRequest {
  const method = stream ? 'streamGenerateContent' : 'generateContent';
  const body = { contents: [user({ text: 'Hello' })], ...rest };
  return originalOf(body, { path: `/v1beta/models/chat:${method}`, query: stream ? 'alt=sse' : '' });
}

export function parsed(rest: JsonObject = {}): UnifiedRequest {
  return geminiCaller.parseRequest(geminiOriginal(rest));
}

export function encoded(
  rest: Partial<UnifiedRequest>,
  target: EncodeTarget = GEMINI_3,
): { body: JsonObject; dropped: string[] } {
  const request = chat.encodeRequest(unifiedRequest(rest), target);
  return { body: sentBody(request), dropped: request.dropped };
}

/** The contents of a request for these turns. */
export function contentsOf(messages: Message[], target: EncodeTarget = GEMINI_3): JsonObject[] {
  return encoded({ messages }, target).body['contents'] as JsonObject[];
}

export function chunk(parts: JsonObject[], rest: JsonObject = {}, candidate: JsonObject = {}): JsonObject {
  return {
    candidates: [{ content: { role: 'model', parts }, index: 0, ...candidate }],
    modelVersion: 'gemini-x-001',
    responseId: 'resp-1',
    ...rest,
  };
}

export function sse(...chunks: unknown[]): string {
  return chunks.map((data) => `data: ${JSON.stringify(data)}\r\n\r\n`).join('');
}

/** The events of a stream whose body ends well, or breaks off. */
export function decoded(text: string, ends = true): UnifiedEvent[] {
  const events: UnifiedEvent[] = [];
  const stream = chat.openStream((event) => events.push(event));
  for (const event of splitAll(text)) stream.push(event);
  if (ends) stream.end?.();
  return events;
}
