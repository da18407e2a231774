/** Whether a target of one policy is the one of the same name in another: what was measured of it holds for what it was. */
import type { Target } from './target.ts';

/** What makes a target the one that it is. */
const IDENTITY = ['cluster', 'schema', 'model', 'basePath', 'query', 'host', 'region'] as const;

export function isSameTarget(a: Target, b: Target | undefined): boolean {
  if (a === b) return true;
  return (
    b !== undefined &&
    IDENTITY.every((field) => a[field] === b[field]) &&
    a.credentials.join(' ') === b.credentials.join(' ')
  );
}
