/** Bodies are recorded where the policy asks for it and the process has a place for them. */
import type { Logger } from 'pino';
import { AuditLog, type AuditSettings } from './observability/audit-log.ts';
import { BodyLog } from './observability/body-log.ts';
import type { Policy } from './policy/compiled/policy.ts';

export interface BodySettings {
  readonly directory: string;
  /** Of bodies that wait to be redacted, at most. */
  readonly queueBytes: number;
  readonly log: AuditSettings;
}

/** @returns undefined: there is no place for them. One that cannot be used is logged, and tried again. */
export async function startBodyLog(
  bodies: BodySettings | undefined,
  auditName: string,
  log: Logger,
): Promise<BodyLog | undefined> {
  if (bodies === undefined) return undefined;
  const own = log.child({ log: 'bodies' });
  return new BodyLog(await AuditLog.open(bodies.directory, auditName, own, bodies.log), own, bodies.queueBytes);
}

export function tellUnrecorded(bodies: BodySettings | undefined, { recordedBodies }: Policy, log: Logger): void {
  if (bodies !== undefined || recordedBodies.size === 0) return;
  const tenants = [...recordedBodies.keys()];
  log.error({ tenants }, 'record_bodies is set and GATEWAY_BODIES_DIR is not: no bodies are recorded');
}
