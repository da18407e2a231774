/** Which tenants have their bodies recorded, and what of them may not be kept. */

import type { BodyRecording, RedactedField } from './compiled/body-recording.ts';
import type { TenantId } from './compiled/names.ts';
import type { PolicyDocument, RecordBodiesDocument } from './document.ts';

const DEFAULT_MAX_BYTES = 64 * 1024;

export function compileBodies({ tenants }: PolicyDocument): Map<TenantId, BodyRecording> {
  const recorded = new Map<TenantId, BodyRecording>();
  for (const [tenant, { record_bodies }] of Object.entries(tenants)) {
    const recording = record_bodies === undefined ? undefined : compileRecording(record_bodies);
    if (recording !== undefined && (recording.request || recording.response)) recorded.set(tenant as TenantId, recording);
  }
  return recorded;
}

function compileRecording({ request, response, max_bytes, sample, redact = [] }: RecordBodiesDocument): BodyRecording {
  return Object.freeze({
    ...{ request: request ?? false, response: response ?? false },
    ...{ maxBytes: max_bytes ?? DEFAULT_MAX_BYTES, share: sample ?? 1 },
    redact: Object.freeze(redact.map(fieldOf)),
  });
}

/** The schema has checked the form: a name, or a path from `$`. */
function fieldOf(written: string): RedactedField {
  if (!written.startsWith('$')) return Object.freeze({ by: 'name', name: written.toLowerCase() });
  const path = [...written.matchAll(/\.([\w-]+)|\[(\*|\d+)\]/g)].map(([, name, place = '']) =>
    name === undefined ? (place === '*' ? place : Number(place)) : name,
  );
  return Object.freeze({ by: 'path', path: Object.freeze(path) });
}
