/** Google's restricted Schema (OpenAPI 3.0 with upper-case types) -> JSON Schema, which all other schemas take. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { array, invalid, object, string } from '../../codecs/fields.ts';
import { camel } from './members.ts';

/** Deeper than any sound schema; a hostile one must not exhaust the stack. */
const MAX_DEPTH = 100;

/** int64 on the wire: numbers, or the same in quotes. */
const COUNTS: ReadonlySet<string> = new Set([
  ...['minItems', 'maxItems', 'minProperties', 'maxProperties', 'minLength', 'maxLength'],
]);

/** @throws Fault `body_invalid` */
export function toJsonSchema(schema: JsonObject, path: string, depth = 0): JsonObject {
  if (depth > MAX_DEPTH) throw invalid(path, `schemas may be nested ${MAX_DEPTH} deep`);
  const out: JsonObject = {};
  const inner = (value: Json | undefined, at: string): JsonObject => toJsonSchema(object(value, at), at, depth + 1);
  for (const [key, value] of Object.entries(schema)) {
    if (value === undefined || value === null) continue;
    const name = camel(key);
    const at = `${path}.${name}`;
    switch (name) {
      case 'type': {
        const type = typeof value === 'string' ? value.toLowerCase() : value;
        if (type !== 'type_unspecified') out['type'] = type;
        break;
      }
      case 'properties':
        out[name] = Object.fromEntries(
          Object.entries(object(value, at)).map(([property, item]) => [property, inner(item, `${at}.${property}`)]),
        );
        break;
      case 'items':
        out[name] = inner(value, at);
        break;
      case 'anyOf':
        out[name] = array(value, at).map((item, index) => inner(item, `${at}[${index}]`));
        break;
      case 'example':
        out['examples'] = [value];
        break;
      case 'nullable':
      case 'propertyOrdering':
        break;
      default:
        out[name] = COUNTS.has(name) ? count(value, at) : value;
    }
  }
  return schema['nullable'] === true ? orNull(out) : out;
}

function count(value: Json, path: string): number {
  const read = typeof value === 'number' ? value : Number(string(value, path));
  if (!Number.isInteger(read)) throw invalid(path, 'expected a whole number');
  return read;
}

function orNull(schema: JsonObject): JsonObject {
  const { type, anyOf } = schema;
  if (typeof type === 'string') {
    const values = schema['enum'];
    return {
      ...schema,
      type: [type, 'null'],
      ...(Array.isArray(values) && !values.includes(null) ? { enum: [...values, null] } : {}),
    };
  }
  if (Array.isArray(anyOf) && !anyOf.some((item) => isObject(item) && item['type'] === 'null')) {
    return { ...schema, anyOf: [...anyOf, { type: 'null' }] };
  }
  return schema;
}
