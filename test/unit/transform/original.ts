/** A caller's request as the exchange hands it to the schemas; and a target to translate it for. */
import type { JsonObject } from '../../../filter/json.ts';
import { UNKNOWN_MODEL } from '../../../filter/transform/capabilities/capabilities.ts';
import type { EncodeTarget, OriginalRequest } from '../../../filter/transform/schema.ts';

export function originalOf(
  body: JsonObject,
  { path = '/', query = '', headers = {} }: { path?: string; query?: string; headers?: Record<string, string> } = {},
): OriginalRequest {
  return { line: { path, query }, bytes: Buffer.from(JSON.stringify(body)), json: body, header: (name) => headers[name] };
}

export function targetOf(model: string, rest: Partial<EncodeTarget> = {}): EncodeTarget {
  return { model, basePath: undefined, maxOutputTokens: 8192, capabilities: UNKNOWN_MODEL, ...rest };
}

/** The body as it goes out: members that are undefined are gone. */
export function sentBody({ body }: { body: JsonObject }): JsonObject {
  return JSON.parse(JSON.stringify(body));
}

/** A part of a schema that its tests rely on. @throws Error when it has none */
export function needed<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('the schema lacks it');
  return part;
}
