/** Ids for calls that came without one: the same whenever this answer is read, and unlike those of all other answers. */
import { hash, randomUUID } from 'node:crypto';
import type { Json } from '../../../json.ts';

/** Short enough for schemas whose ids end at 40 characters. */
export function callIds(responseId: Json | undefined): (given: Json | undefined) => string {
  let prefix: string | undefined;
  let made = 0;
  return (given) => {
    if (typeof given === 'string' && given !== '') return given;
    const seed = typeof responseId === 'string' && responseId !== '' ? responseId : randomUUID();
    prefix ??= `call_${hash('sha256', seed, 'hex').slice(0, 16)}`;
    made += 1;
    return `${prefix}_${made - 1}`;
  };
}
