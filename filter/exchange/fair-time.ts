/** Whether an attempt's end says anything of its target. */
import type { Attempt } from '../fallback/attempt.ts';
import { hadFairTime } from '../fallback/deadline.ts';
import { answerKind } from './choose.ts';
import type { Exchange } from './exchange.ts';

/** Not when it ran into its caller's own latency budget too early: no caller may make a target look ill to all others. */
export function hadItsTime(exchange: Exchange, { target, outcome, status, startedAt, endedAt }: Attempt): boolean {
  const { deadlineAt, alias, gateway } = exchange;
  if (outcome !== 'deadline_exceeded' || status !== undefined) return true;
  if (deadlineAt === undefined || alias === undefined || endedAt === undefined) return true;
  const kind = answerKind(exchange);
  return hadFairTime(endedAt - startedAt, alias.attemptDeadlineMs[kind], gateway.latency.of(target.id, kind)?.p95Ms);
}
