/** The published schema of audit records, for tests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type AnySchema } from 'ajv';
import { ROOT } from '../../stack/processes.ts';

const published = JSON.parse(readFileSync(join(ROOT, 'filter/observability/audit-record.schema.json'), 'utf8'));

/** Readers pass over new fields; we must not forget to publish one. */
export const isPublished = new Ajv({ strict: true, allowUnionTypes: true }).compile(closed(published));

/** The same schema, with no field that it does not name. */
function closed(schema: AnySchema): AnySchema {
  return JSON.parse(JSON.stringify(schema), (_, value) =>
    typeof value === 'object' && value !== null && value.type === 'object' && value.properties !== undefined
      ? { ...value, additionalProperties: false }
      : value,
  );
}
