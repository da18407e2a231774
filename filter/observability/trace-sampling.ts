/** Which requests have spans: OpenTelemetry's samplers, by their standard names. */
import type { TraceContext } from './trace-context.ts';

export const SAMPLERS = [
  ...(['always_on', 'always_off', 'traceidratio'] as const),
  ...(['parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'] as const),
] as const;

export interface Sampling {
  readonly sampler: (typeof SAMPLERS)[number];
  /** From 0 to 1, of `…traceidratio`. */
  readonly ratio: number;
}

export function isSampled({ traceId, parent }: TraceContext, { sampler, ratio }: Sampling): boolean {
  if (sampler.startsWith('parentbased_') && parent !== 'undecided') return parent === 'sampled';
  switch (sampler) {
    case 'always_on':
    case 'parentbased_always_on':
      return true;
    case 'always_off':
    case 'parentbased_always_off':
      return false;
    case 'traceidratio':
    case 'parentbased_traceidratio':
      return isInRatio(traceId, ratio);
  }
}

/** The trace id's last digits are its random number: every service that goes by them decides alike. 52 of their 56 bits are what a number holds exactly. */
function isInRatio(traceId: string, ratio: number): boolean {
  return Number.parseInt(traceId.slice(18, 31), 16) / 2 ** 52 >= 1 - ratio;
}
