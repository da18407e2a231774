/** Answers whose tokens nobody knows: speech, verdicts, images in an unknown shape. */
import type { AuditRecord } from './audit-record.ts';

/** @returns whether the request was answered and nobody counted what that took: its money is unknown, and is not 0. Counting tokens takes nothing. */
export function isUncounted({ usage, outcome, attempts, caller_schema }: AuditRecord): boolean {
  if (usage !== null || outcome !== 'ok' || attempts.at(-1)?.outcome !== 'ok') return false;
  return caller_schema?.endsWith('-count-tokens') !== true;
}
